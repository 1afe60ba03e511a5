import type { JsonObject, NodeId, TaskId } from "#base";

/** Priority classes, the most urgent first. A lane's number is its place in this list. */
export const LANES = ["critical", "high", "normal", "low", "background"] as const;
export type Lane = (typeof LANES)[number];

export const TASK_STATES = ["waiting", "ready", "running", "done", "dead", "cancelled"] as const;
export type TaskState = (typeof TASK_STATES)[number];

export const ATTEMPT_OUTCOMES = ["passed", "partial_pass", "failed", "timed_out", "cancelled", "lost"] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

/**
 * The right to act for one attempt. Ordered by epoch, then n; every claim gets a greater one than any before it.
 * The epoch grows when a database is restored or promoted, so that numbers given out by a lost copy are never met
 * again.
 */
export type Fence = { readonly epoch: number; readonly n: number };

export function sameFence(a: Fence, b: Fence): boolean {
  return a.epoch === b.epoch && a.n === b.n;
}

/** @returns whether `a` was given out after `b`. */
export function isAfter(a: Fence, b: Fence): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.n > b.n);
}

/** What becomes of a task whose dependency ends dead or cancelled. */
export const DEPENDENCY_POLICIES = ["fail", "wait", "ignore"] as const;
/**
 * - `fail` (default): it becomes a dead letter too, and returns when the dependency is redriven.
 * - `wait`: it stays waiting until somebody redrives or retries the dependency.
 * - `ignore`: the dependency counts as satisfied however it ended.
 */
export type DependencyPolicy = (typeof DEPENDENCY_POLICIES)[number];

export type WakeReason = "schedule" | "retry";

/** Why a task is a dead letter or was cancelled; the text is for people, the code for programs. */
export type EndReason = {
  readonly code: "attempts_exhausted" | "terminal" | "dependency" | "cancelled";
  readonly text: string;
};

export type Progress = { readonly ratio: number; readonly message: string };

/** The part of a task that the queue decides on. What it asks for is its body, which the queue never reads. */
export type TaskRow = {
  readonly id: TaskId;
  readonly lane: number;
  /** Which requirements it has: see {@link QueueTransaction.classId}. */
  readonly classId: number;
  /** Concurrency and fairness key; "" is shared by all tasks without one and is never limited. */
  readonly key: string;
  readonly state: TaskState;
  /** Place in its lane under fair queueing between keys; 0 until it first becomes ready. */
  readonly tag: number;
  /** Ready and let through by its key's limits. */
  readonly admitted: boolean;
  /** Dependencies that are not satisfied yet. */
  readonly blockedBy: number;
  readonly dependencyPolicy: DependencyPolicy;
  /** When a waiting task may become ready (wall clock); null when only dependencies hold it. */
  readonly wakeAtMs: number | null;
  readonly wakeReason: WakeReason | null;
  readonly createdAtMs: number;
  /** When it last became ready; ageing counts from here. */
  readonly readyAtMs: number | null;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** The fence of the latest claim; epoch 0 before the first and after a release. */
  readonly fenceEpoch: number;
  readonly fenceN: number;
  /** The node that holds the lease while running. */
  readonly holder: NodeId | null;
  /** Attempts counted so far. */
  readonly attempts: number;
  /** `attempts` may not pass this; a redrive raises it by `maxAttempts`, a lost attempt by one (Q4). */
  readonly attemptLimit: number;
  readonly maxAttempts: number;
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  readonly cancelRequested: boolean;
  readonly reason: EndReason | null;
  readonly progress: Progress | null;
};

/** One ended attempt; written once, never changed. The running one is described by its task's row. */
export type AttemptRow = {
  readonly taskId: TaskId;
  /** 1, 2, 3 … within the task. */
  readonly n: number;
  readonly fenceEpoch: number;
  readonly fenceN: number;
  readonly node: NodeId;
  readonly executor: string;
  readonly endpoint: string | null;
  readonly model: string | null;
  readonly outcome: AttemptOutcome;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** From the monotonic clock of whoever ran it; 0 when it is not known (lost). */
  readonly durationMs: number;
  /** From ready to claimed. */
  readonly waitMs: number;
  readonly tokens: number;
  readonly costMicrodollars: number;
  readonly error: string | null;
  /** Verification report, as JSON. */
  readonly report: JsonObject | null;
  readonly result: JsonObject | null;
};

