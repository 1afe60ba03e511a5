import type { TaskId } from "#base";
import type { TaskRow } from "#queue";

/** A task that could be claimed, written past the machine: for tests of what the store itself refuses. */
export function readyRow(id: TaskId, over: Partial<TaskRow> = {}): TaskRow {
  return {
    id,
    lane: 2,
    classId: 1,
    key: "",
    state: "ready",
    tag: 1,
    admitted: true,
    blockedBy: 0,
    dependencyPolicy: "fail",
    wakeAtMs: null,
    wakeReason: null,
    createdAtMs: 1,
    readyAtMs: 1,
    startedAtMs: null,
    endedAtMs: null,
    fenceEpoch: 0,
    fenceN: 0,
    holder: null,
    attempts: 0,
    attemptLimit: 3,
    maxAttempts: 3,
    retryBaseMs: 1,
    retryMaxMs: 1,
    cancelRequested: false,
    reason: null,
    progress: null,
    ...over,
  };
}
