import { describe, expect, it } from "vitest";
import { type BudgetState } from "#api";
import { ok } from "#base";
import { modelPorts } from "../../support/model-ports.ts";
import { createCli } from "./cli-harness.ts";

function withBudget(used: number) {
  const state: BudgetState = { span: "day", unit: "tokens", limit: 1_000, used, action: "refuse", freesAtMs: 0 };
  return createCli({ ports: { models: modelPorts([], { budgets: async () => ok([state]) }) } });
}

describe("a budget", () => {
  it.each([
    [799, ""],
    [800, "the budget of this day in tokens is used to 80 %; its action is refuse"],
    [1_000, "the budget of this day in tokens is used up; its action is refuse"],
  ])("of 1,000 tokens with %d used is told of by doctor: %s", async (used, warning) => {
    const { stdout } = await withBudget(used).run("doctor");

    const told = stdout.split("\n").filter((line) => line.includes("the budget of"));
    expect(told.join("\n")).toBe(warning === "" ? "" : `warning  budget: ${warning}`);
  });

  it("shows a scraper which part of it is used", async () => {
    const response = await withBudget(250).harness.send("GET", "/metrics");

    expect(await response.text()).toContain('drover_budget_used_ratio{span="day",unit="tokens"} 0.25\n');
  });
});
