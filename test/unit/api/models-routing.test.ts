import { describe, expect, it } from "vitest";
import { err, retryable } from "#base";
import type { ChatRequest, UsageEntry } from "#inference";
import { MODEL } from "../../support/inference-world.ts";
import { createHarness, submit, valueOf } from "./api-harness.ts";
import { answer, faultsOf, modelWorld } from "./models-world.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

describe("where a request would go", () => {
  it("is explained for a prompt, by the tier that it suggests, and nothing is begun", async () => {
    const { models, asked, harness } = modelWorld();
    const prompt = "Fix the failing test in src/parse.ts";

    const { status, body } = await answer(harness, "POST", "/api/route/explain", { prompt, tools: true });

    expect(status).toBe(200);
    expect(body).toMatchObject({
      classification: { tier: "complex", reason: "36 characters" },
      decision: { tier: "complex", chosen: { endpoint: "one", model: MODEL }, reason: "one is the first" },
      accuracy: { samples: 0, meanAbsoluteErrorRatio: null },
    });
    expect(asked).toMatchObject([{ tier: "complex", needs: ["tools"], allowSpill: false }]);
    expect(models.world.directory.running("one")).toBe(0);
    expect(models.world.usage).toEqual([]);
  });

  it("is said to be expected as well as it was before, in the metrics once there is something to say", async () => {
    const metricsWith = async (meanAbsoluteErrorRatio: number | null) => {
      const { harness } = modelWorld(undefined, { accuracy: () => ({ samples: 3, meanAbsoluteErrorRatio }) });
      return (await harness.send("GET", "/metrics")).text();
    };

    expect(await metricsWith(0.25)).toContain("drover_route_prediction_error_ratio 0.25\n");
    expect(await metricsWith(null)).not.toMatch(/^drover_route_prediction_error_ratio \d/m);
  });

  it("is explained for sizes, models, kinds and a tier, which count more than the prompt", async () => {
    const { asked, harness } = modelWorld();
    const sizes = { promptTokens: 3_000, outputTokens: 50, contextTokens: 16_000 };
    const choice = { models: ["m:latest", "b"], tier: "complex", kinds: ["openai"], allowSpill: true };

    const { body } = await answer(harness, "POST", "/api/route/explain", { ...sizes, ...choice });

    const [request] = asked;
    expect(request).toMatchObject({ outputTokens: 50, contextTokens: 16_000, ...choice });
    expect(Math.abs((request?.promptTokens ?? 0) - 3_000)).toBeLessThan(30);
    expect(body).toMatchObject({
      classification: { tier: "trivial" },
      decision: { tier: "complex", chosen: null, reason: "no endpoint is left" },
    });
  });

  it("for the longest prompt that may be asked about needs no text of that length", async () => {
    const { models, asked: routed, harness } = modelWorld();
    const asked: ChatRequest[] = [];
    const inference = {
      waiting: 0,
      chat: models.inference.chat.bind(models.inference),
      embed: models.inference.embed.bind(models.inference),
      explain: (...given: Parameters<typeof models.inference.explain>) => {
        asked.push(given[0]);
        return models.inference.explain(...given);
      },
    };
    const listening = createHarness({ ports: { models: { ...models, inference } } });

    const { status } = await answer(listening, "POST", "/api/route/explain", { promptTokens: 10_000_000 });
    await answer(harness, "POST", "/api/route/explain", { promptTokens: 0 });

    expect(status).toBe(200);
    const texts = new Set(asked.flatMap(({ messages }) => messages.map(({ content }) => content)));
    expect([...texts].reduce((sum, text) => sum + text.length, 0)).toBeLessThan(1_000_000);
    const [long, none] = routed;
    expect(long?.promptTokens).toBeGreaterThanOrEqual(10_000_000);
    expect(long?.promptTokens).toBeLessThan(10_010_000);
    expect(none?.promptTokens).toBeLessThan(10);
  });

  it.each([
    ["prompt", { prompt: "x".repeat(131_073) }],
    ["promptTokens", { promptTokens: -1 }],
    ["promptTokens", { promptTokens: 10_000_001 }],
    ["models", { models: [] }],
    ["models.0", { models: [""] }],
    ["models", { models: Array.from({ length: 21 }, () => "m") }],
    ["tier", { tier: "hard" }],
    ["kinds", { kinds: [] }],
    ["kinds", { kinds: ["ollama", "ollama", "ollama", "ollama"] }],
    ["kinds.0", { kinds: ["llama"] }],
    ["tools", { tools: "yes" }],
    ["outputTokens", { outputTokens: 0 }],
    ["contextTokens", { contextTokens: 0 }],
    ["allowSpill", { allowSpill: 1 }],
    ["model", { model: "m" }],
  ])("is not explained with a wrong %s (case %#)", async (field, body) => {
    const { asked, harness } = modelWorld();

    const refusal = await answer(harness, "POST", "/api/route/explain", body);

    expect(refusal.status).toBe(400);
    expect(Object.keys(faultsOf(refusal))).toEqual([field]);
    expect(asked).toEqual([]);
  });
});

