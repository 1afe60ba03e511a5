import type { CommandId, JsonObject, NodeId, Result, ScheduleId, TaskId } from "#base";
import type { ClaimReceipt, ClaimRequest } from "./commands/claim.ts";
import type { CancelReceipt } from "./commands/control.ts";
import type { FinishReceipt } from "./commands/finish.ts";
import type { Receipt } from "./commands/submit.ts";
import type { QueueStore } from "./ports.ts";
import type { OverlapPolicy, ScheduleRow } from "./schedule.ts";
import type { AnnouncementKind, AttemptReport, Fence, KeyPolicy, KeyRow, NewTask, Progress, TaskRow } from "./task.ts";

/**
 * Makes a call happen once, however often it arrives: its result is kept beside its effect, in the same transaction, and
 * a repetition is answered with it and changes nothing. A claim that is repeated is answered with those of its tasks that
 * its holder still holds.
 */
export type Once = { readonly id: CommandId; readonly node: NodeId };

export type ScheduleRequest = {
  readonly name: string;
  readonly cron: string;
  readonly timezone: string;
  readonly overlap: OverlapPolicy;
  readonly task: NewTask;
};

/**
 * The queue as the rest of drover uses it. On the node that writes it (alone, or the hub of a fleet) it is the
 * `QueueService`; on every other node of a fleet each call is a command to the hub. Every call answers after its effect
 * is durable: there, or in this node's outbox.
 */
export interface Queue {
  /** What is read: the tables themselves, or this node's replica of them. */
  readonly store: QueueStore;
  /**
   * When its loops last came round, on the monotonic clock; undefined before their first time. A loop that does not come
   * round any more is a hang, whatever else still answers.
   */
  readonly turns: Readonly<Record<string, number | undefined>>;
  /** @returns the tasks that were running. */
  start(): Promise<Result<readonly TaskRow[]>>;
  stop(): Promise<void>;

  submit(tasks: readonly NewTask[], once?: Once): Promise<Result<readonly Receipt[]>>;
  claim(request: ClaimRequest, once?: Once): Promise<Result<ClaimReceipt>>;
  /** @returns false when the fence is stale, or its term is over: the holder must stop and apply nothing. */
  renew(id: TaskId, fence: Fence): boolean;
  finish(id: TaskId, fence: Fence, report: AttemptReport, once?: Once): Promise<Result<FinishReceipt>>;
  release(id: TaskId, fence: Fence, why: string, once?: Once): Promise<Result<FinishReceipt>>;
  /** @returns false when it was not written: too soon after the last one, or under a stale fence. */
  progress(id: TaskId, fence: Fence, progress: Progress): Promise<Result<boolean>>;

  cancel(id: TaskId, why: string, once?: Once): Promise<Result<CancelReceipt>>;
  /** Runs a task again that waits for a retry, is dead or was cancelled. */
  retry(id: TaskId, once?: Once): Promise<Result<TaskRow>>;
  drop(id: TaskId, once?: Once): Promise<Result<TaskId>>;
  /** @returns whether it changed. */
  setPaused(paused: boolean, once?: Once): Promise<Result<boolean>>;
  /** Adds a line to the history that is not of the queue itself. */
  announce(kind: AnnouncementKind, data: JsonObject, once?: Once): Promise<Result<void>>;
  setKeyPolicy(key: string, policy: KeyPolicy, once?: Once): Promise<Result<KeyRow>>;
  addSchedule(request: ScheduleRequest, once?: Once): Promise<Result<ScheduleRow>>;
  removeSchedule(id: ScheduleId, once?: Once): Promise<Result<ScheduleId>>;

  /** Called when tasks may have become ready to be claimed. @returns a function that ends it. */
  onReady(listener: () => void): () => void;
  /** Called when a running task is to be stopped. @returns a function that ends it. */
  onStop(listener: (id: TaskId, fence: Fence) => void): () => void;
}