/** A submission, checked and normalised by the edge that took it. */
export type NewTask = {
  readonly id: TaskId;
  readonly lane: number;
  readonly key: string;
  /** Canonical text of what it requires of a node; tasks with equal text share a class. */
  readonly requirements: string;
  readonly dependsOn: readonly TaskId[];
  readonly dependencyPolicy: DependencyPolicy;
  readonly runAtMs: number | null;
  readonly maxAttempts: number;
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  readonly idempotencyKey: string | null;
  /** Digest of the submission, to tell a repetition from a conflict. */
  readonly bodyHash: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The whole submission as JSON text; opaque here. */
  readonly body: string;
};

/** How one attempt ended, as its holder reports it. */
export type AttemptReport = {
  readonly outcome: AttemptOutcome;
  /** `terminal`: another attempt cannot succeed, so the task is dead at once. */
  readonly consequence: "retryable" | "terminal";
  readonly executor: string;
  readonly endpoint: string | null;
  readonly model: string | null;
  readonly durationMs: number;
  readonly tokens: number;
  readonly costMicrodollars: number;
  readonly error: string | null;
  readonly report: JsonObject | null;
  readonly result: JsonObject | null;
};

/** Limits of one key. `null` means no limit. */
export type KeyPolicy = {
  readonly maxConcurrent: number | null;
  /** Starts per second, as a token bucket that holds `burst`. */
  readonly ratePerSecond: number | null;
  readonly burst: number;
  /** Share relative to other keys of a lane; 2 gets twice as many turns as 1. */
  readonly weight: number;
  readonly paused: boolean;
};

export const UNLIMITED: KeyPolicy = { maxConcurrent: null, ratePerSecond: null, burst: 1, weight: 1, paused: false };

export type KeyRow = {
  readonly key: string;
  readonly policy: KeyPolicy;
  readonly running: number;
  /** Ready tasks that were let through and are not claimed yet. */
  readonly admitted: number;
  /** Per lane, the tag of the key's last task to become ready. */
  readonly tags: readonly number[];
  readonly rateTokens: number;
  readonly rateAtMs: number;
  /** When the next rate token will let a held-back task through; null when none waits for one. */
  readonly wakeAtMs: number | null;
};

/** Counters and virtual time of one lane. */
export type LaneRow = {
  readonly lane: number;
  /** Tag of the last claimed task: the lane's virtual time. */
  readonly virtualTime: number;
  readonly counts: Readonly<Record<TaskState, number>>;
};

/** What others of the node have to tell through the history: nothing of the queue changes. */
export type AnnouncementKind =
  | "alert.raised"
  | "alert.worsened"
  | "alert.acknowledged"
  | "alert.resolved"
  | "budget.warned"
  | "budget.reached"
  | "failsafe.opened"
  | "failsafe.closed"
  | "failsafe.reset"
  /** The hub was silent for its lease, and a voter stands for election. */
  | "hub.sought"
  | "hub.elected"
  /** A former hub follows another one. */
  | "hub.stepped_down"
  | "fleet.level_raised"
  | "fleet.rollout"
  /** The mind of a node came into another state, or a person moved it. */
  | "mind.changed"
  | "mind.paused"
  | "mind.resumed"
  | "mind.released"
  /** A remediation begins; what was done; whether it helped. */
  | "mind.treated"
  | "mind.carried_out"
  | "mind.judged";

export type QueueEventKind =
  | "task.submitted"
  | "task.ready"
  | "task.started"
  | "task.progress"
  | "task.retry"
  | "task.released"
  | "task.done"
  | "task.dead"
  | "task.cancelled"
  | "task.cancel_requested"
  | "task.redriven"
  | "task.dropped"
  | "attempt.orphaned"
  | "queue.paused"
  | "queue.resumed"
  | "key.changed"
  | AnnouncementKind
  | "setting.changed"
  | "setting.removed"
  | "schedule.added"
  | "schedule.removed"
  | "schedule.fired"
  | "schedule.skipped"
  | "goal.submitted"
  | "goal.changed";

/** One line of the history. `seq` is given by the store, rises without being reused, and orders all events. */
export type QueueEvent = {
  readonly seq: number;
  readonly atMs: number;
  readonly kind: QueueEventKind;
  readonly taskId: TaskId | null;
  readonly data: JsonObject;
};
export type NewQueueEvent = Omit<QueueEvent, "seq">;
