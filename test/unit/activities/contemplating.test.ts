import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  Contemplating,
  dedupe,
  type Measurements,
  measuredProposals,
  type Proposal,
  type ProposalBody,
  type ProposalDraft,
  type ProposalPolicy,
  readProposals,
  similarity,
} from "#activities";
import { ok, SimulatedClock, silentLogger } from "#base";
import type { Stores } from "#store";
import { digest, ToldGoals, ToldTasks, unavailable } from "../../support/improving-world.ts";
import { must, openedStores } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const DAY = 86_400_000;
const GIB = 1024 ** 3;

const NOTHING: Measurements = {
  windowMs: DAY,
  attempts: [],
  lanes: [],
  endpoints: [],
  nodes: [],
  misfits: [],
  tiers: [],
  deadLetters: [],
  database: { bytes: GIB, beforeBytes: GIB, freeDiskBytes: 100 * GIB },
};
const attempts = (count: number, given: Partial<Measurements["attempts"][number]>): Measurements["attempts"] =>
  Array.from({ length: count }, () => ({
    node: "n",
    executor: "ollama",
    model: "small",
    outcome: "passed",
    durationMs: 1_000,
    waitMs: 0,
    endedAtMs: 0,
    ...given,
  }));
const body = (given: Partial<ProposalBody> = {}): ProposalBody => ({
  kind: "feature",
  title: "Let people search the catalogue by colour",
  problem: "Shoppers ask for red shoes and scroll through everything",
  evidence: ["12 requests in the notes"],
  suggestion: "add a filter",
  effort: "small",
  risk: "low",
  riskWhy: "one page",
  dependencies: [],
  repository: null,
  ...given,
});
const draft = (
  given: Partial<ProposalBody> = {},
  fingerprint = digest(given.title ?? "").slice(0, 16),
): ProposalDraft => ({
  body: body(given),
  source: "model",
  fingerprint,
});

describe("what figures propose", () => {
  const titles = (measured: Partial<Measurements>): readonly string[] =>
    measuredProposals({ ...NOTHING, ...measured }, digest).map((one) => one.body.title);

  test.each<[string, Partial<Measurements>, readonly string[]]>([
    ["nothing where all is well", { attempts: attempts(100, {}) }, []],
    ["nothing from a few attempts", { attempts: attempts(19, { waitMs: 300_000 }) }, []],
    [
      "more places for what waits longer than it runs",
      { attempts: attempts(20, { waitMs: 90_000 }) },
      ["Work on small waits longer than it runs"],
    ],
    [
      "to look at a model that is far slower than the others",
      { attempts: [...attempts(20, {}), ...attempts(20, { model: "huge", durationMs: 90_000 })] },
      ["huge is far slower than the other models"],
    ],
    [
      "to see why some nodes are full and others idle",
      {
        nodes: [
          { id: "a", name: "a", busyRatio: 0.95 },
          { id: "b", name: "b", busyRatio: 0.02 },
        ],
      },
      ["Some nodes are full while others are idle"],
    ],
    [
      "another box where every node is full",
      { nodes: [{ id: "a", name: "a", busyRatio: 0.95 }] },
      ["Every node is full most of the time"],
    ],
    [
      "a smaller quantisation for what does not fit",
      { misfits: [{ model: "huge", node: "box", needBytes: 20 * GIB, haveBytes: 12 * GIB }] },
      ["huge does not fit the memory of box"],
    ],
    [
      "to look at an endpoint that is often not well",
      { endpoints: [{ id: "box", isHealthy: true, unhealthyRatio: 0.2, models: ["huge"] }] },
      ["Endpoint box is often not well"],
    ],
    [
      "to find the cause of retries",
      { attempts: [...attempts(15, {}), ...attempts(5, { outcome: "lost" })] },
      ["Many attempts on small end lost"],
    ],
    [
      "a model for a tier that has none, and a stronger one for a tier that fails",
      {
        tiers: [
          { tier: "complex", models: 0, attempts: 3, judged: 0, passed: 0 },
          { tier: "standard", models: 1, attempts: 40, judged: 40, passed: 10 },
        ],
      },
      ["No model serves tasks of tier complex", "Tasks of tier standard pass in less than half of the attempts"],
    ],
    [
      "to mend the cause of many dead letters",
      { deadLetters: [{ code: "terminal", text: "no such file", count: 12 }] },
      ["12 dead letters have the same cause"],
    ],
    [
      "to keep less before the disk is full",
      { database: { bytes: 2 * GIB, beforeBytes: GIB, freeDiskBytes: 3 * GIB } },
      ["The database fills the disk"],
    ],
  ])("is %s", (_name, measured, expected) => {
    expect(titles(measured)).toEqual(expected);
  });

  test("has the same name from day to day, whatever the figures are", () => {
    const name = (waitMs: number): string | undefined =>
      measuredProposals({ ...NOTHING, attempts: attempts(20, { waitMs }) }, digest)[0]?.fingerprint;

    expect(name(90_000)).toBe(name(200_000));
  });
});

