import { describe, expect, it } from "vitest";
import { terminal } from "#base";
import { type CommandEnd, judge, skipChecks } from "../../../src/execution/outcome.ts";
import { type CheckResult, reportOf, skippedReport } from "../../../src/execution/verification/report.ts";

const check = (passed: boolean): CheckResult => ({
  kind: "git_clean",
  passed,
  summary: passed ? "fine" : "not fine",
  detail: "",
  durationMs: 1,
  timedOut: false,
});
const done: CommandEnd = { kind: "exited", exitCode: 0 };
const none = skippedReport("not checked");

describe("the verdict on an attempt", () => {
  it.each<[string, CommandEnd, ReturnType<typeof reportOf>, string, string | undefined]>([
    ["exit code 0 and no checks", done, reportOf([]), "passed", undefined],
    ["all checks passed", done, reportOf([check(true), check(true)]), "passed", undefined],
    ["some checks passed", done, reportOf([check(true), check(false)]), "partial_pass", "retryable"],
    ["no check passed", done, reportOf([check(false)]), "failed", "retryable"],
    ["another exit code", { kind: "exited", exitCode: 1 }, none, "failed", "retryable"],
    ["a signal", { kind: "signalled", signal: "SIGSEGV" }, none, "failed", "retryable"],
    ["the wall limit", { kind: "wallLimit", limitMs: 5 }, none, "timed_out", "retryable"],
    ["the output limit", { kind: "outputLimit", limitBytes: 5 }, none, "failed", "terminal"],
    ["a cancel by a person", { kind: "stopped", request: { by: "cancel", reason: "r" } }, none, "cancelled", undefined],
    [
      "a stop by a machine",
      { kind: "stopped", request: { by: "machine", reason: "r" } },
      none,
      "cancelled",
      "retryable",
    ],
    [
      "a command that cannot start",
      { kind: "failed", failure: terminal("not_found", "m", "do") },
      none,
      "failed",
      "terminal",
    ],
  ])("after %s", (_what, end, report, outcome, consequence) => {
    const verdict = judge(end, report);

    expect(verdict.outcome).toBe(outcome);
    expect(verdict.consequence).toBe(consequence);
    expect(verdict.error === undefined).toBe(outcome === "passed");
  });

  it("is reached without checks after every end but exit code 0", () => {
    expect(skipChecks(done)).toBeUndefined();
    expect(skipChecks({ kind: "exited", exitCode: 2 })).toContain("code 2");
    expect(skipChecks({ kind: "wallLimit", limitMs: 5 })).toContain("5 ms");
  });
});
