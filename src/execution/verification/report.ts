import type { CheckKind } from "../task-spec.ts";

/** Detail kept per check, in characters: the tail of a test run fits, fifty of them still fit into a result. */
export const MAX_CHECK_DETAIL_CHARS = 4_096;
export const MAX_CHECK_SUMMARY_CHARS = 300;

/** What one check found. `summary` is one line for a table; `detail` is the evidence, bounded. */
export type CheckResult = {
  readonly kind: CheckKind;
  readonly passed: boolean;
  readonly summary: string;
  readonly detail: string;
  readonly durationMs: number;
  readonly timedOut: boolean;
};

/**
 * The result of a task's verification. With no checks, `passed` says whether the command exited with 0; with checks,
 * whether all of them passed too.
 */
export type VerificationReport = {
  readonly passed: boolean;
  readonly checks: readonly CheckResult[];
  /** Why checks were not run at all, when they were not. */
  readonly skipped?: string;
};

/** @returns the report of checks that all ran. */
export function reportOf(checks: readonly CheckResult[]): VerificationReport {
  return { passed: checks.every((check) => check.passed), checks };
}

/** @returns the report of an attempt whose command did not end well, so that nothing was checked. */
export function skippedReport(reason: string): VerificationReport {
  return { passed: false, checks: [], skipped: reason };
}

/** Keeps the last characters of `text`, where commands say what went wrong. */
export function boundDetail(text: string): string {
  return text.length <= MAX_CHECK_DETAIL_CHARS ? text : `…${text.slice(1 - MAX_CHECK_DETAIL_CHARS)}`;
}

export function boundSummary(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length <= MAX_CHECK_SUMMARY_CHARS ? line : `${line.slice(0, MAX_CHECK_SUMMARY_CHARS - 1)}…`;
}
