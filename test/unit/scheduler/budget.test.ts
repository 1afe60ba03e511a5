import { describe, expect, it } from "vitest";
import {
  type Budget,
  BudgetCounter,
  budgetAlerts,
  checkBudget,
  type SpentEntry,
} from "../../../src/scheduler/budget.ts";
import { energyCost, priceOf, tokenCost } from "../../../src/scheduler/price.ts";

const NOON = Date.UTC(2026, 10, 21, 12, 30);
const HOUR_MS = 3_600_000;

function entry(rest: Partial<SpentEntry> = {}): SpentEntry {
  return { atMs: NOON, promptTokens: 80, completionTokens: 20, costMicrodollars: 500, ...rest };
}

function budget(rest: Partial<Budget> = {}): Budget {
  return { window: "hour", limitMicrodollars: 1_000, limitTokens: null, action: "refuse", ...rest };
}

function counter(...entries: SpentEntry[]): BudgetCounter {
  const made = new BudgetCounter();
  for (const each of entries) made.add(each);
  return made;
}

const claude = { costMicrodollars: 600, tokens: 100 } as const;

describe("a budget", () => {
  it("allows what it covers, to the last microdollar", () => {
    const usage = counter(entry({ costMicrodollars: 400 }));

    expect(checkBudget(usage, [budget()], claude, NOON)).toEqual({ kind: "allowed" });
    expect(checkBudget(usage, [budget({ limitMicrodollars: 999 })], claude, NOON).kind).toBe("refuse");
  });

  it("says why it does not cover a request, and when it is free again", () => {
    const decision = checkBudget(counter(entry()), [budget({ action: "queue" })], claude, NOON);

    expect(decision).toMatchObject({
      kind: "queue",
      reason: "the budget of this hour does not cover it: $0.000500 of $0.001000 are spent, it would cost $0.000600",
      freesAtMs: NOON + HOUR_MS / 2,
    });
  });

  it("counts tokens as well as money", () => {
    const usage = counter(entry({ promptTokens: 900, costMicrodollars: 0 }));

    expect(checkBudget(usage, [budget({ limitMicrodollars: null, limitTokens: 1_000 })], claude, NOON)).toMatchObject({
      reason: "the budget of this hour does not cover it: 920 of 1000 tokens are used, it would take 100",
    });
  });

  it("is free again in the next window, and a day holds its hours", () => {
    const usage = counter(entry({ costMicrodollars: 900 }));
    const day = budget({ window: "day" });

    expect(checkBudget(usage, [budget()], claude, NOON + HOUR_MS).kind).toBe("allowed");
    expect(checkBudget(usage, [day], claude, NOON + HOUR_MS)).toMatchObject({
      kind: "refuse",
      freesAtMs: Date.UTC(2026, 10, 22),
    });
    expect(checkBudget(usage, [day], claude, NOON + 24 * HOUR_MS).kind).toBe("allowed");
  });

  it("answers with the strictest action of those that are used up", () => {
    const usage = counter(entry({ costMicrodollars: 900 }));
    const budgets = (["warn", "queue", "localOnly"] as const).map((action) => budget({ action }));

    expect(checkBudget(usage, budgets, claude, NOON).kind).toBe("queue");
    expect(checkBudget(usage, [...budgets, budget({ window: "day" })], claude, NOON).kind).toBe("refuse");
  });

  it("alerts at 80 % and at 100 %, once each, when they are passed", () => {
    const spent = (costMicrodollars: number): { costMicrodollars: number; tokens: number } => ({
      costMicrodollars,
      tokens: 0,
    });
    const ratios = (before: number, after: number): readonly number[] =>
      budgetAlerts(budget(), spent(before), spent(after)).map(({ ratio }) => ratio);

    expect([ratios(0, 799), ratios(799, 800), ratios(800, 999), ratios(999, 1_000), ratios(1_000, 2_000)]).toEqual([
      [],
      [0.8],
      [],
      [1],
      [],
    ]);
    expect(ratios(0, 1_500)).toEqual([0.8, 1]);
    expect(budgetAlerts(budget(), spent(0), spent(850))[0]?.text).toBe("85 % of the budget of this hour is used");
  });
});

describe("prices", () => {
  const prices = [
    { model: "claude-*", inputPerMillion: 3, outputPerMillion: 15, cachedPerMillion: 0.3 },
    { model: "claude-opus-*", inputPerMillion: 5, outputPerMillion: 25, cachedPerMillion: null },
    { model: "claude-opus-1", inputPerMillion: 1, outputPerMillion: 1, cachedPerMillion: null },
  ];

  it("are found by the exact name, then by the longest prefix", () => {
    expect(priceOf("claude-opus-1", prices)?.inputPerMillion).toBe(1);
    expect(priceOf("claude-opus-2", prices)?.inputPerMillion).toBe(5);
    expect(priceOf("claude-haiku", prices)?.inputPerMillion).toBe(3);
    expect(priceOf("qwen3:8b", prices)).toBeNull();
  });

  it("count input, cached input and output apart, rounded up to a microdollar", () => {
    const tokens = { promptTokens: 1_000, cachedTokens: 400, completionTokens: 100 };

    expect(tokenCost(tokens, priceOf("claude-haiku", prices))).toBe(600 * 3 + 120 + 1_500);
    expect(tokenCost({ promptTokens: 1, cachedTokens: 1, completionTokens: 0 }, priceOf("claude-haiku", prices))).toBe(
      1,
    );
    expect(tokenCost(tokens, null)).toBe(0);
  });

  it("of energy are by the kilowatt-hour, and nothing where nothing is measured", () => {
    expect(energyCost(3_600_000, 0.3)).toBe(300_000);
    expect(energyCost(null, 0.3)).toBe(0);
    expect(energyCost(1_000, null)).toBe(0);
  });
});
