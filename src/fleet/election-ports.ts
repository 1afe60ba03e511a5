/** What an election needs of the node that it runs on. */
import type { NodeId, Result } from "#base";
import type { FleetNode } from "./directory.ts";
import type { ElectionNote } from "./election.ts";
import type { ElectionAnswer, ElectionRequest, LeaseRequest } from "./election-words.ts";
import type { Position } from "./position.ts";
import type { Voters } from "./voters.ts";

/** What this node has promised, on its own disk. */
export interface ElectionStore {
  /** @returns an empty note where nothing was promised yet. */
  read(): Result<ElectionNote>;
  /** Durable when it returns; a note that failed to be written is as it was. */
  write(note: ElectionNote): Result<void>;
}

/** Where this node stands; read anew for each decision. */
export type Standpoint = {
  readonly isHub: boolean;
  /** Whether a person made it the hub, who answers for the others being off: they have no say in it. */
  readonly isByHand: boolean;
  /** Of the hub that it knows, or its own as a hub. */
  readonly epoch: number;
  readonly hub: NodeId | null;
  readonly position: Position;
  /** As the database has them. */
  readonly voters: Voters | undefined;
  readonly nodes: readonly FleetNode[];
  /** Where the others reach it; null for one that cannot become the hub. */
  readonly url: string | null;
  /** What is configured here; counts on the hub. */
  readonly wish: Pick<Voters, "mode" | "leaseMs">;
};

export interface ElectionPorts {
  readonly store: ElectionStore;
  standpoint(): Standpoint;
  /** A failure leaves open whether it was heard. */
  ask(node: NodeId, request: ElectionRequest, deadlineMs: number): Promise<Result<ElectionAnswer>>;
  /** Writes the set into the fleet's database in the place of `before`. Fails when another one is there. */
  publish(voters: Voters, before: Voters | undefined): Promise<Result<void>>;
  /** Notes that this node is the hub of this epoch from its next start on, and asks for that. */
  promote(epoch: number): Result<void>;
  /** Another node is the hub of a higher epoch, as it says under its own signature. */
  follow(node: NodeId, lease: LeaseRequest): void;
  /** The hub was silent for its lease, and this node stands for election; told once in a silence. */
  sought(epoch: number): void;
  /** Others know of a hub of a higher epoch: they are to be asked. */
  lookForHub(): void;
}

/** For tests and simulations. */
export class MemoryElectionStore implements ElectionStore {
  #note: ElectionNote;

  constructor(note: ElectionNote) {
    this.#note = note;
  }

  read(): Result<ElectionNote> {
    return { ok: true, value: this.#note };
  }

  write(note: ElectionNote): Result<void> {
    this.#note = note;
    return { ok: true, value: undefined };
  }
}