describe("what was proposed before", () => {
  const rules = { maxOpen: 3, rejectedRestMs: 30 * DAY };
  const known = (given: Partial<Proposal> = {}): Proposal => ({
    ...draft(),
    id: "p_1",
    state: "open",
    createdAtMs: 0,
    seenAtMs: 0,
    seen: 1,
    decidedAtMs: null,
    decidedBy: null,
    reason: null,
    goal: null,
    ...given,
  });

  test("is recognised by its words, whatever their order, and not taken for something else", () => {
    const again = draft({
      title: "Searching by colour in the catalogue",
      problem: "People scroll through everything when they ask for red shoes",
    });
    const other = draft({ title: "Cache prices", problem: "Each page asks the price server again" });

    const { fresh, again: seen } = dedupe([again, other], [known()], 0, rules);

    expect(seen).toEqual([{ id: "p_1", draft: again }]);
    expect(fresh).toEqual([other]);
  });

  test("and rejected is not proposed again while it rests; afterwards only under its very name (D2)", () => {
    const rejected = known({ state: "rejected", decidedAtMs: 0, reason: "no" });
    const same = draft({}, rejected.fingerprint);
    const close = draft({ title: "Let people search the whole catalogue by colour" });

    expect(dedupe([same, close], [rejected], 29 * DAY, rules).dropped).toHaveLength(2);
    expect(dedupe([same, close], [rejected], 31 * DAY, rules)).toMatchObject({ again: [{ id: "p_1" }], dropped: [{}] });
  });

  test("bounds how many are open (D3), and never opens one matter twice (D1)", () => {
    const subject = fc.constantFrom(
      "cache prices",
      "search colours",
      "split orders",
      "sort names",
      "print labels",
      "mail receipts",
    );
    const drafts = fc.array(
      fc.tuple(subject, fc.boolean()).map(([title, measured]) => ({
        ...draft({ title, problem: `${title} is slow for everybody` }),
        source: measured ? ("measured" as const) : ("model" as const),
      })),
      { maxLength: 12 },
    );

    fc.assert(
      fc.property(drafts, fc.integer({ min: 1, max: 5 }), (some, maxOpen) => {
        const { fresh, again, dropped } = dedupe(some, [], 0, { ...rules, maxOpen });

        expect(fresh.length + again.length + dropped.length).toBe(some.length);
        expect(fresh.length).toBeLessThanOrEqual(maxOpen);
        expect(new Set(fresh.map(({ fingerprint }) => fingerprint)).size).toBe(fresh.length);
        expect(new Set(fresh.map((one) => one.body.title)).size).toBe(fresh.length);
      }),
    );
  });

  test("similarity is symmetric, one for the same words and nothing for others", () => {
    fc.assert(
      fc.property(fc.lorem(), fc.lorem(), (left, right) => {
        expect(similarity(left, right)).toBe(similarity(right, left));
        expect(similarity(left, right)).toBeLessThanOrEqual(1);
      }),
    );
    expect(similarity("Queues wait 30 s", "the queue waited 90 s")).toBe(1);
    expect(similarity("", "anything")).toBe(0);
  });
});

