import { describe, expect, it } from "vitest";
import { silentLogger } from "#base";
import { budgetsOfState, leftPercentOf, NOTHING_SPENT, stateOfLabel } from "#telemetry";
import { loadConfig } from "../../../../src/runtime/config/load.ts";
import type { Config } from "../../../../src/runtime/config/settings.ts";
import { StateSpending } from "../../../../src/runtime/telemetry/state-spending.ts";
import { createHarness, submitOwn, valueOf } from "../../api/api-harness.ts";
import { createCli, parsed } from "../../cli/cli-harness.ts";

const { config } = valueOf(loadConfig({ file: undefined, env: {}, cwd: "/nowhere", flags: {} }));

function world(settings: Partial<Config>) {
  const harness = createHarness();
  const { queue, clock } = harness;
  const spending = new StateSpending({ config: { ...config, ...settings }, queue, clock, logger: silentLogger });
  const work = async (label: string, tokens: number): Promise<string> => {
    const id = await submitOwn(harness, { labels: { "drover.mind": label, "drover.goal": "g_1" } });
    await harness.work({ tokens, costMicrodollars: 3 * tokens });
    return id;
  };
  return { harness, spending, work, clock };
}

describe("what is left of a budget", () => {
  it("is that of the tightest limit, and 0 only when one is used up", () => {
    const spent = { hour: { tokens: 30, costMicrodollars: 10 }, day: { tokens: 999, costMicrodollars: 10 } };
    const of = (limits: Parameters<typeof budgetsOfState>[1]) => budgetsOfState("improving", limits, spent);

    expect(leftPercentOf([], "pause")).toBe(100);
    expect(leftPercentOf(of({ hour_tokens: 100, day_microdollars: 100 }), "pause")).toBe(70);
    expect(leftPercentOf(of({ hour_tokens: 100, day_tokens: 1_000 }), "pause")).toBe(1);
    expect(leftPercentOf(of({ hour_tokens: 100, day_tokens: 999 }), "pause")).toBe(0);
    expect(leftPercentOf(of({ day_tokens: 999 }), "warn")).toBe(1);
    expect(budgetsOfState("healing", { hour_tokens: 0 }, NOTHING_SPENT)).toEqual([]);
  });

  it("counts for the state that a task's label belongs to", () => {
    expect(
      ["goal", "goal-plan", "scan", "improve-judge", "contemplate", "proposal", "fix", "heal"].map(stateOfLabel),
    ).toEqual([
      "executing",
      "executing",
      "improving",
      "improving",
      "contemplating",
      "contemplating",
      "healing",
      "healing",
    ]);
  });
});

describe("the states of the mind", () => {
  it("have spent what attempts of their tasks took in this hour and this day", async () => {
    const limits = { hour_tokens: 100, day_tokens: 1_000 };
    const { spending, work, clock } = world({ "budgets.states": { improving: limits, executing: limits } });
    await work("scan", 60);
    await work("goal", 10);

    await spending.look();
    expect(spending.leftPercent()).toEqual({ executing: 90, improving: 40, contemplating: 100, healing: 100 });
    await work("scan", 60);
    await spending.look();
    expect(spending.leftPercent()).toMatchObject({ executing: 90, improving: 0 });
    clock.advance(3_600_000);
    await spending.look();
    expect(spending.leftPercent()).toMatchObject({ improving: 88 });
  });

  it("ask local models alone once they have spent it, where that is what is configured, but for what is critical", async () => {
    const states = { improving: { day_tokens: 50 } };
    const local = world({ "budgets.states": states, "budgets.state_action": "localOnly" });
    const taskId = await local.work("scan", 60);
    const other = await local.work("goal", 60);
    await local.spending.look();
    const ask = (id: string, priority: "normal" | "critical" = "normal") =>
      local.spending.admit({ purpose: "task", taskId: id, attempt: 1, priority }).kind;

    // Of which state a task is has to be looked up first.
    expect([ask(taskId), ask(other)]).toEqual(["allowed", "allowed"]);
    await local.harness.send("GET", "/api/queue");

    expect([ask(taskId), ask(other), ask(taskId, "critical")]).toEqual(["localOnly", "allowed", "allowed"]);
    expect(local.spending.leftPercent().improving).toBe(1);
  });
});

describe("drover cost", () => {
  it("sums by state, goal, node and time, and shows what is left of budgets", async () => {
    const budget = { state: "improving", span: "day", unit: "tokens", limit: 100, used: 60 } as const;
    const view = () => [{ state: "improving" as const, leftPercent: 40, action: "pause" as const, budgets: [budget] }];
    const { run, harness } = createCli({ ports: { stateSpending: { view } } });
    for (const [label, tokens] of [
      ["scan", 60],
      ["goal", 10],
      ["goal-plan", 5],
    ] as const) {
      await submitOwn(harness, { labels: { "drover.mind": label, "drover.goal": `g_${label.slice(0, 4)}` } });
      await harness.work({ tokens, costMicrodollars: 1_000 * tokens, model: "m" });
    }

    const byState = (await run("cost", "--by", "state")).stdout;
    expect(byState).toMatch(/executing +2 +15 [\s\S]*improving +1 +60 /);
    expect(byState).toContain("Budget of improving per day: 60 tokens of 100 tokens; then: pause");
    expect((await run("cost", "--by", "node")).stdout).toMatch(/box +3 +75 /);
    expect(parsed((await run("cost", "--by", "goal", "--json")).stdout)["sums"]).toMatchObject([
      { group: "g_scan", tokens: 60 },
      { group: "g_goal", tokens: 15 },
    ]);
    expect((await run("cost")).stdout).toMatch(/\d{4}-\d\d-\d\d +3 +75 /);
    expect((await run("cost", "--by", "weekday")).exit).toBe(2);
  });
});
