/** Verification returns to the model, and the end is judged by what it finds. */
import { describe, expect, it } from "vitest";
import type { InferenceFailure } from "#inference";
import { MemoryCheckpoint } from "../../../../src/execution/loop/checkpoint.ts";
import { runWithCorrections } from "../../../../src/execution/loop/corrections.ts";
import { judgeLoop, mayCorrect, skipLoopChecks } from "../../../../src/execution/loop/judgement.ts";
import { describeLoopEnd, type LoopEnd, type WorkRecord } from "../../../../src/execution/loop/loop-end.ts";
import type { CheckResult, VerificationReport } from "../../../../src/execution/verification/report.ts";
import { opened, world, writes } from "./loop-world.ts";
import type { ScriptedReply } from "./scripted-model.ts";
import { ToyTools } from "./toy-tools.ts";

function check(passed: boolean, summary: string, detail = ""): CheckResult {
  return { kind: "test_passes", passed, summary, detail, durationMs: 1, timedOut: false };
}

function report(...checks: readonly CheckResult[]): VerificationReport {
  return { passed: checks.every(({ passed }) => passed), checks };
}

const done: ScriptedReply = {
  text: "I have finished the work.",
  usage: { promptTokens: 100, completionTokens: 10 },
  costMicrodollars: 5,
};
const good = report(check(true, "npm test: exit code 0"));
const bad = report(check(true, "a.txt exists"), check(false, "npm test: exit code 1", "expected 2, got 3"));

async function corrected(
  script: readonly ScriptedReply[],
  reports: readonly VerificationReport[],
  maxCorrections: number,
) {
  const w = world(script, { limits: { iterations: 4 } });
  const left = [...reports];
  const run = await runWithCorrections({
    loop: await opened(w),
    verify: () => Promise.resolve(left.shift() ?? bad),
    maxCorrections,
  });
  return { w, run };
}

describe("self-correction", () => {
  it("tells the model in the same conversation what failed, and passes when that is mended", async () => {
    const { w, run } = await corrected([writes("a.txt", "3"), done, writes("a.txt", "2"), done], [bad, good], 2);

    const said = w.model.requests[2]?.messages ?? [];
    expect(run.verdict).toMatchObject({ outcome: "passed", remaining: [] });
    expect(run.reports).toEqual([bad, good]);
    expect(said.at(-1)?.content).toContain("1 of 2 checks passed");
    expect(said.at(-1)?.content).toContain("expected 2, got 3");
    expect(said.some(({ content }) => content === "wrote a.txt")).toBe(true);
    expect(run.outcome.corrections).toEqual([bad]);
  });

  it("keeps evidence in short, and the reports of rounds that a lost worker had", async () => {
    class Died extends Error {}
    const checkpoint = new MemoryCheckpoint();
    const long = report(check(false, "npm test", `first ${"x".repeat(4_000)} last`));
    const reports = [long, bad];
    const script = [writes("a.txt", "1"), done, writes("a.txt", "2"), done];
    const lost = runWithCorrections({
      loop: await opened(world(script, { checkpoint })),
      verify: () => {
        const next = reports.shift();
        return next === undefined ? Promise.reject(new Died()) : Promise.resolve(next);
      },
      maxCorrections: 3,
    });
    await expect(lost).rejects.toThrow(Died);

    const run = await runWithCorrections({
      loop: await opened(world([done], { checkpoint, tools: new ToyTools(new Map([["a.txt", "2"]])) })),
      verify: () => Promise.resolve(good),
      maxCorrections: 3,
    });

    expect(run.reports).toHaveLength(3);
    expect(run.reports.slice(1)).toEqual([bad, good]);
    expect(run.reports[0]?.checks[0]?.detail).toMatch(/^first x+[^]*left out[^]*x+ last$/);
    expect(run.reports[0]?.checks[0]?.detail.length).toBeLessThanOrEqual(1_000);
    expect(run.verdict.outcome).toBe("passed");
  });

  it("adds up tokens and money over all rounds, and gives each round its iterations anew", async () => {
    const { run } = await corrected([done, writes("1", ""), writes("2", ""), writes("3", ""), done], [bad, good], 1);

    expect(run.outcome.end).toEqual({ kind: "final" });
    expect(run.outcome.replies).toBe(5);
    expect(run.outcome.usage.costMicrodollars).toBe(10);
    expect(run.outcome.usage.promptTokens).toBeGreaterThanOrEqual(200);
  });

  it("ends after the corrections that are allowed, with a partial pass of what passed", async () => {
    const { w, run } = await corrected([writes("a", "1"), done, done, done, done], [bad, bad, bad], 2);

    expect(run.reports).toHaveLength(3);
    expect(w.model.asked).toBe(4);
    expect(run.verdict).toMatchObject({ outcome: "partial_pass", consequence: "retryable" });
    expect(run.verdict.completed).toEqual(["a.txt exists", "files changed: a"]);
    expect(run.verdict.remaining).toEqual(["npm test: exit code 1"]);
  });

  it("verifies what a loop left that reached its limit, and corrects it", async () => {
    const { run } = await corrected(
      [writes("1", "1"), writes("2", "2"), writes("3", "3"), writes("4", "4"), writes("5", "5"), done],
      [bad, good],
      1,
    );

    expect(run.outcome.corrections).toHaveLength(1);
    expect(run.verdict.outcome).toBe("passed");
  });

  it("verifies nothing when there is nothing to verify", async () => {
    const { run } = await corrected([{ failure: { kind: "noRoute", message: "no model" } }], [good], 3);

    expect(run.reports).toEqual([{ passed: false, checks: [], skipped: "not checked: no reply: no model" }]);
    expect(run.verdict).toMatchObject({ outcome: "failed", consequence: "terminal", error: "no reply: no model" });
  });
});

