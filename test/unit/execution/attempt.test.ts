import { describe, expect, it } from "vitest";
import { parseTaskId } from "#base";
import { type AttemptResult, attemptResultSchema, boundResult, planWorkspace } from "#execution";
import { allowedEnvironment, commandEnvironment } from "../../../src/execution/environment.ts";
import { parseStat } from "../../../src/execution/io/process-identity.ts";
import { ProgressScanner, parseProgress } from "../../../src/execution/progress-line.ts";

const result: AttemptResult = {
  outcome: "failed",
  consequence: "retryable",
  exitCode: 1,
  signal: null,
  output: { head: "h".repeat(16_384), tail: "t".repeat(16_384), totalBytes: 50_000, truncated: true, logPath: "/l" },
  report: {
    passed: false,
    checks: Array.from({ length: 50 }, () => ({
      kind: "test_passes",
      passed: false,
      summary: "s".repeat(300),
      detail: "\\".repeat(4_096),
      durationMs: 1,
      timedOut: false,
    })),
  },
  error: "e".repeat(5_000),
  startedAtMs: 1,
  endedAtMs: 2,
  durationMs: 1,
};

describe("a result", () => {
  it("over the limit is shortened until it fits, and says that output was left out", () => {
    const bounded = boundResult({ ...result, output: { ...result.output, truncated: false } }, 64 * 1_024);

    expect(JSON.stringify(bounded).length).toBeLessThanOrEqual(64 * 1_024);
    expect(bounded.report.checks).toHaveLength(50);
    expect(bounded.output.truncated).toBe(true);
    expect(attemptResultSchema.parse(bounded)).toEqual(bounded);
  });

  it("within the limit is left as it is", () => {
    const small = { ...result, error: "short", report: { passed: false, checks: [] } };

    expect(boundResult(small)).toEqual(small);
  });
});

describe("the environment of a command", () => {
  const inherited = {
    PATH: "/bin",
    LC_ALL: "C",
    HOME: "/h",
    API_KEY: "k",
    BUN_OPTIONS: "x",
    NODE_OPTIONS: "y",
    DROVER_TOKEN: "z",
  };

  it("is what the allow-list lets through, and PATH in any case", () => {
    expect(allowedEnvironment(inherited)).toEqual({ PATH: "/bin", LC_ALL: "C", HOME: "/h" });
    expect(allowedEnvironment({})).toEqual({ PATH: "/usr/local/bin:/usr/bin:/bin" });
  });

  it("has the task's own variables, which cannot hide what drover says", () => {
    const extra = { PATH: "/opt/bin", DROVER_ATTEMPT: "99" };

    const fence = { epoch: 2, n: 7 };
    const env = commandEnvironment({ inherited, extra, taskId: "t_1", attempt: 2, fence, marker: "m" });

    expect(env).toMatchObject({
      PATH: "/opt/bin",
      DROVER_TASK_ID: "t_1",
      DROVER_ATTEMPT: "2",
      DROVER_FENCE: "0000000000000002.0000000000000007",
      DROVER_ATTEMPT_TOKEN: "m",
    });
  });

  it("says a fence that sorts after those of all earlier claims, of earlier epochs above all", () => {
    const claims = [
      { epoch: 1, n: 9 },
      { epoch: 1, n: 10 },
      { epoch: 1, n: 4_000_000_000 },
      { epoch: 2, n: 1 },
      { epoch: Number.MAX_SAFE_INTEGER - 1, n: 1 },
      { epoch: Number.MAX_SAFE_INTEGER, n: Number.MAX_SAFE_INTEGER },
    ];

    const said = claims.map((fence) => {
      const env = commandEnvironment({ inherited: {}, extra: {}, taskId: "t_1", attempt: 1, fence, marker: "m" });
      return env["DROVER_FENCE"] ?? "";
    });

    expect(said).toEqual(said.toSorted());
    expect(new Set(said).size).toBe(claims.length);
  });
});

describe("the workspace of a task", () => {
  const taskId = parseTaskId("t_06000000000000000000000000") ?? "";
  const place = { stateDir: "/state", taskId };

  it("is the folder given, a worktree of the repository, or a private one", () => {
    const own = `/state/workspaces/${taskId}`;
    expect(planWorkspace({ workspace: "/w" }, place)).toEqual({ ok: true, value: { kind: "given", path: "/w" } });
    expect(planWorkspace({ repo: "/r" }, place)).toEqual({
      ok: true,
      value: { kind: "worktree", repo: "/r", path: own },
    });
    expect(planWorkspace({}, place)).toEqual({ ok: true, value: { kind: "private", path: own } });
  });

  it.each([{ workspace: "w" }, { repo: "https://example.invalid/r" }, { workspace: "/w", repo: "/r" }])(
    "is refused for %o",
    (spec) => {
      expect(planWorkspace(spec, place)).toMatchObject({ ok: false, error: { kind: "refused", code: "invalid" } });
    },
  );
});

describe("a progress line", () => {
  it.each([
    ["::progress 0.4 building", { ratio: 0.4, message: "building" }],
    ["::progress 40%", { ratio: 0.4, message: "" }],
    ["::progress 1", { ratio: 1, message: "" }],
    ["::progress 1.5 too far", undefined],
    ["::progress -1", undefined],
    ["::progress", undefined],
    ["say ::progress 0.4", undefined],
  ])("%s", (line, progress) => {
    expect(parseProgress(line)).toEqual(progress);
  });

  it("is found in a stream also when it comes in pieces or after an endless line", () => {
    const scanner = new ProgressScanner();
    const push = (text: string) => scanner.push(new TextEncoder().encode(text));

    expect(push("x".repeat(5_000))).toBeUndefined();
    expect(push("\n::prog")).toBeUndefined();
    expect(push("ress 0.2 a\n::progress 0.3 b\n::pro")).toEqual({ ratio: 0.3, message: "b" });
  });
});

describe("a line of /proc/PID/stat", () => {
  it("is read past a name with spaces and parentheses", () => {
    const line = `77 (a) b (c)) S 12 70 70 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 123456 9 9`;

    expect(parseStat(line)).toEqual({
      pid: 77,
      parent: 12,
      group: 70,
      session: 70,
      zombie: false,
      startTicks: "123456",
    });
  });

  it("that is cut off is none", () => {
    expect(parseStat("77 (a) S 12 70")).toBeUndefined();
    expect(parseStat("")).toBeUndefined();
  });
});