describe("usage", () => {
  const entry = (more: Partial<UsageEntry> & Pick<UsageEntry, "atMs">): UsageEntry => ({
    purpose: "task",
    taskId: "t_1",
    attempt: 1,
    goal: null,
    endpoint: "one",
    model: MODEL,
    tier: "standard",
    promptTokens: 10,
    completionTokens: 2,
    costMicrodollars: 5,
    energyJoules: null,
    durationMs: 100,
    ...more,
  });

  /** @returns an API whose clock stands at the given instant, and used what is given. */
  async function used(nowMs: number, entries: readonly UsageEntry[]) {
    const { models, harness } = modelWorld();
    harness.clock.advance(nowMs - harness.clock.nowMs());
    for (const one of entries) valueOf(await models.store.record(one));
    return { models, harness };
  }

  const NOW_MS = 20_000 * DAY_MS + 5 * HOUR_MS;

  it("is summed by day over a week unless told otherwise, with the budgets beside it", async () => {
    const days = [0, 1, 1, 6, 8].map((days) => entry({ atMs: NOW_MS - days * DAY_MS, energyJoules: days }));
    const { harness } = await used(NOW_MS, days);

    const { status, body } = await answer(harness, "GET", "/api/usage");

    expect(status).toBe(200);
    expect(body).toMatchObject({ by: "day", toMs: NOW_MS + 1, fromMs: NOW_MS + 1 - 7 * DAY_MS });
    expect(body["sums"]).toEqual([
      expect.objectContaining({ group: String(19_994 * DAY_MS), requests: 1, energyJoules: 6 }),
      expect.objectContaining({ group: String(19_999 * DAY_MS), requests: 2, promptTokens: 20, costMicrodollars: 10 }),
      expect.objectContaining({ group: String(20_000 * DAY_MS), requests: 1, energyJoules: 0 }),
    ]);
    expect(body["budgets"]).toMatchObject([{ span: "day", unit: "microdollars", used: 5, action: "localOnly" }]);
  });

  it.each([
    ["hour", [String(NOW_MS)]],
    ["model", ["big", MODEL]],
    ["endpoint", ["two", "one"]],
    ["task", ["t_2"]],
    ["purpose", ["gateway", "task"]],
    ["tier", ["complex", "standard"]],
  ])("is summed by %s, the costliest first", async (by, groups) => {
    const { harness } = await used(NOW_MS, [
      entry({ atMs: NOW_MS, taskId: "t_2" }),
      entry({
        atMs: NOW_MS,
        taskId: null,
        purpose: "gateway",
        model: "big",
        endpoint: "two",
        tier: "complex",
        costMicrodollars: 900,
      }),
    ]);

    const { body } = await answer(harness, "GET", `/api/usage?by=${by}`);

    expect(body["sums"]).toMatchObject(groups.map((group) => ({ group })));
    expect(body["sums"]).toHaveLength(groups.length);
  });

  it("is summed within a window to the millisecond, for one task, and no further than the limit", async () => {
    const { harness } = await used(NOW_MS, [
      entry({ atMs: NOW_MS - HOUR_MS, model: "old" }),
      entry({ atMs: NOW_MS - HOUR_MS + 1, model: "oldest" }),
      entry({ atMs: NOW_MS, model: "newest" }),
      entry({ atMs: NOW_MS, model: "other", taskId: "t_2" }),
    ]);

    const ofTask = await answer(harness, "GET", "/api/usage?by=model&window=1h&task=t_1");
    const limited = await answer(harness, "GET", "/api/usage?by=model&limit=1");

    const groups = (ofTask.body["sums"] as readonly { readonly group: string }[]).map(({ group }) => group);
    expect(groups.toSorted()).toEqual(["newest", "oldest"]);
    expect(limited.body["sums"]).toHaveLength(1);
  });

  it("by hour over a week leaves out no hour", async () => {
    const hours = Array.from({ length: 7 * 24 }, (_, index) => entry({ atMs: NOW_MS - index * HOUR_MS }));
    const { harness } = await used(NOW_MS, hours);

    const { body } = await answer(harness, "GET", "/api/usage?by=hour");

    expect(body["sums"]).toHaveLength(7 * 24);
  });

  it.each([
    ["by", "by=week"],
    ["window", "window=367d"],
    ["window", "window=1w"],
    ["task", `task=${"t".repeat(65)}`],
    ["limit", "limit=0"],
    ["limit", "limit=501"],
    ["model", "model=m"],
  ])("is not summed with a wrong %s (%s)", async (field, query) => {
    const { harness } = modelWorld();

    const refusal = await answer(harness, "GET", `/api/usage?${query}`);

    expect(refusal.status).toBe(400);
    expect(Object.keys(faultsOf(refusal))).toEqual([field]);
  });

  it("of which storage or budgets say nothing is a failure, never an empty sum", async () => {
    const { models } = modelWorld();
    const damaged = async () => err(retryable("corrupt", "fleet.db is damaged"));
    const store = Object.assign(Object.create(models.store) as typeof models.store, { usage: damaged });
    const failing = [modelWorld([], { store }), modelWorld([], { budgets: damaged })];

    const answers = await Promise.all(failing.map(({ harness }) => answer(harness, "GET", "/api/usage")));

    expect(answers).toMatchObject([
      { status: 503, body: { code: "corrupt" } },
      { status: 503, body: { code: "corrupt" } },
    ]);
  });
});

