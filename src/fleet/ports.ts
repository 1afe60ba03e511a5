import type { CommandId, JsonValue, Result } from "#base";
import type { Position } from "./position.ts";
import type {
  ClaimAnswer,
  ClaimCall,
  CommandsAnswer,
  FleetCommand,
  HeartbeatAnswer,
  HeartbeatCall,
  WaitAnswer,
  WaitCall,
} from "./wire.ts";

/**
 * The way to the hub. A failure that is `retryable` leaves open whether the call took effect; it may be sent again under
 * the same ids. One that is `refused` took none.
 */
export interface QueueLink {
  commands(commands: readonly FleetCommand[]): Promise<Result<CommandsAnswer>>;
  claim(call: ClaimCall): Promise<Result<ClaimAnswer>>;
  /** @param limitMs after it an answer is of no use, and is not waited for */
  heartbeat(call: HeartbeatCall, limitMs?: number): Promise<Result<HeartbeatAnswer>>;
  wait(call: WaitCall): Promise<Result<WaitAnswer>>;
}

export type OutboxAnswer = { readonly id: CommandId; readonly result: JsonValue };

export type OutboxRow = { readonly n: number; readonly command: FleetCommand };

/** Commands of this node that the fleet's database does not show yet. Every call is durable when it returns. */
export interface Outbox {
  append(command: FleetCommand, atMs: number): Result<void>;
  /** The first that were not answered, in the order of their arrival. */
  waiting(limit: number): Result<readonly OutboxRow[]>;
  /** The newest that the database does not show yet, answered or not; without those that a hub refused. */
  unshown(limit: number): Result<readonly OutboxRow[]>;
  /** What the hub of this epoch said of each; all of them, or none when it fails. */
  answered(epoch: number, answers: readonly OutboxAnswer[]): Result<void>;
  /** What a command was answered; undefined when it waits, or is not kept. */
  answer(id: CommandId): Result<JsonValue | undefined>;
  /** Those that were answered and are not settled, the oldest first. */
  unsettled(limit: number): Result<readonly { readonly id: CommandId; readonly epoch: number }[]>;
  /** The database shows them. */
  settle(ids: readonly CommandId[]): Result<void>;
  /** Everything that is settled has to be looked for anew: the database may be another one. */
  unsettle(): Result<void>;
  /** Nobody will ask for them again. */
  forget(ids: readonly CommandId[]): Result<void>;
  /** Answered by a hub that was superseded, and lost with it: they wait again. */
  reopen(ids: readonly CommandId[]): Result<void>;
  count(): Result<{ readonly waiting: number; readonly unsettled: number }>;
}

/** What a member knows of the fleet's database through its replica. */
export interface ReplicaView {
  position(): Position | undefined;
  /** Tells that the hub is at this position, so that the replica follows. */
  follow(position: Position): void;
  /** @returns whether the replica reached the position in time. */
  reached(position: Position, timeoutMs: number): Promise<boolean>;
  /** @returns those of the commands whose results the replica shows. */
  shown(ids: readonly CommandId[]): Promise<Result<ReadonlySet<CommandId>>>;
}
