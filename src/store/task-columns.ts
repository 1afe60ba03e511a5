import type { NodeId, TaskId } from "#base";
import type { DependencyPolicy, EndReason, TaskRow, TaskState, WakeReason } from "#queue";
import { number, numberOrNull, type SqlRow, type SqlValue, text, textOrNull } from "./connection.ts";

/** Columns of `task` in the order that {@link taskValues} writes and {@link toTaskRow} reads. */
export const TASK_COLUMNS = [
  "id",
  "lane",
  "class_id",
  "key",
  "state",
  "tag",
  "admitted",
  "blocked_by",
  "dependency_policy",
  "wake_at_ms",
  "wake_reason",
  "created_at_ms",
  "ready_at_ms",
  "started_at_ms",
  "ended_at_ms",
  "fence_epoch",
  "fence_n",
  "holder",
  "attempts",
  "attempt_limit",
  "max_attempts",
  "retry_base_ms",
  "retry_max_ms",
  "cancel_requested",
  "reason_code",
  "reason_text",
  "progress_ratio",
  "progress_message",
  "event_seq",
] as const;

export const TASK_SELECT = TASK_COLUMNS.join(", ");

/**
 * @param changed one bit for each place in {@link TASK_COLUMNS}; setting a column that did not change would rewrite its indexes
 * @returns an update that takes effect only while the stored row has the state and fence it was read with
 */
export function updateTask(changed: number): string {
  const columns = TASK_COLUMNS.filter((_, place) => (changed & (1 << place)) !== 0);
  const assignments = columns.map((column) => `${column} = ?`).join(", ");
  return `UPDATE task SET ${assignments} WHERE id = ? AND state = ? AND fence_epoch = ? AND fence_n = ?`;
}

/**
 * As {@link updateTask} for many rows: a list of JSON with a list for each row, of its id, the state and the fence it was
 * read with, and the new values.
 */
export function updateTasks(changed: number): string {
  const columns = TASK_COLUMNS.filter((_, place) => (changed & (1 << place)) !== 0);
  const value = (place: number): string => `json_extract(given.value, '$[${place}]')`;
  const assignments = columns.map((column, index) => `${column} = ${value(index + 4)}`).join(", ");
  return `UPDATE task SET ${assignments} FROM json_each(?) AS given WHERE task.id = ${value(0)}
    AND task.state = ${value(1)} AND task.fence_epoch = ${value(2)} AND task.fence_n = ${value(3)}`;
}

/** @param eventSeq the task's latest event, which is no part of its row */
export function taskValues(row: TaskRow, eventSeq: number): SqlValue[] {
  return [
    row.id,
    row.lane,
    row.classId,
    row.key,
    row.state,
    row.tag,
    row.admitted ? 1 : 0,
    row.blockedBy,
    row.dependencyPolicy,
    row.wakeAtMs,
    row.wakeReason,
    row.createdAtMs,
    row.readyAtMs,
    row.startedAtMs,
    row.endedAtMs,
    row.fenceEpoch,
    row.fenceN,
    row.holder,
    row.attempts,
    row.attemptLimit,
    row.maxAttempts,
    row.retryBaseMs,
    row.retryMaxMs,
    row.cancelRequested ? 1 : 0,
    row.reason?.code ?? null,
    row.reason?.text ?? null,
    row.progress?.ratio ?? null,
    row.progress?.message ?? null,
    eventSeq,
  ];
}

/** States that are rare among many tasks and have an index; a task in another is found by walking the ids. */
export function isIndexedState(state: TaskState): boolean {
  return state !== "ready" && state !== "done";
}

/** @returns a condition for one state. The state is written out: a partial index is not considered for a parameter. */
export function stateCondition(state: TaskState): string {
  return `state = '${state}'`;
}

const EVENT_SEQ_PLACE = TASK_COLUMNS.indexOf("event_seq");

export function eventSeqOf(row: SqlRow): number {
  return number(row, EVENT_SEQ_PLACE);
}

/** `as`, here and below: ids were branded when they were written, and CHECK constraints admit only these words. */
export function toTaskRow(row: SqlRow): TaskRow {
  return {
    id: text(row, 0) as TaskId,
    lane: number(row, 1),
    classId: number(row, 2),
    key: text(row, 3),
    state: text(row, 4) as TaskState,
    tag: number(row, 5),
    admitted: row[6] === 1,
    blockedBy: number(row, 7),
    dependencyPolicy: text(row, 8) as DependencyPolicy,
    wakeAtMs: numberOrNull(row, 9),
    wakeReason: row[10] as WakeReason | null,
    createdAtMs: number(row, 11),
    readyAtMs: numberOrNull(row, 12),
    startedAtMs: numberOrNull(row, 13),
    endedAtMs: numberOrNull(row, 14),
    fenceEpoch: number(row, 15),
    fenceN: number(row, 16),
    holder: row[17] as NodeId | null,
    attempts: number(row, 18),
    attemptLimit: number(row, 19),
    maxAttempts: number(row, 20),
    retryBaseMs: number(row, 21),
    retryMaxMs: number(row, 22),
    cancelRequested: row[23] === 1,
    reason: row[24] === null ? null : { code: text(row, 24) as EndReason["code"], text: text(row, 25) },
    progress: row[26] === null ? null : { ratio: number(row, 26), message: textOrNull(row, 27) ?? "" },
  };
}
