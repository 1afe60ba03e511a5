import { describe, expect, test } from "vitest";
import { SimulatedClock, silentLogger } from "#base";
import { MemoryModelStore, type UsageEntry } from "#inference";
import type { Config } from "../../../../src/runtime/config/settings.ts";
import { type BudgetAlarm, Spending } from "../../../../src/runtime/models/spending.ts";
import { must } from "../../../support/opened-stores.ts";
import { configWith } from "./model-config.ts";

const HOUR_MS = 3_600_000;
const START_MS = 20_000 * 24 * HOUR_MS + 5 * HOUR_MS + 1;
const ANY_NUMBER: unknown = expect.any(Number);

function entry(atMs: number, more: Partial<UsageEntry> = {}): UsageEntry {
  return {
    atMs,
    purpose: "task",
    taskId: "t_1",
    attempt: 1,
    goal: null,
    endpoint: "claude",
    model: "claude-x",
    tier: null,
    promptTokens: 60,
    completionTokens: 40,
    costMicrodollars: 500,
    energyJoules: null,
    durationMs: 1,
    ...more,
  };
}

async function world(flags: Partial<Config>, before: readonly UsageEntry[] = []) {
  const clock = new SimulatedClock(START_MS);
  const store = new MemoryModelStore();
  for (const one of before) must(await store.record(one));
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (text: string) => void warnings.push(text) };
  const alarms: BudgetAlarm[] = [];
  const alarm = (one: BudgetAlarm): void => void alarms.push(one);
  const config = configWith(flags);
  const spending = new Spending({ config, store, clock, logger, alarm });
  must(await spending.load());
  return { clock, store, spending, warnings, alarms, config };
}

describe("budgets", () => {
  test("without any, everything is allowed", async () => {
    const { spending } = await world({});
    spending.record(entry(START_MS, { costMicrodollars: 1_000_000_000 }));

    expect(spending.admit()).toEqual({ kind: "allowed" });
    expect(spending.states()).toEqual([]);
  });

  test.each([
    ["refuse", { kind: "refused", retryAfterMs: null }],
    ["queue", { kind: "refused", retryAfterMs: ANY_NUMBER }],
    ["localOnly", { kind: "localOnly" }],
    ["warn", { kind: "allowed" }],
  ] as const)("that are used up do what is configured: %s", async (action, expected) => {
    const { spending } = await world({ "budgets.hour_microdollars": 1_000, "budgets.action": action });
    const before = spending.admit();

    spending.record(entry(START_MS));
    spending.record(entry(START_MS));

    expect(before).toEqual({ kind: "allowed" });
    expect(spending.admit()).toMatchObject(expected);
  });

  test("that are set while it runs count what was spent before", async () => {
    const { spending, config } = await world({ "budgets.action": "refuse" });
    spending.record(entry(START_MS));
    const before = spending.admit();

    Object.assign(config, { "budgets.hour_microdollars": 400 });

    expect([before.kind, spending.admit().kind]).toEqual(["allowed", "refused"]);
  });

  test("are free again in the next hour, and count what was spent before a restart", async () => {
    const flags = { "budgets.hour_tokens": 100, "budgets.day_tokens": 1_000, "budgets.action": "refuse" } as const;
    const { spending, clock } = await world(flags, [entry(START_MS - 1), entry(START_MS - 2 * HOUR_MS)]);

    const now = spending.admit();
    const states = spending.states();
    clock.advance(HOUR_MS);

    expect(now).toMatchObject({ kind: "refused" });
    expect(states.map(({ span, used }) => [span, used])).toEqual([
      ["hour", 100],
      ["day", 200],
    ]);
    expect(spending.admit()).toEqual({ kind: "allowed" });
  });

  test("are announced when they come to their end, once", async () => {
    const { spending, warnings, alarms } = await world({ "budgets.day_microdollars": 1_000 }, [
      entry(START_MS - 1, { costMicrodollars: 10 }),
    ]);

    spending.record(entry(START_MS, { costMicrodollars: 840 }));
    spending.record(entry(START_MS, { costMicrodollars: 10 }));
    spending.record(entry(START_MS, { costMicrodollars: 200 }));

    expect(warnings).toHaveLength(2);
    expect(alarms.map(({ kind, state }) => [kind, state.used, state.span])).toEqual([
      ["budget.warned", 850, "day"],
      ["budget.reached", 1_060, "day"],
    ]);
  });

  test("are not announced again by a node that starts in the same span", async () => {
    const { alarms } = await world({ "budgets.day_microdollars": 1_000 }, [
      entry(START_MS - 1, { costMicrodollars: 2_000 }),
    ]);

    expect(alarms).toEqual([]);
  });

  test("know of an attempt what was recorded of it, once that is kept", async () => {
    const { spending } = await world({});
    spending.record(entry(START_MS));
    spending.record(entry(START_MS));
    spending.record(entry(START_MS, { attempt: 2 }));

    expect(must(await spending.spentBy("t_1", 1))).toEqual({ requests: 2, tokens: 200, costMicrodollars: 1_000 });
    expect(must(await spending.spentBy("t_2", 1))).toEqual({ requests: 0, tokens: 0, costMicrodollars: 0 });
  });
});

describe("prices", () => {
  test("are those of the model, by its name or by how it begins, and of the energy", async () => {
    const prices = { "claude-*": { input: 3, output: 15, cached: 0.3 }, "claude-x": { input: 1, output: 2 } };
    const { spending } = await world({ "budgets.prices": prices, "budgets.dollars_per_kwh": 0.36 });
    const usage = { promptTokens: 100, completionTokens: 10, cachedPromptTokens: 50 };

    expect(spending.priceMicrodollars("claude-x", usage, null)).toBe(120);
    expect(spending.priceMicrodollars("claude-y", usage, null)).toBe(50 * 3 + 15 + 150);
    expect(spending.priceMicrodollars("local", usage, null)).toBe(0);
    expect(spending.priceMicrodollars("local", usage, 1_000)).toBe(100);
  });
});
