/** Judges an attempt of a tool loop from how the loop ended and what verification found. Pure. */
import type { Verdict } from "../outcome.ts";
import { boundSummary, type CheckResult, type VerificationReport } from "../verification/report.ts";
import { describeLoopEnd, type LoopEnd, type WorkRecord } from "./loop-end.ts";
import type { LoopOutcome } from "./tool-loop.ts";

/** Lines of completed and remaining work in a result; a result is read by people and has a limit of its own. */
const MAX_LINES = 20;
/** Files named in one line. */
const MAX_NAMED_FILES = 8;

export type LoopVerdict = Verdict & {
  /** What is done and what is not, in lines for a person: checks, the record of changes, the model's own list. */
  readonly completed: readonly string[];
  readonly remaining: readonly string[];
  /** Whether it says something of the model: verification judged what the model itself had brought to an end. */
  readonly isJudged: boolean;
};

/**
 * Whether checks are worth running after this end. They are after every end that may leave work behind, limits included.
 * @returns undefined to check, or why not.
 */
export function skipLoopChecks({ end, record }: Pick<LoopOutcome, "end" | "record">): string | undefined {
  const reason = `not checked: ${describeLoopEnd(end)}`;
  switch (end.kind) {
    case "final":
    case "iterations":
    case "tokens":
    case "wallTime":
    case "cost":
    case "stuck":
      return undefined;
    case "context":
    case "noTools":
    case "modelFailed":
      return record.callCount === 0 ? reason : undefined;
    case "stopped":
    case "failed":
      return reason;
  }
}

/** Whether a correction can help: there is budget left, and a model that answers. */
export function mayCorrect(end: LoopEnd): boolean {
  return end.kind === "final" || end.kind === "iterations" || end.kind === "stuck";
}

/**
 * Verified work has passed, however the loop ended. Otherwise it is a partial pass when some checks passed, when there
 * are changes that no check judges, or when a limit ended work that had begun (files changed, commands run), whatever
 * the checks say of the half of it. Nothing of these is a failure, and past the wall limit timed_out.
 */
export function judgeLoop(
  outcome: Pick<LoopOutcome, "end" | "record" | "lastWords">,
  report: VerificationReport,
): LoopVerdict {
  const { end, record, lastWords } = outcome;
  const plan = listedWork(lastWords);
  const passed = report.checks.filter((check) => check.passed);
  const failed = report.checks.filter((check) => !check.passed);
  const completed = bounded([...passed.map(summaryOf), ...describeRecord(record), ...plan.done]);
  const limit = end.kind === "final" ? [] : [describeLoopEnd(end)];
  const remaining = bounded([...failed.map(summaryOf), ...plan.open, ...limit]);
  return {
    ...verdictOf(end, record, report),
    completed,
    remaining: isPassed(end, report) ? [] : remaining,
    isJudged: isJudged(end, report),
  };
}

function verdictOf(end: LoopEnd, record: WorkRecord, report: VerificationReport): Verdict {
  if (end.kind === "stopped") {
    const { by, reason } = end.request;
    return by === "cancel"
      ? { outcome: "cancelled", error: reason }
      : { outcome: "cancelled", consequence: "retryable", error: reason };
  }
  if (isPassed(end, report)) return { outcome: "passed" };
  const error = [describeLoopEnd(end), ...failedChecks(report)].join("; ");
  const consequence = consequenceOf(end);
  if (end.kind !== "failed" && isPartial(end, record, report)) return { outcome: "partial_pass", consequence, error };
  return { outcome: end.kind === "wallTime" ? "timed_out" : "failed", consequence, error };
}

/** A dead endpoint, a budget that is used up and a person who stops say nothing of how good a model is. */
function isJudged(end: LoopEnd, report: VerificationReport): boolean {
  if (isPassed(end, report)) return end.kind !== "stopped";
  switch (end.kind) {
    case "final":
    case "iterations":
    case "tokens":
    case "stuck":
    case "noTools": // the model's own weakness, also where nothing was left to be checked
      return true;
    case "wallTime": // a slow server as well as a slow model
    case "cost":
    case "context":
    case "modelFailed":
    case "stopped":
    case "failed":
      return false;
  }
}

