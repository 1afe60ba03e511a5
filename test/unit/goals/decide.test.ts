import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId, TaskId } from "#base";
import { decide, type GoalTask, hasGoalEnded, MAX_ASKS, MAX_ROUNDS } from "#goals";
import { readJudgement } from "../../../src/goals/judgement.ts";
import { goneFor } from "../../../src/runtime/goals/open-goals.ts";
import { type Chances, GoalPlay } from "./goal-play.ts";

const CERTAIN: Chances = { taskFails: 0, planIsBad: 0, judgeIsBad: 0, checkFails: 0, dies: 0 };
const chance = fc.double({ min: 0, max: 1, noNaN: true });
const chances: fc.Arbitrary<Chances> = fc.record({
  taskFails: chance,
  planIsBad: chance,
  judgeIsBad: chance,
  checkFails: chance,
  dies: fc.double({ min: 0, max: 0.5, noNaN: true }),
});
const CHECK = { kind: "file_exists", path: "a" };

async function played(given: Partial<Chances>, goal: object = {}, seed = 1) {
  const play = new GoalPlay(seed, { ...CERTAIN, ...given });
  const ended = await play.play(await play.submit({ title: "one", ...goal }));
  expect(play.faults).toEqual([]);
  return { ...ended, play };
}

describe("a goal", () => {
  test("comes to an end without breaking an invariant, whatever its tasks do and wherever the process dies", async () => {
    const goals = fc.record({
      title: fc.constant("one"),
      verify: fc.constantFrom([], [CHECK]),
      successCriteria: fc.constantFrom([], ["it is nice"]),
      budget: fc.constantFrom(undefined, { tokens: 35 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.integer(), chances, goals, async (seed, given, { budget, ...goal }) => {
        const submission = budget === undefined ? goal : { ...goal, budget };
        const { goal: ended, tasks } = await played(given, submission, seed);

        expect(hasGoalEnded(ended)).toBe(true);
        expect(tasks.filter(({ state }) => state === "open" || state === "planned")).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  test("from outside says so in front of each question and each order to a model, and labels every task of it", async () => {
    const labels = { "drover.untrusted": "true" };
    const bodiesOf = async (order: object) => {
      const { tasks } = await played({}, { successCriteria: ["it is nice"], ...order });
      // `as`: the goal wrote these submissions itself.
      return tasks.map(({ kind, body }) => ({ kind, ...(JSON.parse(body) as { prompt: string; labels: object }) }));
    };

    const outside = await bodiesOf({ labels });

    expect(outside.map(({ kind }) => kind)).toEqual(["plan", "work", "judge"]);
    for (const task of outside) {
      expect(task.prompt).toMatch(/^This comes from somebody outside/);
      expect(task.labels).toMatchObject(labels);
    }
    for (const { prompt } of await bodiesOf({})) expect(prompt).not.toContain("somebody outside");
  });

  test("submits each task once, however often the process dies between submission and note", async () => {
    const { tasks, play } = await played({ dies: 0.6 }, { verify: [CHECK] }, 5);

    expect(play.queue.size).toBe(tasks.length);
    expect(new Set(tasks.map(({ taskId }) => taskId)).size).toBe(tasks.length);
  });

  test("with a plan that is never right becomes one task, after two questions more", async () => {
    const { goal, tasks } = await played({ planIsBad: 1 });

    const plans = tasks.filter(({ kind }) => kind === "plan");
    expect([goal.state, goal.planBy]).toEqual(["complete", "fallback"]);
    expect(plans.length).toBeLessThanOrEqual(MAX_ASKS);
    expect(tasks.filter(({ kind }) => kind === "work").map(({ key }) => key)).toEqual(["all-1"]);
  });

  test("is planned anew a bounded number of times, and fails with what its tasks said", async () => {
    const { goal } = await played({ taskFails: 1 });

    expect([goal.state, goal.reason?.code, goal.round]).toEqual(["failed", "tasks_failed", MAX_ROUNDS]);
    expect(goal.reason?.text).toContain("it broke");
  });

  test("keeps what is done when it is planned anew", async () => {
    for (let seed = 1; seed < 40; seed += 1) {
      const { tasks } = await played({ taskFails: 0.4 }, {}, seed);
      const work = tasks.filter(({ kind }) => kind === "work");

      // G10: a task that was done is done at the end too.
      expect(work.filter(({ state }) => state === "dropped")).toEqual([]);
    }
  });

  test("is judged by a model only without checks, and the verdict says so", async () => {
    const criteria = { successCriteria: ["it is nice"] };

    const byModel = await played({}, criteria, 3);
    const byChecks = await played({}, { ...criteria, verify: [CHECK] });
    const byTasks = await played({});

    expect(byModel.tasks.some(({ kind }) => kind === "judge")).toBe(true);
    expect([byModel.goal.verdict?.by, byChecks.goal.verdict?.by, byTasks.goal.verdict?.by]).toEqual([
      "model",
      "checks",
      "tasks",
    ]);
    expect(byChecks.tasks.some(({ kind }) => kind === "judge")).toBe(false);
  });

  test("whose checks fail is planned anew with them, and then fails as not verified", async () => {
    const { goal, tasks } = await played({ checkFails: 1 }, { verify: [CHECK] });

    const plan = tasks.find(({ kind, round }) => kind === "plan" && round === 2);
    expect([goal.state, goal.reason?.code]).toEqual(["failed", "not_verified"]);
    expect(plan?.body).toContain("check-1");
  });

  test("that no model judges in a usable form fails as not judged", async () => {
    const { goal } = await played({ judgeIsBad: 1 }, { successCriteria: ["it is nice"] });

    expect([goal.state, goal.reason?.code]).toEqual(["failed", "not_judged"]);
  });

  test("that has used up its budget fails, or is held and goes on with a larger one", async () => {
    const failing = await played({}, { budget: { tokens: 10 } });
    const play = new GoalPlay(1, CERTAIN);
    const paused = await play.submit({ title: "one", budget: { tokens: 10 }, onBudget: "pause" });
    const held = await play.play(paused);

    expect([failing.goal.state, failing.goal.reason?.code]).toEqual(["failed", "budget"]);
    // A plan costs ten: with that the budget is used up, and no task of it is begun.
    expect(failing.tasks.map(({ kind, state }) => [kind, state])).toEqual([["plan", "done"]]);
    expect(held.goal.paused).toContain("10 tokens");

    await play.store.resume(paused.id, { tokens: 1_000, costMicrodollars: null }, play.clock.nowMs());
    const found = await play.store.find(paused.id);
    const done = await play.play(found.ok && found.value !== undefined ? found.value : paused);

    expect([done.goal.state, play.faults]).toEqual(["complete", []]);
  });

  test("that was cancelled has nothing more submitted: what was only planned is given up", async () => {
    const play = new GoalPlay(1, CERTAIN);
    const goal = await play.submit({ title: "one" });
    const cancelled = { ...goal, state: "cancelled", reason: { code: "cancelled", text: "" }, endedAtMs: 1 } as const;

    const step = decide(cancelled, [row({ state: "planned" }), row({ n: 2, state: "done" })], play.facts());

    expect(step).toMatchObject({ kind: "cancel", tasks: [], change: { tasks: [{ n: 1, state: "dropped" }] } });
  });

  test("that is held takes back what has not begun, to be submitted anew under another key; what runs goes on", async () => {
    const play = new GoalPlay(1, CERTAIN);
    const goal = { ...(await play.submit({ title: "one" })), state: "executing", round: 1, paused: "held" } as const;
    const tasks = [row({ state: "open", taskId: RUNNING }), row({ n: 2, state: "open", taskId: READY })];
    const seen = new Map([
      [RUNNING, { ...SEEN, state: "running" as const }],
      [READY, { ...SEEN, state: "ready" as const }],
    ]);

    const step = decide(goal, tasks, { ...play.facts(), seen });

    expect(step).toMatchObject({
      kind: "cancel",
      tasks: [{ n: 2 }],
      change: { tasks: [{ n: 2, state: "planned", taskId: null, tries: 1 }] },
    });
  });
});

describe("a goal whose folder is gone with its node", () => {
  const elsewhere = { node: "n_06d3w4q000e7v9w2m5x1y3z6zz" as NodeId, folder: "/goals/old" }; // `as`: the form of an id
  const started = async () => {
    const play = new GoalPlay(1, CERTAIN);
    const goal = { ...(await play.submit({ title: "one" })), state: "decomposing", round: 1, home: elsewhere } as const;
    return { goal, facts: { ...play.facts(), homeLost: "old was removed" } };
  };

  test("moves to the node that decides while nothing but a plan was asked for", async () => {
    const { goal, facts } = await started();

    const step = decide(goal, [], facts);

    expect(step).toMatchObject({ kind: "change", change: { goal: { state: "decomposing", home: facts.home } } });
  });

  test("fails, and says which node had it, once work was planned there", async () => {
    const { goal, facts } = await started();
    const plan = { tasks: [{ key: "a", title: "a", prompt: "do it" }] };
    const reply = JSON.stringify(plan);
    const asked = decide(goal, [], { ...facts, homeLost: undefined });
    const [task] = asked.kind === "change" ? asked.change.tasks : [];
    const done = task === undefined ? [] : [{ ...task, state: "done", reply } as const];
    const planned = decide({ ...goal, asks: 1 }, done, { ...facts, homeLost: undefined });
    if (planned.kind !== "change") throw new Error(planned.kind);

    const step = decide(planned.change.goal, [...done, ...planned.change.tasks], facts);

    const reason = { code: "home_lost", text: "old was removed; hand the goal in again" };
    expect(step).toMatchObject({ kind: "change", change: { goal: { state: "failed", reason } } });
  });

  test("is begun anew from the main branch where it has a repository, and says what is lost", async () => {
    const play = new GoalPlay(1, CERTAIN);
    const order = { ...(await play.submit({ title: "one", repository: "site" })).order };
    const { goal: first, facts } = await started();
    const goal = { ...first, order, state: "executing", asks: 1 } as const;
    const row = { goalId: goal.id, round: 1, title: "a", body: "{}", tries: 0, reply: null, error: null } as const;
    const spent = { tokens: 0, costMicrodollars: 0 };
    // `as`: any two names do
    const tasks: readonly GoalTask[] = [
      { ...row, n: 1, kind: "work", key: "a", state: "done", dependsOn: [], taskId: "t_a" as TaskId, spent },
      { ...row, n: 2, kind: "work", key: "b", state: "open", dependsOn: [1], taskId: "t_b" as TaskId, spent },
    ];
    const waits = { state: "waiting", error: null, reply: null, spent } as const;
    const seen = new Map([["t_b" as TaskId, waits]]);

    const step = decide(goal, tasks, { ...facts, home: null, seen });
    const late = decide({ ...goal, round: MAX_ROUNDS }, tasks, { ...facts, home: null, seen });

    expect(step).toMatchObject({
      kind: "cancel",
      tasks: [{ key: "b" }],
      change: {
        goal: { state: "decomposing", round: 2, home: null },
        tasks: [
          { key: "a", state: "failed", error: "what it changed is lost: old was removed" },
          { key: "b", state: "dropped" },
        ],
        events: [{ kind: "moved", data: { why: "old was removed", node: null, lost: ["a"] } }],
      },
    });
    expect(late).toMatchObject({
      kind: "change",
      change: { goal: { state: "failed", reason: { code: "home_lost" } } },
    });
  });

  test.each([
    ["is unknown", undefined, /no node of this fleet/],
    ["was removed", { name: "old", state: "removed", seenAtMs: 90 }, /old, which had its folder, was removed/],
    ["was away too long", { name: "old", state: "active", seenAtMs: 0 }, /last heard of at 1970/],
    ["was heard of lately", { name: "old", state: "active", seenAtMs: 60 }, /^$/],
  ] as const)("its node %s", (_what, node, why) => {
    const said = goneFor(node, 100, 50);

    expect(said ?? "").toMatch(why);
  });
});

describe("a judgement", () => {
  const of = (...criteria: readonly object[]) => readJudgement(JSON.stringify({ criteria }), ["one", "two"]);
  const met = (n: number) => ({ n, met: true, why: "seen" });

  test("says of each criterion once whether it is met", () => {
    expect(of(met(2), { n: 1, met: false, why: "no" })).toEqual({
      ok: true,
      value: [
        { criterion: "one", met: false, why: "no" },
        { criterion: "two", met: true, why: "seen" },
      ],
    });
  });

  test.each([
    ["leaves one out", [met(1)], "criterion 2 is judged 0 times, not once"],
    ["judges one twice", [met(1), met(2), met(2)], "criterion 2 is judged 2 times, not once"],
    ["judges one that is none", [met(1), met(2), met(3)], "there is no criterion 3"],
  ])("that %s is not accepted", (_what, criteria, fault) => {
    const result = of(...criteria);

    expect(result.ok ? [] : result.error).toContain(fault);
  });
});

const RUNNING = "t_06d3w4r8k0e7v9w2m5x1y3z6ab" as TaskId; // `as`, twice: the form of an id
const READY = "t_06d3w4r8k0e7v9w2m5x1y3z6ac" as TaskId;
const SEEN = { error: null, reply: null, spent: { tokens: 0, costMicrodollars: 0 } };

function row(more: Partial<GoalTask>): GoalTask {
  return {
    goalId: "g_06d3w4r8k0e7v9w2m5x1y3z6ab" as GoalTask["goalId"], // `as`: the form of an id
    n: 1,
    kind: "work",
    round: 1,
    key: "t1",
    title: "one",
    body: "{}",
    dependsOn: [],
    state: "planned",
    tries: 0,
    taskId: null,
    reply: null,
    error: null,
    spent: { tokens: 0, costMicrodollars: 0 },
    ...more,
  };
}
