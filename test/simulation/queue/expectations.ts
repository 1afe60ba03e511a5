import type { AttemptOutcome, AttemptRow, TaskRecord, TaskRow } from "#queue";
import { check, type Snapshot } from "./oracle.ts";

/** Attempts of a task that may be attempted again, lost without being held against it. */
const FORGIVEN = 3;

/** @returns how many of its own attempts a task has left when its present one ends so. */
function leftAfter(row: TaskRow, attempts: readonly AttemptRow[], outcome: AttemptOutcome): number {
  const lost = attempts.filter((attempt) => attempt.outcome === "lost").length;
  const isForgiven = outcome === "lost" && row.maxAttempts > 1 && lost < FORGIVEN;
  return row.attemptLimit - row.attempts - (isForgiven ? 0 : 1);
}

type Before = Pick<TaskRecord, "row" | "attempts">;

/** What a report under the right fence made of a task. */
export function checkEnd(before: Before, after: TaskRow, outcome: AttemptOutcome, isTerminal: boolean): void {
  const left = leftAfter(before.row, before.attempts, outcome);
  check(after.attemptLimit - after.attempts === left, `Q4: after an attempt that ended ${outcome} ${left} are left`);
  const expected = expectedState(before, outcome, isTerminal);
  check(
    expected.includes(after.state),
    `a task whose attempt ended ${outcome} is ${after.state}, not ${expected.join(" or ")}`,
  );
}

function expectedState({ row, attempts }: Before, outcome: AttemptOutcome, isTerminal: boolean): readonly string[] {
  if (outcome === "passed") return ["done"];
  if (row.cancelRequested) return ["cancelled"];
  if (isTerminal || leftAfter(row, attempts, outcome) <= 0) return ["dead"];
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
