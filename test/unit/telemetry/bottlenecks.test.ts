import { describe, expect, it } from "vitest";
import { type AttemptFigures, bottleneckReport, nodeFigures, ratesPerSecond } from "#telemetry";

let count = 0;
function attempt(fields: Partial<AttemptFigures> = {}): AttemptFigures {
  count += 1;
  return {
    taskId: `t_${String(count).padStart(3, "0")}`,
    n: 1,
    title: "a task",
    node: "n_a",
    executor: "shell",
    model: null,
    lane: "normal",
    outcome: "passed",
    endedAtMs: 1_000,
    durationMs: 10,
    waitMs: 1,
    tokens: 2,
    costMicrodollars: 3,
    ...fields,
  };
}

describe("the bottleneck report", () => {
  it("groups by node and executor, the slowest group first", () => {
    const report = bottleneckReport(
      [attempt({ node: "n_b" }), attempt({ durationMs: 500 }), attempt({ executor: "claude", durationMs: 90 })],
      10,
    );

    expect(report.groups.map(({ node, executor }) => `${node} ${executor}`)).toEqual([
      "n_a shell",
      "n_a claude",
      "n_b shell",
    ]);
    expect(report.groups[0]?.durationMs).toMatchObject({ count: 1, p95: 500 });
  });

  it("tells executors, models, nodes and lanes apart, the slowest first, and leaves out what has none", () => {
    const { by } = bottleneckReport(
      [
        attempt({ model: "a", lane: "high", durationMs: 10 }),
        attempt({ model: "b", lane: null, durationMs: 90 }),
        attempt({ model: "a", node: "n_b", durationMs: 20 }),
        attempt(),
      ],
      10,
    );

    const shown = (group: keyof typeof by) =>
      by[group].map(({ name, attempts, durationMs }) => [name, attempts, durationMs.p95]);
    expect(shown("model")).toEqual([
      ["b", 1, 90],
      ["a", 2, 20],
    ]);
    expect(shown("lane")).toEqual([
      ["normal", 2, 20],
      ["high", 1, 10],
    ]);
    expect(shown("node")).toEqual([
      ["n_a", 3, 90],
      ["n_b", 1, 20],
    ]);
    expect(shown("executor")).toEqual([["shell", 4, 90]]);
  });

  it("counts lost attempts among the outcomes but not among the durations, which nobody measured", () => {
    const report = bottleneckReport([attempt({ outcome: "lost", durationMs: 0 }), attempt({ durationMs: 40 })], 10);

    expect(report.outcomes).toEqual({ lost: 1, passed: 1 });
    expect(report.durationMs).toMatchObject({ count: 1, p50: 40 });
    expect(report.waitMs.count).toBe(2);
    expect(report.slowest).toHaveLength(1);
  });

  it("names at most as many as were asked for, the longest first, and by id when equal", () => {
    const [a, b, c] = [attempt({ durationMs: 5 }), attempt({ durationMs: 50, waitMs: 9 }), attempt({ durationMs: 50 })];

    const report = bottleneckReport([a, c, b], 2);

    expect(report.slowest).toEqual([b, c]);
    expect(report.longestWaits[0]).toEqual(b);
  });

  it("keeps nodes apart whose names run together", () => {
    const report = bottleneckReport(
      [attempt({ node: "a", executor: "b c" }), attempt({ node: "a b", executor: "c" })],
      1,
    );

    expect(report.groups).toHaveLength(2);
  });

  it("of nothing is empty", () => {
    expect(bottleneckReport([], 5)).toMatchObject({ attempts: 0, groups: [], slowest: [], outcomes: {} });
  });
});

describe("figures of nodes", () => {
  it("add up tokens and cost, and say how many attempts end per minute and pass", () => {
    const [figures] = nodeFigures([attempt(), attempt({ outcome: "failed" })], 120_000);

    expect(figures).toMatchObject({
      node: "n_a",
      attempts: 2,
      perMinute: 1,
      passedRatio: 0.5,
      tokens: 4,
      costMicrodollars: 6,
      outcomes: { passed: 1, failed: 1 },
    });
  });

  it("name known nodes that ended nothing, in order of their names", () => {
    const figures = nodeFigures([attempt({ node: "n_b" })], 60_000, ["n_a", "n_b"]);

    expect(figures.map(({ node, attempts, passedRatio }) => [node, attempts, passedRatio])).toEqual([
      ["n_a", 0, null],
      ["n_b", 1, 1],
    ]);
  });
});

describe("rates", () => {
  it("count what lies within each window, its beginning excluded and its end included", () => {
    const rates = ratesPerSecond([0, 9_000, 10_000, 10_001], 10_000, [1_000, 10_000]);

    expect(rates).toEqual([
      { windowMs: 1_000, perSecond: 1 },
      { windowMs: 10_000, perSecond: 0.2 },
    ]);
  });
});