/** With no checks at all, only a model that says it is finished is taken at its word. */
function isPassed(end: LoopEnd, report: VerificationReport): boolean {
  return report.passed && (end.kind === "final" || report.checks.length > 0);
}

function isPartial(end: LoopEnd, record: WorkRecord, report: VerificationReport): boolean {
  if (isLimit(end) && describeRecord(record).length > 0) return true;
  if (report.checks.length > 0) return report.checks.some((check) => check.passed) && record.callCount > 0;
  return end.kind !== "final" && Object.keys(record.files).length > 0;
}

/** Ends by which the model was kept from going on; after these the next attempt goes on with what is there. */
function isLimit(end: LoopEnd): boolean {
  switch (end.kind) {
    case "iterations":
    case "tokens":
    case "wallTime":
    case "cost":
    case "context":
    case "stuck":
      return true;
    case "final":
    case "noTools":
    case "modelFailed":
    case "stopped":
    case "failed":
      return false;
  }
}

function consequenceOf(end: LoopEnd): "retryable" | "terminal" {
  switch (end.kind) {
    case "final":
    case "iterations":
    case "tokens":
    case "wallTime":
    case "stuck":
    case "noTools":
    case "stopped":
      return "retryable";
    case "cost":
      // The next attempt would reach the loop's own limit again; a budget of the node is new tomorrow.
      return end.limitMicrodollars === null ? "retryable" : "terminal";
    case "context":
      return "terminal";
    case "modelFailed":
      return end.failure.isRetryable || end.failure.afterFirstToken ? "retryable" : "terminal";
    case "failed":
      return end.failure.kind === "retryable" ? "retryable" : "terminal";
  }
}

function failedChecks(report: VerificationReport): readonly string[] {
  const failed = report.checks.filter((check) => !check.passed);
  if (failed.length === 0) return [];
  return [`${failed.length} of ${report.checks.length} checks failed: ${failed.map(summaryOf).join("; ")}`];
}

function describeRecord({ files, commandCount }: WorkRecord): readonly string[] {
  const paths = Object.keys(files);
  const named = paths.slice(0, MAX_NAMED_FILES).join(", ");
  const more = paths.length > MAX_NAMED_FILES ? ` and ${paths.length - MAX_NAMED_FILES} more` : "";
  return [
    ...(paths.length === 0 ? [] : [`files changed: ${named}${more}`]),
    ...(commandCount === 0 ? [] : [`commands run: ${commandCount}`]),
  ];
}

/** Boxes that a model ticked, `- [x] tests`, and lines under a heading or after a word such as "Remaining:". */
function listedWork(words: string): { readonly done: readonly string[]; readonly open: readonly string[] } {
  const done: string[] = [];
  const open: string[] = [];
  let isRemaining = false;
  for (const line of words.split("\n")) {
    const box = /^\s*[-*]\s*\[([ xX])\]\s*(.+)$/.exec(line);
    const head =
      /^\W*(remaining|still open|not done|what remains|left to do|to do|done|completed|what (?:i|was) d(?:id|one))\b\W*(.*)$/i.exec(
        line,
      );
    const item = /^\s*(?:[-*]|\d+[.)])\s+(.+)$/.exec(line);
    if (box !== null) (box[1] === " " ? open : done).push(`said: ${boundSummary(box[2] ?? "")}`);
    else if (head !== null) {
      isRemaining = !/^(?:done|completed|what (?:i|was))/i.test(head[1] ?? "");
      if (isRemaining && /\w/.test(head[2] ?? "")) open.push(`said: ${boundSummary(head[2] ?? "")}`);
    } else if (item !== null && isRemaining) open.push(`said: ${boundSummary(item[1] ?? "")}`);
  }
  return { done, open };
}

function summaryOf(check: CheckResult): string {
  return check.summary;
}

function bounded(lines: readonly string[]): readonly string[] {
  return lines.length <= MAX_LINES
    ? lines
    : [...lines.slice(0, MAX_LINES - 1), `and ${lines.length - MAX_LINES + 1} more`];
}