describe("the routing of a task", () => {
  const decision = (atMs: number, reason: string) => ({
    atMs,
    tier: "standard" as const,
    candidates: [
      {
        endpoint: "one",
        model: MODEL,
        rank: 0,
        refused: null,
        terms: { waitMs: 0, loadMs: 1, prefillMs: 2, decodeMs: 3, displacementMs: 0 },
        totalMs: 6,
        contextTokens: null,
        fit: "loaded" as const,
        basis: "measured" as const,
      },
    ],
    chosen: { endpoint: "one", model: MODEL, contextTokens: null },
    reason,
    retryAfterMs: null,
  });

  it("is the latest of its latest attempt with the task, and that of every attempt in its explanation", async () => {
    const { models, harness } = modelWorld();
    const id = await submit(harness);
    valueOf(await models.store.saveDecision(id, 2, decision(20, "second")));
    valueOf(await models.store.saveDecision(id, 1, decision(10, "first")));
    valueOf(await models.store.saveDecision(id, 1, decision(11, "first, again")));

    const shown = await answer(harness, "GET", `/api/tasks/${id}`);
    const explained = await answer(harness, "GET", `/api/tasks/${id}/explain`);
    const listed = await answer(harness, "GET", "/api/tasks");

    expect(shown.body["decision"]).toEqual(decision(20, "second"));
    expect(explained.body["routing"]).toEqual([
      { attempt: 1, decision: decision(11, "first, again") },
      { attempt: 2, decision: decision(20, "second") },
    ]);
    expect(listed.body["items"]).toMatchObject([{ id, decision: null }]);
  });

  it("is null for a command, which asks no model", async () => {
    const { harness } = modelWorld();
    const id = await submit(harness);

    const shown = await answer(harness, "GET", `/api/tasks/${id}`);
    const explained = await answer(harness, "GET", `/api/tasks/${id}/explain`);

    expect(shown.body["decision"]).toBeNull();
    expect(explained.body["routing"]).toEqual([]);
  });

  it("that cannot be read is a failure of the storage", async () => {
    const { models } = modelWorld();
    const decisions = async () => err(retryable("corrupt", "fleet.db is damaged"));
    const store = Object.assign(Object.create(models.store) as typeof models.store, { decisions });
    const { harness } = modelWorld([], { store });
    const id = await submit(harness);

    const answers = await Promise.all(
      [`/api/tasks/${id}`, `/api/tasks/${id}/explain`].map((path) => answer(harness, "GET", path)),
    );

    expect(answers.map(({ status }) => status)).toEqual([503, 503]);
  });
});
