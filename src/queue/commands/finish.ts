import { type JsonObject, ok, present, type Result, type TaskId } from "#base";
import { backoffMs } from "../backoff.ts";
import { settleDependents } from "../dependents.ts";
import { type CommandContext, keyLeft, move, placed, record } from "../ledger.ts";
import type { QueueTransaction } from "../ports.ts";
import {
  type AttemptReport,
  type AttemptRow,
  type EndReason,
  type Fence,
  type Progress,
  sameFence,
  type TaskRow,
  type TaskState,
} from "../task.ts";
import { attemptCounted, ended, lossForgiven, progressed, waiting } from "../transition.ts";

export type FinishReceipt =
  /** The report was applied; the task is now in `state`. */
  | { readonly kind: "applied"; readonly state: TaskState }
  /** This very attempt was applied before. */
  | { readonly kind: "duplicate"; readonly state: TaskState }
  /** Another attempt has the lease, or the task is gone: nothing of the report counts. */
  | { readonly kind: "stale" }
  /** Kept until the node that writes the queue can be asked; it decides then, by the fence. */
  | { readonly kind: "journaled" };

/** Ends an attempt under its fence (Q3) and decides what becomes of the task. */
export function finish(
  tx: QueueTransaction,
  context: CommandContext,
  id: TaskId,
  fence: Fence,
  report: AttemptReport,
): Result<FinishReceipt> {
  const row = tx.task(id);
  if (row === undefined) return ok({ kind: "stale" });
  if (!holds(row, fence)) {
    if (sameFence(fenceOf(row), fence)) return ok({ kind: "duplicate", state: row.state });
    record(tx, context, "attempt.orphaned", row, orphanOf(fence, report));
    return ok({ kind: "stale" });
  }
  const counted = report.outcome === "lost" ? lossForgiven(attemptCounted(row), tx.losses(id)) : attemptCounted(row);
  tx.insertAttempt(attemptRow(row, report, context.nowMs));
  const verdict = decide(counted, report, context);
  const common = { attempt: counted.attempts, outcome: report.outcome, error: report.error };
  switch (verdict.kind) {
    case "end": {
      const after = ended(counted, verdict.state, verdict.reason, context.nowMs);
      move(tx, row, after);
      record(tx, context, `task.${verdict.state}`, after, { ...common, reason: verdict.reason });
      keyLeft(tx, context, row);
      settleDependents(tx, context, after);
      return ok({ kind: "applied", state: after.state });
    }
    case "retry": {
      keyLeft(tx, context, row);
      const after = waiting(counted, context.nowMs + verdict.delayMs, "retry");
      const next = verdict.delayMs === 0 ? placed(tx, context, waiting(counted, null, null)) : after;
      move(tx, row, next);
      record(tx, context, "task.retry", next, { ...common, delayMs: verdict.delayMs });
      return ok({ kind: "applied", state: next.state });
    }
  }
}

/** Of what counts no more, for people to look at: the history goes to every node, so a large result stays where it was made. */
const MAX_ORPHAN_CHARS = 4_096;

function orphanOf(fence: Fence, report: AttemptReport): JsonObject {
  const { outcome, executor, model, durationMs, tokens, costMicrodollars, error, result } = report;
  const isSmall = JSON.stringify(result).length <= MAX_ORPHAN_CHARS;
  const said = { error: error?.slice(0, MAX_ORPHAN_CHARS) ?? null, result: isSmall ? result : null };
  return { fence, outcome, executor, model, durationMs, tokens, costMicrodollars, ...said };
}

/** Gives a task back without counting the attempt: the node stops, the work did not fail. */
export function release(
  tx: QueueTransaction,
  context: CommandContext,
  id: TaskId,
  fence: Fence,
  why: string,
): Result<FinishReceipt> {
  const row = tx.task(id);
  if (row === undefined || !holds(row, fence)) return ok({ kind: "stale" });
  keyLeft(tx, context, row);
  // Not counted, so its fence is forgotten: a report that still comes under it is stale, not a repetition.
  const given: TaskRow = { ...row, fenceEpoch: 0, fenceN: 0 };
  if (row.cancelRequested) {
    const reason: EndReason = { code: "cancelled", text: "cancelled while running" };
    const after = ended(given, "cancelled", reason, context.nowMs);
    move(tx, row, after);
    record(tx, context, "task.cancelled", after, { why });
    settleDependents(tx, context, after);
    return ok({ kind: "applied", state: after.state });
  }
  const after = placed(tx, context, waiting(given, null, null));
  move(tx, row, after);
  record(tx, context, "task.released", after, { why });
  return ok({ kind: "applied", state: after.state });
}

export function reportProgress(
  tx: QueueTransaction,
  context: CommandContext,
  id: TaskId,
  fence: Fence,
  progress: Progress,
): Result<boolean> {
  const row = tx.task(id);
  if (row === undefined || !holds(row, fence)) return ok(false);
  move(tx, row, progressed(row, progress));
  record(tx, context, "task.progress", row, { ...progress });
  return ok(true);
}

export function fenceOf(row: TaskRow): Fence {
  return { epoch: row.fenceEpoch, n: row.fenceN };
}

function holds(row: TaskRow, fence: Fence): boolean {
  return row.state === "running" && sameFence(fenceOf(row), fence);
}

type Verdict =
  | { readonly kind: "end"; readonly state: "done" | "dead" | "cancelled"; readonly reason: EndReason | null }
  | { readonly kind: "retry"; readonly delayMs: number };

/** What becomes of a task whose attempt was just counted. Passing wins over a cancel that came too late. */
function decide(row: TaskRow, report: AttemptReport, context: CommandContext): Verdict {
  if (report.outcome === "passed") return { kind: "end", state: "done", reason: null };
  if (row.cancelRequested) {
    return { kind: "end", state: "cancelled", reason: { code: "cancelled", text: "cancelled while running" } };
  }
  const text = report.error ?? `the last attempt ended ${report.outcome}`;
  if (report.consequence === "terminal") return { kind: "end", state: "dead", reason: { code: "terminal", text } };
  if (row.attempts >= row.attemptLimit) {
    const many = row.attempts === 1 ? "its only attempt" : `all ${row.attempts} attempts`;
    return {
      kind: "end",
      state: "dead",
      reason: { code: "attempts_exhausted", text: `${many} failed; the last: ${text}` },
    };
  }
  // A lost attempt says nothing against the task, so it is offered again at once.
  if (report.outcome === "lost") return { kind: "retry", delayMs: 0 };
  return { kind: "retry", delayMs: backoffMs(row.attempts, row.retryBaseMs, row.retryMaxMs, context.draw()) };
}

function attemptRow(row: TaskRow, report: AttemptReport, nowMs: number): AttemptRow {
  return {
    taskId: row.id,
    n: row.attempts + 1,
    fenceEpoch: row.fenceEpoch,
    fenceN: row.fenceN,
    node: present(row.holder, "Q1: a running task has a holder"),
    executor: report.executor,
    endpoint: report.endpoint,
    model: report.model,
    outcome: report.outcome,
    startedAtMs: row.startedAtMs ?? nowMs,
    endedAtMs: nowMs,
    durationMs: report.durationMs,
    waitMs: Math.max(0, (row.startedAtMs ?? nowMs) - (row.readyAtMs ?? row.createdAtMs)),
    tokens: report.tokens,
    costMicrodollars: report.costMicrodollars,
    error: report.error,
    report: report.report,
    result: report.result,
  };
}
