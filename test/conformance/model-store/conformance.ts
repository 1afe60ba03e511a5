import { afterEach, describe, expect, test } from "vitest";
import type { Endpoint } from "#hw";
import type { ModelStore, UsageEntry } from "#inference";
import type { RouteDecision } from "#scheduler";
import { must } from "../../support/opened-stores.ts";

const DAY_MS = 86_400_000;
const NOON_MS = 20_000 * DAY_MS + DAY_MS / 2;

export type ModelStoreHarness = { readonly store: ModelStore; readonly close: () => Promise<void> };

function endpoint(id: string, url = "http://127.0.0.1:11434"): Endpoint {
  const labels = { room: "cellar" };
  return {
    id,
    kind: "ollama",
    url,
    origin: "api",
    apiKeyFile: null,
    labels,
    isLocal: true,
    parallel: null,
    models: [],
  };
}

function entry(more: Partial<UsageEntry> = {}): UsageEntry {
  return {
    atMs: NOON_MS,
    purpose: "task",
    taskId: "t_1",
    attempt: 1,
    goal: null,
    endpoint: "a",
    model: "small:latest",
    tier: "trivial",
    promptTokens: 100,
    completionTokens: 10,
    costMicrodollars: 0,
    energyJoules: null,
    durationMs: 50,
    ...more,
  };
}

function decision(reason: string, atMs = NOON_MS): RouteDecision {
  return { atMs, tier: "trivial", candidates: [], chosen: null, reason, retryAfterMs: null };
}

const everything = { fromMs: 0, toMs: NOON_MS * 2, limit: 100 } as const;

