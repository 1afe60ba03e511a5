import { FieldReader } from "./field-reader.ts";
import { type Journal, readSteps, type StepTime } from "./journal.ts";
import { MAX_INSTANT_MS, readVersion } from "./manifest.ts";
import type { Version } from "./version.ts";

/** Rows that are kept: at a release a day more than a year. */
export const MAX_HISTORY_ROWS = 500;
/** One row, with all steps and checks. */
export const MAX_HISTORY_ROW_BYTES = 32 * 1024;
const MAX_CHECKS = 64;
const MAX_TEXT_CHARS = 2_000;
const ANY = /^[\s\S]*$/;

/** One thing that was looked at: signature, hash, a step of the selftest. */
export type ReleaseCheck = { readonly name: string; readonly ok: boolean; readonly detail: string };

const RESULTS = ["committed", "rolledBack", "abandoned", "refused"] as const;

/** One try of one release. */
export type HistoryRow = {
  readonly id: string;
  readonly kind: "update" | "rollback";
  /** Null when the try ended before a version was known. */
  readonly version: Version | null;
  readonly from: Version | null;
  readonly askedBy: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** `refused`: never taken; `abandoned`: taken, but the old release was not touched. */
  readonly result: (typeof RESULTS)[number];
  readonly reason: string | null;
  readonly steps: readonly StepTime[];
  readonly checks: readonly ReleaseCheck[];
};

/** The row of a swap that has ended. */
export function rowOfJournal(journal: Journal, checks: readonly ReleaseCheck[], endedAtMs: number): HistoryRow {
  const { id, kind, version, from, askedBy, startedAtMs, step, reason, steps } = journal;
  const result = step === "committed" || step === "abandoned" ? step : "rolledBack";
  return { id, kind, version, from, askedBy, startedAtMs, endedAtMs, result, reason, steps, checks };
}

/** One line, without its newline. */
export function writeHistoryRow(row: HistoryRow): string {
  const short = (text: string): string => text.slice(0, MAX_TEXT_CHARS);
  const checks = row.checks.slice(0, MAX_CHECKS).map((check) => ({ ...check, detail: short(check.detail) }));
  const whole = { ...row, askedBy: short(row.askedBy), reason: row.reason === null ? null : short(row.reason), checks };
  const line = JSON.stringify(whole);
  return line.length * 3 <= MAX_HISTORY_ROW_BYTES ? line : JSON.stringify({ ...whole, checks: checks.slice(0, 2) });
}

/** Rows of the file, oldest first. A line that is none, such as one cut off by a crash, is left out. */
export function readHistory(text: string): readonly HistoryRow[] {
  return text.split("\n").flatMap((line) => (line === "" ? [] : readHistoryRow(line)));
}

function readHistoryRow(line: string): readonly HistoryRow[] {
  const reader = FieldReader.ofJson(line);
  const row: HistoryRow = {
    id: reader.text("id", ANY, 64),
    kind: reader.choice("kind", ["update", "rollback"]),
    version: reader.isNull("version") ? null : readVersion(reader, "version"),
    from: reader.isNull("from") ? null : readVersion(reader, "from"),
    askedBy: reader.text("askedBy", ANY, MAX_TEXT_CHARS),
    startedAtMs: reader.integer("startedAtMs", 0, MAX_INSTANT_MS),
    endedAtMs: reader.integer("endedAtMs", 0, MAX_INSTANT_MS),
    result: reader.choice("result", RESULTS),
    reason: reader.isNull("reason") ? null : reader.text("reason", ANY, MAX_TEXT_CHARS),
    steps: readSteps(reader),
    checks: reader.objects("checks", MAX_CHECKS).map((check) => ({
      name: check.text("name", ANY, MAX_TEXT_CHARS),
      ok: check.flag("ok"),
      detail: check.text("detail", ANY, MAX_TEXT_CHARS),
    })),
  };
  return reader.fault === undefined ? [row] : [];
}
