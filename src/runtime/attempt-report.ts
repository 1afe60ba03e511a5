/** What the queue is told of an attempt that ended, or could not begin. */
import { describeFailure, type Failure, type JsonObject } from "#base";
import type { AttemptRef, AttemptResult, ExecutorKind } from "#execution";
import { type AttemptReport, lostReport } from "#queue";

export type Spending = Pick<AttemptReport, "tokens" | "costMicrodollars">;

export function consequenceOf({ kind }: Failure): AttemptReport["consequence"] {
  return kind === "retryable" ? "retryable" : "terminal";
}

/** What passed its checks and cannot be committed is not done. */
export function notCommitted(result: AttemptResult, failure: Failure): AttemptResult {
  return { ...result, outcome: "failed", consequence: "retryable", error: describeFailure(failure) };
}

/** Beside the result of an attempt: where what it changed is. */
export function withWork(report: AttemptReport, work: JsonObject | undefined): AttemptReport {
  return work === undefined ? report : { ...report, result: { ...report.result, repository: work } };
}

export function notStarted(
  consequence: AttemptReport["consequence"],
  error: string,
  executor: ExecutorKind = "shell",
): AttemptReport {
  return { ...lostReport(error), outcome: "failed", consequence, executor };
}

/**
 * @param recorded what was recorded reply by reply: it also has the replies that were cut off, and those of a claim of
 * this attempt that was given back; a worker also knows what its server did not count, and what its command used
 */
export function reportOf(ref: AttemptRef, result: AttemptResult, recorded: Spending): AttemptReport {
  const { outcome, consequence, report, error, durationMs, exitCode, signal, output, sandbox, model } = result;
  return {
    outcome,
    consequence: consequence ?? "retryable",
    executor: ref.executor,
    endpoint: model?.endpoint ?? null,
    model: model?.model ?? null,
    durationMs,
    tokens: Math.max(recorded.tokens, model === undefined ? 0 : model.promptTokens + model.completionTokens),
    costMicrodollars: Math.max(recorded.costMicrodollars, model?.costMicrodollars ?? 0),
    error: error ?? null,
    report: {
      passed: report.passed,
      checks: report.checks,
      ...(report.skipped === undefined ? {} : { skipped: report.skipped }),
    },
    // `as`: a result is JSON throughout; the queue stores it as it is.
    result: {
      exitCode,
      signal,
      output,
      ...(sandbox === undefined ? {} : { sandbox }),
      ...(model === undefined ? {} : { model: model as unknown as JsonObject }),
    },
  };
}
