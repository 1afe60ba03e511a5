/**
 * The life of one task, as pure functions from row to row.
 *
 *   waiting → ready → running → done | dead | cancelled, with retry back to waiting and release back to ready
 *
 * Invariants (tests cite the numbers; the schema repeats those that one row can show):
 *   Q1  A task is in exactly one state and its fields fit it: a holder and a fence while running, admitted only when
 *       ready, an end instant only when ended, a wake reason only with a wake instant.
 *   Q2  Each claim gets a fence greater than every fence before it.
 *   Q3  A task has at most one live lease; a report under any other fence changes nothing.
 *   Q4  Attempts never pass their limit, and each counted attempt has exactly one attempt row. A lost attempt raises
 *       the limit by one, {@link MAX_FORGIVEN_LOSSES} times in the life of a task that may be attempted more than once.
 *   Q5  A task starts only after all its dependencies are satisfied.
 *   Q6  Never do more tasks of a key run than its policy allows.
 *   Q7  done, dead and cancelled are left only by redrive.
 *   Q8  An accepted task is in the store until it is dropped or pruned; the lane counters say so.
 *   Q9  Each change of state appends exactly one event in the same transaction.
 *   Q10 One idempotency key names one task.
 *   Q11 Of AGED_TURN_EVERY successive claims at least one serves an overdue lane, if there is one.
 *   Q12 Between two keys that both wait in a lane, served work differs by at most one turn per weight.
 *   Q13 While the queue is paused nothing is claimed.
 *   Q14 A passed attempt is applied once: its task is done and stays done.
 *   Q15 A command with an id takes effect at most once while its result is kept; a repetition gets that result.
 */
import { assert, type NodeId } from "#base";
import type { EndReason, Fence, NewTask, Progress, TaskRow, WakeReason } from "./task.ts";

/** A task as accepted: waiting, until it is looked at for the first time in the same transaction. */
export function accepted(task: NewTask, classId: number, blockedBy: number, nowMs: number): TaskRow {
  const scheduled = task.runAtMs !== null && task.runAtMs > nowMs;
  return {
    id: task.id,
    lane: task.lane,
    classId,
    key: task.key,
    state: "waiting",
    tag: 0,
    admitted: false,
    blockedBy,
    dependencyPolicy: task.dependencyPolicy,
    wakeAtMs: scheduled ? task.runAtMs : null,
    wakeReason: scheduled ? "schedule" : null,
    createdAtMs: nowMs,
    readyAtMs: null,
    startedAtMs: null,
    endedAtMs: null,
    fenceEpoch: 0,
    fenceN: 0,
    holder: null,
    attempts: 0,
    attemptLimit: task.maxAttempts,
    maxAttempts: task.maxAttempts,
    retryBaseMs: task.retryBaseMs,
    retryMaxMs: task.retryMaxMs,
    cancelRequested: false,
    reason: null,
    progress: null,
  };
}

export function ready(row: TaskRow, tag: number, isAdmitted: boolean, nowMs: number): TaskRow {
  assert(row.blockedBy === 0, "Q5: a task with open dependencies is not ready");
  return {
    ...row,
    ...idle,
    state: "ready",
    tag,
    admitted: isAdmitted,
    readyAtMs: nowMs,
    endedAtMs: null,
    reason: null,
  };
}

export function admitted(row: TaskRow, isAdmitted: boolean): TaskRow {
  assert(row.state === "ready", "Q1: only a ready task is admitted or held back");
  return { ...row, admitted: isAdmitted };
}

export function started(row: TaskRow, fence: Fence, holder: NodeId, nowMs: number): TaskRow {
  assert(row.state === "ready" && row.admitted, "Q1: only a ready and admitted task starts");
  assert(row.attempts < row.attemptLimit, "Q4: an attempt is left");
  return {
    ...row,
    state: "running",
    admitted: false,
    fenceEpoch: fence.epoch,
    fenceN: fence.n,
    holder,
    startedAtMs: nowMs,
    progress: null,
  };
}

/** Back to waiting until `wakeAtMs`. */
export function waiting(row: TaskRow, wakeAtMs: number | null, wakeReason: WakeReason | null): TaskRow {
  return { ...row, ...idle, state: "waiting", wakeAtMs, wakeReason, endedAtMs: null, reason: null };
}

export function ended(
  row: TaskRow,
  state: "done" | "dead" | "cancelled",
  reason: EndReason | null,
  nowMs: number,
): TaskRow {
  return { ...row, ...idle, state, reason, endedAtMs: nowMs };
}

export function attemptCounted(row: TaskRow): TaskRow {
  assert(row.attempts < row.attemptLimit, "Q4: attempts stay within their limit");
  return { ...row, attempts: row.attempts + 1 };
}

/**
 * A worker that vanished with its node says nothing against its task. More often than this it may be the task that takes
 * them down: three nodes in a row mean the task, as in MAX_REQUEUES of the mind.
 */
export const MAX_FORGIVEN_LOSSES = 3;

/**
 * The limit after an attempt was lost. A task that may be attempted once stays so: whoever said that wants no repetition.
 * @param losses attempts of this task that were lost before
 */
export function lossForgiven(row: TaskRow, losses: number): TaskRow {
  if (row.maxAttempts === 1 || losses >= MAX_FORGIVEN_LOSSES) return row;
  return { ...row, attemptLimit: row.attemptLimit + 1 };
}

export function cancelRequested(row: TaskRow): TaskRow {
  assert(row.state === "running", "Q1: only a running task has to be asked to stop");
  return { ...row, cancelRequested: true };
}

export function progressed(row: TaskRow, progress: Progress): TaskRow {
  return { ...row, progress };
}

/** A fresh budget of attempts for an ended task. */
export function budgetRenewed(row: TaskRow): TaskRow {
  return { ...row, attemptLimit: row.attempts + row.maxAttempts };
}

/** What no task has that is not running, ready or waiting for an instant. */
const idle = {
  admitted: false,
  holder: null,
  startedAtMs: null,
  wakeAtMs: null,
  wakeReason: null,
  cancelRequested: false,
} as const;

export function hasEnded(row: TaskRow): boolean {
  return row.state === "done" || row.state === "dead" || row.state === "cancelled";
}

/** What in this row contradicts Q1 or Q4, in words; empty for a sound row. */
export function violations(row: TaskRow): readonly string[] {
  const running = row.state === "running";
  const rules: readonly (readonly [boolean, string])[] = [
    [running === (row.holder !== null), "Q1: a holder while running and only then"],
    [running === (row.startedAtMs !== null), "Q1: a start instant while running and only then"],
    [!running || row.fenceEpoch > 0, "Q1: a fence while running"],
    [!row.admitted || row.state === "ready", "Q1: admitted only when ready"],
    [hasEnded(row) === (row.endedAtMs !== null), "Q1: an end instant when ended and only then"],
    [(row.wakeAtMs === null) === (row.wakeReason === null), "Q1: a wake instant has a reason"],
    [row.wakeAtMs === null || row.state === "waiting", "Q1: only a waiting task wakes"],
    [row.blockedBy === 0 || (row.state !== "ready" && row.state !== "running"), "Q5: no open dependency when ready"],
    [!row.cancelRequested || running, "Q1: only a running task is asked to stop"],
    [row.attempts <= row.attemptLimit, "Q4: attempts within their limit"],
    [
      (row.state === "dead") === (row.reason !== null && row.reason.code !== "cancelled"),
      "Q1: a dead letter has a reason",
    ],
  ];
  return rules.filter(([holds]) => !holds).map(([, rule]) => `${row.id}: ${rule}`);
}