const noWork: WorkRecord = { files: {}, world: "", commands: [], commandCount: 0, callCount: 0 };
const someWork: WorkRecord = {
  files: { "a.ts": "1", "b.ts": null },
  world: "",
  commands: ["make (ok)"],
  commandCount: 1,
  callCount: 3,
};
const onlyReads: WorkRecord = { ...noWork, callCount: 3 };
const inference: InferenceFailure = { kind: "noRoute", message: "no model", isRetryable: true, afterFirstToken: false };
const unchecked: VerificationReport = { passed: true, checks: [] };
const judged = (end: LoopEnd, of: VerificationReport, record = someWork) => {
  const { outcome, consequence } = judgeLoop({ end, record, lastWords: "" }, of);
  return [outcome, consequence];
};

const limits: readonly LoopEnd[] = [
  { kind: "iterations", limit: 5 },
  { kind: "tokens", limit: 10, used: 9 },
  { kind: "stuck", pattern: "identical", tool: "read_file", times: 4 },
];
const cost: LoopEnd = { kind: "cost", limitMicrodollars: 10, message: "too dear" };

describe("judgement", () => {
  it.each([{ kind: "final" } as const, cost, { kind: "wallTime", limitMs: 1 } as const, ...limits])(
    "of verified work is passed after $kind",
    (end) => {
      expect(judged(end, good)).toEqual(["passed", undefined]);
    },
  );

  it.each([{ kind: "final" } as const, ...limits])("of partly verified work after $kind is a partial pass", (end) => {
    expect(judged(end, bad)).toEqual(["partial_pass", "retryable"]);
  });

  it.each([...limits, { kind: "wallTime", limitMs: 1 } as const, cost, { kind: "context", contextTokens: 1 } as const])(
    "of work at the limit of $kind is a partial pass although no check passed, and none without work",
    (end) => {
      const none = report(check(false, "npm test: exit code 1"));
      const { outcome, completed, remaining } = judgeLoop({ end, record: someWork, lastWords: "" }, none);

      expect(outcome).toBe("partial_pass");
      expect(completed).toEqual(["files changed: a.ts, b.ts", "commands run: 1"]);
      expect(remaining).toEqual(["npm test: exit code 1", describeLoopEnd(end)]);
      for (const without of [noWork, onlyReads]) {
        expect(judged(end, none, without)[0]).toBe(end.kind === "wallTime" ? "timed_out" : "failed");
      }
    },
  );

  it("of work that its model calls finished is failed when no check passed", () => {
    expect(judged({ kind: "final" }, report(check(false, "x")))).toEqual(["failed", "retryable"]);
  });

  it.each([
    [{ kind: "final" }, true],
    ...limits.map((end) => [end, true] as const),
    [{ kind: "noTools", pattern: "identical" }, true],
    [{ kind: "modelFailed", failure: inference }, false],
    [cost, false],
    [{ kind: "wallTime", limitMs: 1 }, false],
    [{ kind: "context", contextTokens: 10 }, false],
    [{ kind: "stopped", request: { by: "machine", reason: "the node stopped" } }, false],
  ] as readonly (readonly [LoopEnd, boolean])[])(
    "of work that failed after %j says something of the model: %s",
    (end, says) => {
      const of = (found: VerificationReport) => judgeLoop({ end, record: someWork, lastWords: "" }, found).isJudged;

      expect(of(bad)).toBe(says);
      // What was verified has passed, whatever ended it; only who stops it says nothing.
      expect(of(good)).toBe(end.kind !== "stopped");
    },
  );

  it("does not take checks that pass anyway for work", () => {
    expect(judged({ kind: "iterations", limit: 5 }, bad, noWork)).toEqual(["failed", "retryable"]);
  });

  it("without checks believes only a model that says it is finished", () => {
    expect(judged({ kind: "final" }, unchecked)).toEqual(["passed", undefined]);
    expect(judged({ kind: "iterations", limit: 5 }, unchecked)).toEqual(["partial_pass", "retryable"]);
    expect(judged({ kind: "iterations", limit: 5 }, unchecked, noWork)).toEqual(["failed", "retryable"]);
  });

  it("tells what another attempt can mend from what it cannot", () => {
    const none = report(check(false, "x"));

    expect(judged(cost, none)).toEqual(["partial_pass", "terminal"]);
    expect(judged({ ...cost, limitMicrodollars: null }, none)).toEqual(["partial_pass", "retryable"]);
    expect(judged({ kind: "context", contextTokens: 1 }, none)).toEqual(["partial_pass", "terminal"]);
    expect(judged({ kind: "noTools", pattern: "empty" }, none)).toEqual(["failed", "retryable"]);
    expect(judged({ kind: "modelFailed", failure: inference }, none)).toEqual(["failed", "retryable"]);
    expect(judged({ kind: "modelFailed", failure: { ...inference, isRetryable: false } }, none)).toEqual([
      "failed",
      "terminal",
    ]);
    expect(judged({ kind: "failed", failure: { kind: "retryable", code: "disk_full", message: "full" } }, bad)).toEqual(
      ["failed", "retryable"],
    );
  });

  it("of what was stopped is cancelled, for good only when a person did it", () => {
    expect(judged({ kind: "stopped", request: { by: "cancel", reason: "r" } }, bad)).toEqual(["cancelled", undefined]);
    expect(judged({ kind: "stopped", request: { by: "machine", reason: "r" } }, bad)).toEqual([
      "cancelled",
      "retryable",
    ]);
  });

  it("lists what is done and what remains from checks, record and the model's own words", () => {
    const lastWords = "Here is the state:\n- [x] parser\n- [ ] tests\nRemaining:\n- the docs";
    const { completed, remaining } = judgeLoop(
      { end: { kind: "iterations", limit: 5 }, record: someWork, lastWords },
      bad,
    );

    expect(completed).toEqual(["a.txt exists", "files changed: a.ts, b.ts", "commands run: 1", "said: parser"]);
    expect(remaining).toEqual([
      "npm test: exit code 1",
      "said: tests",
      "said: the docs",
      describeLoopEnd({ kind: "iterations", limit: 5 }),
    ]);
  });

  it("checks after every end that may leave work, and corrects only where a model can still answer", () => {
    const stopped: LoopEnd = { kind: "stopped", request: { by: "cancel", reason: "r" } };
    const failed: LoopEnd = { kind: "modelFailed", failure: inference };

    expect(limits.map((end) => skipLoopChecks({ end, record: noWork }))).toEqual([undefined, undefined, undefined]);
    expect(skipLoopChecks({ end: failed, record: someWork })).toBeUndefined();
    expect(skipLoopChecks({ end: failed, record: noWork })).toContain("no model");
    expect(skipLoopChecks({ end: stopped, record: someWork })).toContain("not checked");
    expect([...limits, cost, stopped, failed].map(mayCorrect)).toEqual([true, false, true, false, false, false]);
  });
});