describe("contemplating", () => {
  const makeFolder = temporaryFolders();
  let dir: string;
  let stores: Stores;
  let clock: SimulatedClock;
  let goals: ToldGoals;
  let tasks: ToldTasks;
  let ids: number;
  const measured: Measurements = { ...NOTHING, attempts: attempts(20, { waitMs: 90_000 }) };

  beforeEach(async () => {
    dir = makeFolder();
    stores = await openedStores(dir);
    [clock, goals, tasks, ids] = [new SimulatedClock(), new ToldGoals(), new ToldTasks(), 0];
  });
  afterEach(() => stores.close());

  const contemplating = (given: { policy?: ProposalPolicy; perDay?: number } = {}): Contemplating =>
    new Contemplating({
      measure: async () => ok(measured),
      repositories: async () => [{ name: "shop", about: "sells shoes" }],
      store: stores.proposals,
      questions: stores.improvements,
      tasks,
      goals,
      policy: given.policy ?? "ask",
      rules: { maxOpen: 30, rejectedRestMs: 90 * DAY },
      perDay: given.perDay ?? 0,
      budgetLeftPercent: () => 100,
      newId: () => `p_${(ids += 1)}000`,
      digest,
      clock,
      logger: silentLogger,
    });
  const listed = (): readonly Proposal[] => must(stores.proposals.list(["open", "approved", "rejected"], 10));

  test("proposes what was measured once, with its latest figures, and does nothing without an approval (CO1)", async () => {
    const thinker = contemplating();
    thinker.begin(0);
    await thinker.stop();
    clock.advance(DAY);
    must(await thinker.round(true));

    expect(listed()).toMatchObject([{ id: "p_1000", state: "open", seen: 2, source: "measured" }]);
    expect(must(stores.improvements.lookedAtMs("propose"))).toBe(clock.nowMs());
    expect(goals.submitted).toEqual([]);
  });

  test("makes a goal of what a person approves, the same decision again changes nothing, and the other one is refused", async () => {
    const thinker = contemplating();
    must(await thinker.round(true));
    const decision = { by: "person", reason: null, atMs: clock.nowMs() };

    const approved = must(await thinker.decide("p_10", { ...decision, state: "approved" }));
    must(await thinker.decide("p_1000", { ...decision, state: "approved" }));
    const other = await thinker.decide("p_1000", { ...decision, state: "rejected", reason: "no" });

    expect(approved).toMatchObject({ state: "approved", decidedBy: "person", goal: "g_1" });
    expect(goals.submitted).toMatchObject([{ channel: "mind", idempotencyKey: "proposal:p_1000" }]);
    expect(other).toMatchObject({ ok: false, error: { code: "conflict" } });
  });

  test("killed between approval and goal, makes that one goal after the next start (CO2)", async () => {
    must(await contemplating().round(true));
    goals.before = unavailable;
    const failed = await contemplating().decide("p_1000", { state: "approved", by: "x", reason: null, atMs: 1 });
    await stores.close();
    stores = await openedStores(dir);

    goals.before = () => ok(undefined);
    must(await contemplating().round(false));
    must(await contemplating().round(false));

    expect(failed.ok).toBe(false);
    expect(listed()).toMatchObject([{ state: "approved", goal: "g_1" }]);
    expect(goals.submitted).toHaveLength(1);
  });

  test("asks a model in the stated schema, tells it what was wrong, and takes in what is new", async () => {
    const thinker = contemplating({ perDay: 1 });
    const feature = body({ repository: "shop" });

    const waits = must(await thinker.round(true));
    tasks.says("t_1", JSON.stringify({ proposals: [body({ repository: "elsewhere" })] }));
    must(await thinker.round(false));
    const again = tasks.submitted[1]?.["prompt"];
    tasks.says(
      "t_2",
      `Here: ${JSON.stringify({ proposals: [feature, body({ ...feature, title: "Search the catalogue by colour for people" })] })}`,
    );
    const waitsStill = must(await thinker.round(false));
    must(await thinker.round(true));

    expect([waits, waitsStill]).toEqual([true, false]);
    expect(again).toContain("there is no repository elsewhere");
    expect(listed().filter(({ source }) => source === "model")).toMatchObject([
      { body: { title: feature.title }, state: "open" },
    ]);
    expect(tasks.submitted).toHaveLength(2);
  });

  test("lets the policy approve what is small, of low risk and in a repository, and nothing else", async () => {
    const thinker = contemplating({ policy: "low-risk" });

    must(
      await thinker.propose([
        draft({ title: "add dark colours", problem: "eyes hurt at night", repository: "shop" }),
        draft({ title: "rewrite payments", problem: "the provider is old", repository: "shop", risk: "high" }),
        draft({ title: "buy memory", problem: "models do not fit", repository: null }),
      ]),
    );

    expect(goals.submitted).toMatchObject([{ title: "add dark colours", repository: "shop" }]);
    expect(listed().filter(({ state }) => state === "approved")).toMatchObject([{ decidedBy: "contemplating.policy" }]);
  });

  test.each([
    ["no JSON", "I propose nothing.", /no JSON/],
    ["without evidence", JSON.stringify({ proposals: [body({ evidence: [] })] }), /evidence/],
    ["with a field that nobody knows", JSON.stringify({ proposals: [{ ...body(), urgent: true }] }), /urgent/],
    ["too many", JSON.stringify({ proposals: [body(), body(), body(), body()] }), /proposals/],
  ])("refuses an answer %s", (_name, reply, why) => {
    const read = readProposals(reply, [], digest);

    expect(read.kind).toBe("faults");
    expect(JSON.stringify(read)).toMatch(why);
  });
});
