/**
 * What a former hub alone had accepted, and what becomes of it under the new one. Pure.
 *
 * - R1: every submission, and every end of an attempt, that the new hub's history does not have is sent to it once, under
 *   a command id that was noted before the first try; so a repetition is one, wherever either side was killed.
 * - R2: claims, leases and progress are never sent: who may run what is the new hub's to say.
 * - R3: what the new hub does not take stays listed with its reason, and its folder stays, until a person drops it.
 */
import type { CommandId, Failure, JsonValue, NodeId, Result, TaskId } from "#base";
import type { AttemptReport, Fence, NewTask, QueueEventKind, TaskState } from "#queue";

export type QuarantineKind =
  /** A task that was accepted there alone. */
  | "submission"
  /** The end of an attempt that was reported there alone. */
  | "completion"
  /** What a person did to the queue: not sent again, for what it was meant for may be over. */
  | "change";

export type QuarantineOutcome =
  /** Still to be sent, or to be answered. */
  | "waiting"
  /** The new hub has it. */
  | "accepted"
  /** Another attempt has the task, or had it: the report counts for nothing, and nothing is lost but its work. */
  | "superseded"
  /** Not this node's to send, or not wanted any more. */
  | "left"
  /** A person has to look. */
  | "refused";

export type QuarantineEntry = {
  readonly n: number;
  readonly kind: QuarantineKind;
  readonly taskId: TaskId | null;
  /** Of a completion: which attempt of the task. */
  readonly attempt: number | null;
  /** The event that tells of it. */
  readonly event: QueueEventKind;
  readonly atMs: number;
  readonly command: CommandId;
  readonly outcome: QuarantineOutcome;
  readonly reason: string | null;
};

export type QuarantineCounts = Readonly<Record<QuarantineOutcome, number>>;

export type QuarantineFolder = {
  /** Below `quarantine/` of the state folder. */
  readonly name: string;
  readonly atMs: number;
  /** The epoch under which this node was the hub; null until it was read. */
  readonly epoch: number | null;
  /** `foreign`: of a fleet that this node is not in; `unreadable`: see `note`. */
  readonly state: "reading" | "sending" | "settled" | "foreign" | "unreadable";
  readonly note: string | null;
  readonly bytes: number;
  readonly counts: QuarantineCounts;
};

/** An event of the former hub that the new one's history does not have, with what is known of its task. */
export type OwnEvent = {
  readonly seq: number;
  readonly atMs: number;
  readonly kind: QueueEventKind;
  readonly taskId: TaskId | null;
  /** Null when the task is gone. */
  readonly state: TaskState | null;
  /** The attempt that ended, and on which node it ran. */
  readonly attempt: { readonly n: number; readonly node: NodeId } | null;
  /** A schedule submitted the task. */
  readonly isScheduled: boolean;
  /** Its task was submitted there alone, too. */
  readonly isOwnTask: boolean;
};

export type NewEntry = Pick<QuarantineEntry, "kind" | "taskId" | "attempt" | "event" | "atMs" | "outcome" | "reason">;

const CHANGES: ReadonlySet<QueueEventKind> = new Set([
  "task.cancelled",
  "task.cancel_requested",
  "task.redriven",
  "task.dropped",
  "queue.paused",
  "queue.resumed",
  "key.changed",
  "schedule.added",
  "schedule.removed",
  "goal.submitted",
]);

/** Every kind of event that {@link entryOf} makes something of. */
export const TELLING_EVENTS: readonly QueueEventKind[] = [
  "task.submitted",
  "task.done",
  "task.dead",
  "task.retry",
  ...CHANGES,
];

/** @returns what an event leaves to be done; undefined for one that follows from others. */
export function entryOf(event: OwnEvent, self: NodeId): NewEntry | undefined {
  const { kind, taskId, atMs } = event;
  const common = { taskId, event: kind, atMs };
  if (kind === "task.submitted") {
    const why = whyNotSubmitted(event);
    return why === undefined
      ? { ...common, kind: "submission", attempt: null, outcome: "waiting", reason: null }
      : { ...common, kind: "submission", attempt: null, outcome: "left", reason: why };
  }
  if (event.attempt !== null) {
    const { n: attempt, node } = event.attempt;
    if (node === self) return { ...common, kind: "completion", attempt, outcome: "waiting", reason: null };
    const reason = `its node ${node} has the report in its outbox, and sends it itself`;
    return { ...common, kind: "completion", attempt, outcome: "left", reason };
  }
  // Of a task that nobody else knows, the submission says what became of it.
  if (!CHANGES.has(kind) || (event.isOwnTask && taskId !== null)) return undefined;
  const reason = "what people change is not sent again: do it on the new hub if it is still wanted";
  return { ...common, kind: "change", attempt: null, outcome: "refused", reason };
}

function whyNotSubmitted({ state, isScheduled }: OwnEvent): string | undefined {
  if (state === null) return "it was dropped there, or is too old to be kept";
  if (state === "cancelled") return "it was cancelled there";
  return isScheduled ? "a schedule submitted it, and does so on the new hub as well" : undefined;
}

