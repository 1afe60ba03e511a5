import { describeFailure, type Failure, redactText } from "#base";
import type { AttemptOutcome } from "./attempt.ts";
import type { VerificationReport } from "./verification/report.ts";

/** Who asked for an attempt to stop: a person for good, or a machine that wants the task tried again elsewhere. */
export type StopRequest = { readonly by: "cancel" | "machine"; readonly reason: string };

/** How a command ended. */
export type CommandEnd =
  | { readonly kind: "exited"; readonly exitCode: number }
  | { readonly kind: "signalled"; readonly signal: string }
  | { readonly kind: "wallLimit"; readonly limitMs: number }
  | { readonly kind: "outputLimit"; readonly limitBytes: number }
  | { readonly kind: "stopped"; readonly request: StopRequest }
  /** It never started, or its log could not be written. */
  | { readonly kind: "failed"; readonly failure: Failure };

export type Verdict = {
  readonly outcome: AttemptOutcome;
  readonly consequence?: "retryable" | "terminal";
  readonly error?: string;
};

/**
 * Whether checks are worth running after this end. After a non-zero exit they are not: the attempt failed whatever
 * they say, and a test suite can take half an hour to say it.
 * @returns undefined to check, or why not.
 */
export function skipChecks(end: CommandEnd): string | undefined {
  return end.kind === "exited" && end.exitCode === 0 ? undefined : `not checked: ${describeEnd(end)}`;
}

/**
 * Judges an attempt of the shell executor. The command's exit code 0 counts as the first check: with it and all other
 * checks passed the attempt passed; with it and some of them, partial_pass; everything else failed.
 */
export function judge(end: CommandEnd, report: VerificationReport, outputTail = ""): Verdict {
  switch (end.kind) {
    case "exited":
      return end.exitCode === 0
        ? judgeReport(report)
        : failedWith("retryable", describeEnd(end) + lastWords(outputTail));
    case "signalled":
      return failedWith("retryable", describeEnd(end) + lastWords(outputTail));
    case "wallLimit":
      return { outcome: "timed_out", consequence: "retryable", error: describeEnd(end) };
    case "outputLimit":
      // The next attempt would write as much again.
      return failedWith("terminal", describeEnd(end));
    case "stopped":
      return end.request.by === "cancel"
        ? { outcome: "cancelled", error: end.request.reason }
        : { outcome: "cancelled", consequence: "retryable", error: end.request.reason };
    case "failed":
      return failedWith(end.failure.kind === "retryable" ? "retryable" : "terminal", describeFailure(end.failure));
  }
}

function judgeReport(report: VerificationReport): Verdict {
  if (report.passed) return { outcome: "passed" };
  const passed = report.checks.filter((check) => check.passed).length;
  const failed = report.checks.filter((check) => !check.passed);
  const error = `${failed.length} of ${report.checks.length} checks failed: ${failed.map((check) => check.summary).join("; ")}`;
  return { outcome: passed > 0 ? "partial_pass" : "failed", consequence: "retryable", error };
}

function failedWith(consequence: "retryable" | "terminal", error: string): Verdict {
  return { outcome: "failed", consequence, error };
}

/** A line of output in a reason: enough for an error message, too little to drown the reason. */
const MAX_LAST_WORDS_CHARS = 200;

/** The last line that a failed command printed usually says why. */
function lastWords(outputTail: string): string {
  const line = outputTail.trimEnd().split("\n").at(-1)?.trim() ?? "";
  return line === "" ? "" : `: ${redactText(line).slice(0, MAX_LAST_WORDS_CHARS)}`;
}

/** @returns one line for a person. */
export function describeEnd(end: CommandEnd): string {
  switch (end.kind) {
    case "exited":
      return `the command exited with code ${end.exitCode}`;
    case "signalled":
      return `the command was ended by ${end.signal}`;
    case "wallLimit":
      return `the command passed its wall limit of ${end.limitMs} ms. Raise deadlineMs or make it shorter`;
    case "outputLimit":
      return `the command wrote more than ${end.limitBytes} bytes. Raise outputLimitBytes or write less`;
    case "stopped":
      return end.request.reason;
    case "failed":
      return describeFailure(end.failure);
  }
}
