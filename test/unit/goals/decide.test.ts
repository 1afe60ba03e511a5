import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasGoalEnded, MAX_ASKS, MAX_ROUNDS } from "#goals";
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
    expect(held.goal.paused).toContain("10 tokens");

    await play.store.resume(paused.id, { tokens: 1_000, costMicrodollars: null }, play.clock.nowMs());
    const found = await play.store.find(paused.id);
    const done = await play.play(found.ok && found.value !== undefined ? found.value : paused);

    expect([done.goal.state, play.faults]).toEqual(["complete", []]);
  });
});