/** What every ModelStore must do. Each test gets a store of its own. */
export function modelStoreConformance(name: string, open: () => Promise<ModelStoreHarness>): void {
  describe(`the memory of models on ${name}`, () => {
    let close: (() => Promise<void>) | undefined;
    const fresh = async (): Promise<ModelStore> => {
      const harness = await open();
      close = harness.close;
      return harness.store;
    };
    afterEach(async () => close?.());

    test("endpoints that were added are listed by id until they are removed", async () => {
      const store = await fresh();

      must(await store.saveEndpoint(endpoint("b")));
      must(await store.saveEndpoint(endpoint("a")));
      must(await store.saveEndpoint(endpoint("b", "http://127.0.0.1:8080")));
      const removed = must(await store.removeEndpoint("a"));
      const again = must(await store.removeEndpoint("a"));

      expect([removed, again]).toEqual([true, false]);
      expect(must(await store.endpoints())).toEqual([endpoint("b", "http://127.0.0.1:8080")]);
    });

    test("the latest decision of each attempt is kept, in order of attempts", async () => {
      const store = await fresh();

      must(await store.saveDecision("t_1", 2, decision("second")));
      must(await store.saveDecision("t_1", 1, decision("first")));
      must(await store.saveDecision("t_1", 1, decision("first, again")));
      const kept = must(await store.decisions("t_1"));

      expect(kept.map((one) => [one.attempt, one.decision["reason"]])).toEqual([
        [1, "first, again"],
        [2, "second"],
      ]);
      expect(must(await store.decisions("t_2"))).toEqual([]);
    });

    test("usage is summed over what shares a group, the dearest first", async () => {
      const store = await fresh();
      must(await store.record(entry()));
      must(await store.record(entry({ energyJoules: 2.5, completionTokens: 30 })));
      must(await store.record(entry({ model: "claude", endpoint: "b", costMicrodollars: 700, tier: null })));

      const byModel = must(await store.usage({ ...everything, by: "model" }));
      const byTier = must(await store.usage({ ...everything, by: "tier" }));

      expect(byModel).toEqual([
        {
          group: "claude",
          requests: 1,
          promptTokens: 100,
          completionTokens: 10,
          costMicrodollars: 700,
          energyJoules: 0,
        },
        {
          group: "small:latest",
          requests: 2,
          promptTokens: 200,
          completionTokens: 40,
          costMicrodollars: 0,
          energyJoules: 2.5,
        },
      ]);
      expect(byTier.map(({ group, requests }) => [group, requests])).toEqual([["trivial", 2]]);
    });

    test("usage by day begins each day at midnight, the latest days in order of time, within the span asked for", async () => {
      const store = await fresh();
      for (const days of [2, 0, 1, 3]) must(await store.record(entry({ atMs: NOON_MS + days * DAY_MS })));

      const query = { fromMs: NOON_MS, toMs: NOON_MS + 3 * DAY_MS, limit: 2 } as const;
      const byDay = must(await store.usage({ ...query, by: "day" }));

      expect(byDay.map(({ group }) => Number(group))).toEqual([20_001 * DAY_MS, 20_002 * DAY_MS]);
    });

    test("usage of a task leaves out other tasks and what no task asked for", async () => {
      const store = await fresh();
      must(await store.record(entry()));
      must(await store.record(entry({ taskId: "t_2" })));
      must(await store.record(entry({ taskId: null, attempt: null, purpose: "gateway" })));

      const ofTask = must(await store.usage({ ...everything, by: "purpose", taskId: "t_1" }));
      const byTask = must(await store.usage({ ...everything, by: "task" }));

      expect(ofTask.map(({ group, requests }) => [group, requests])).toEqual([["task", 1]]);
      expect(byTask.map(({ group }) => group).sort()).toEqual(["t_1", "t_2"]);
    });

    test("usage by attempt and by goal leaves out what has none", async () => {
      const store = await fresh();
      must(await store.record(entry({ costMicrodollars: 3 })));
      must(await store.record(entry({ attempt: 2, goal: "ship-it", costMicrodollars: 2 })));
      must(await store.record(entry({ attempt: 2, goal: "ship-it" })));
      must(await store.record(entry({ taskId: "t_2", goal: "ship-it" })));
      must(await store.record(entry({ taskId: null, attempt: null, purpose: "gateway" })));

      const byAttempt = must(await store.usage({ ...everything, by: "attempt" }));
      const byGoal = must(await store.usage({ ...everything, by: "goal" }));

      expect(byAttempt.map(({ group, requests }) => [group, requests])).toEqual([
        ["t_1/1", 1],
        ["t_1/2", 2],
        ["t_2/1", 1],
      ]);
      expect(byGoal.map(({ group, requests, costMicrodollars }) => [group, requests, costMicrodollars])).toEqual([
        ["ship-it", 3, 2],
      ]);
    });

    test("what was learned is replaced by key and kept apart by kind", async () => {
      const store = await fresh();

      must(
        await store.saveLearned("speed", [
          { key: "b", value: 1 },
          { key: "a", value: { rate: 2.5 } },
        ]),
      );
      must(await store.saveLearned("speed", [{ key: "b", value: 3 }]));
      must(await store.saveLearned("passRate", [{ key: "b", value: [1, 2] }]));

      expect(must(await store.learned("speed"))).toEqual([
        { key: "a", value: { rate: 2.5 } },
        { key: "b", value: 3 },
      ]);
      expect(must(await store.learned("passRate"))).toEqual([{ key: "b", value: [1, 2] }]);
      expect(must(await store.learned("slots"))).toEqual([]);
    });

    test("pruning removes what is older than asked, and no more rows than allowed", async () => {
      const store = await fresh();
      for (const days of [0, 1, 2]) {
        must(await store.record(entry({ atMs: NOON_MS + days * DAY_MS })));
        must(await store.saveDecision(`t_${days}`, 1, decision("", NOON_MS + days * DAY_MS)));
      }
      const before = { usageMs: NOON_MS + 2 * DAY_MS, decisionsMs: NOON_MS + DAY_MS };

      const first = must(await store.prune(before, 1));
      const second = must(await store.prune(before, 100));

      expect([first, second]).toEqual([1, 2]);
      expect(must(await store.usage({ ...everything, by: "day" }))).toHaveLength(1);
      expect(must(await store.decisions("t_0"))).toEqual([]);
      expect(must(await store.decisions("t_1"))).toHaveLength(1);
    });
  });
}
