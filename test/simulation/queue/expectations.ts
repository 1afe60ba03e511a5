import type { AttemptOutcome, TaskRow } from "#queue";
import { check, type Snapshot } from "./oracle.ts";

/** What a report under the right fence makes of a task. */
export function expectedState(row: TaskRow, outcome: AttemptOutcome, isTerminal: boolean): readonly string[] {
  if (outcome === "passed") return ["done"];
  if (row.cancelRequested) return ["cancelled"];
  if (isTerminal || row.attempts + 1 >= row.attemptLimit) return ["dead"];
  if (outcome === "lost" || row.retryBaseMs === 0) return ["ready"];
  return ["waiting"];
}

/** A waiting task sleeps until its instant, unless somebody asks for it. */
export function checkWake(before: TaskRow | undefined, after: TaskRow, nowMs: number): void {
  if (before?.state !== "waiting" || after.state !== "ready" || before.wakeAtMs === null) return;
  const earlyMs = before.wakeAtMs - nowMs;
  // A wall clock that was set back brings a retry nearer, but never one that slept less than its longest backoff.
  const isClamped = before.wakeReason === "retry" && earlyMs > before.retryMaxMs;
  check(earlyMs <= 0 || isClamped, `${after.id} wakes ${earlyMs} ms before its time`);
}

/** @returns the fences of the attempts that the queue itself gave up between two snapshots. */
export function newlyLost(before: Snapshot, after: Snapshot): readonly number[] {
  return [...after.tasks].flatMap(([id, { attempts }]) =>
    attempts
      .slice(before.tasks.get(id)?.attempts.length ?? 0)
      .filter((attempt) => attempt.executor === "unknown")
      .map((attempt) => attempt.fenceN),
  );
}