/** What is sent for an entry. */
export type Resend =
  | { readonly kind: "submit"; readonly task: NewTask }
  | { readonly kind: "finish"; readonly taskId: TaskId; readonly fence: Fence; readonly report: AttemptReport };

/** What follows from an answer; `again`: under another command id, since a refusal is kept as the result of the first. */
export type Settlement =
  | { readonly kind: "settled"; readonly outcome: QuarantineOutcome; readonly reason: string | null }
  | { readonly kind: "later" }
  | { readonly kind: "again"; readonly reason: string };

/**
 * @param answer undefined while there is none
 * @param dependsOnWaiting whether a task that this one depends on is still to be sent
 */
export function settlementOf(
  resend: Resend,
  answer: Result<JsonValue | undefined> | undefined,
  dependsOnWaiting: boolean,
): Settlement {
  if (answer === undefined) return { kind: "later" };
  if (!answer.ok) return refusalOf(resend, answer.error, dependsOnWaiting);
  // `as`, here and below: the hub answers what its own queue returned.
  if (resend.kind === "finish") {
    const { kind } = answer.value as { readonly kind?: unknown };
    if (kind !== "stale") return { kind: "settled", outcome: "accepted", reason: null };
    return { kind: "settled", outcome: "superseded", reason: "another attempt has the task, or had it" };
  }
  const [receipt] = answer.value as readonly { readonly id: TaskId; readonly created: boolean }[];
  const { id } = resend.task;
  if (receipt === undefined || receipt.id === id) return { kind: "settled", outcome: "accepted", reason: null };
  const reason = `its idempotency key names ${receipt.id} there`;
  return { kind: "settled", outcome: "accepted", reason };
}

function refusalOf(resend: Resend, failure: Failure, dependsOnWaiting: boolean): Settlement {
  if (failure.kind === "retryable" || failure.kind === "leaseLost") return { kind: "later" };
  // The queue is full, which passes.
  if (failure.code === "limit" || dependsOnWaiting) return { kind: "again", reason: failure.message };
  const outcome = resend.kind === "finish" && failure.code === "stale_fence" ? "superseded" : "refused";
  return { kind: "settled", outcome, reason: failure.message };
}

/** Settled folders that are kept. Each is as large as the database was. */
export const MAX_SETTLED_FOLDERS = 3;
/** Bytes of settled folders that are kept: a few times the database of a large fleet. */
export const MAX_SETTLED_BYTES = 4 * 1024 * 1024 * 1024;

/** @returns folders that are deleted by themselves, the oldest first: never one that is not settled, or that a person must look at (R3). */
export function foldersToDelete(folders: readonly QuarantineFolder[]): readonly QuarantineFolder[] {
  const over = folders
    .filter(({ state, counts }) => state === "settled" && counts.waiting === 0 && counts.refused === 0)
    .sort((a, b) => b.atMs - a.atMs);
  let bytes = 0;
  let isFull = false;
  const deleted = over.filter((folder, index) => {
    bytes += folder.bytes;
    isFull ||= index >= MAX_SETTLED_FOLDERS || bytes > MAX_SETTLED_BYTES;
    return isFull;
  });
  return deleted.reverse();
}

/** Where quarantined databases lie, and how far each is. Reads of them never hold up the event loop. */
export interface Quarantine {
  /** Takes up what a start has moved there. */
  discover(): Result<void>;
  folders(): Result<readonly QuarantineFolder[]>;
  /** In the order in which they were accepted, after entry `after`. */
  entries(name: string, after: number, limit: number): Result<readonly QuarantineEntry[]>;
  /** Those that wait to be sent, the first `limit`, after entry `after`. */
  waiting(name: string, after: number, limit: number): Result<readonly QuarantineEntry[]>;
  /**
   * Lists the next part of what the database has and the fleet's has not (R1).
   * @returns whether the folder is read to its end; a failure that is `retryable` while that cannot be told yet
   */
  readOn(name: string): Promise<Result<boolean>>;
  /** What is to be sent for entries, by their number; what is not there any more is left out. */
  load(name: string, entries: readonly QuarantineEntry[]): Promise<Result<ReadonlyMap<number, Resend>>>;
  settle(name: string, n: number, outcome: QuarantineOutcome, reason: string | null): Result<void>;
  /** The entry is sent again under a new id. */
  renew(name: string, n: number, reason: string): Result<void>;
  /** Whether one of the tasks is still to be submitted. */
  hasWaiting(name: string, tasks: readonly TaskId[]): Result<boolean>;
  /** Whether a quarantined database has the end of this very attempt: then it must not be given back. */
  hasEnded(taskId: TaskId, fence: Fence): Promise<Result<boolean>>;
  /** Nothing of the folder waits any more. */
  setSettled(name: string): Promise<Result<void>>;
  /** Deletes a folder and what is noted of it. */
  remove(name: string): Promise<Result<boolean>>;
  close(): Promise<void>;
}
