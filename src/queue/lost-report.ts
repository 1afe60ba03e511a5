import type { AttemptReport } from "./task.ts";

/** The report of an attempt that nobody can report on any more. */
export function lostReport(error: string): AttemptReport {
  return {
    outcome: "lost",
    consequence: "retryable",
    executor: "unknown",
    endpoint: null,
    model: null,
    durationMs: 0,
    tokens: 0,
    costMicrodollars: 0,
    error,
    report: null,
    result: null,
  };
}
