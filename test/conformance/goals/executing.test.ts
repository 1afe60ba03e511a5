/** Goals from their submission to their end, on a whole engine with a scripted model. */
import { afterEach, describe, expect, test } from "vitest";
import { goalFigures } from "#activities";
import { GOAL_LABEL } from "#goals";
import { GoalWorld, planOf, type Script } from "../../support/goal-world.ts";
import { must } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
let world: GoalWorld | undefined;

afterEach(async () => {
  await world?.close();
  world = undefined;
});

const GREETING = { title: "Write the greeting", prompt: "Write hello.txt.", key: "t1" };
const FAREWELL = { title: "Write the farewell", prompt: "Write bye.txt.", key: "t2", dependsOn: ["t1"] };
const exists = (path: string) => ({ kind: "file_exists", path });
const FILES: Readonly<Record<string, string>> = { [GREETING.title]: "hello.txt", [FAREWELL.title]: "bye.txt" };
const writes: Script["work"] = (title) => {
  const path = FILES[title];
  return path === undefined ? null : { path, content: "hello\n" };
};

async function open(script: Partial<Script>): Promise<GoalWorld> {
  const made = await GoalWorld.open(folder(), { plan: () => planOf(GREETING, FAREWELL), work: writes, ...script });
  world = made;
  return made;
}

describe("a goal", { timeout: 40_000 }, () => {
  test("is divided by a model, carried out in order in one folder, checked, and complete", async () => {
    const at = await open({ plan: () => planOf({ ...GREETING, verify: [exists("hello.txt")] }, FAREWELL) });
    await at.start();

    const id = await at.submit({ title: "Be polite", verify: [exists("hello.txt"), exists("bye.txt")] });
    const goal = await at.ended(id);
    const tasks = await at.tasks(id);

    expect([goal.state, goal.planBy, goal.verdict?.by, goal.round]).toEqual(["complete", "model", "checks", 1]);
    expect(tasks.map(({ kind, key, state, dependsOn }) => [kind, key, state, dependsOn])).toEqual([
      ["plan", "plan-1-1", "done", []],
      ["work", "t1", "done", []],
      ["work", "t2", "done", [2]],
      ["check", "check-1", "done", []],
    ]);
    expect(goal.spent.tokens).toBeGreaterThan(0);
    expect(await at.history(id)).toEqual([
      "submitted",
      "begun",
      "asked",
      "task.done",
      "planned",
      "task.done",
      "task.done",
      "verifying",
      "task.done",
      "verified",
      "complete",
    ]);
    const label = { name: GOAL_LABEL, value: id };
    expect(must(await at.engine.queue.store.list({ label }, 10)).items).toHaveLength(4);
    expect(must(await goalFigures({ goals: at.engine.stores.goals }))).toEqual({ readyGoals: 0, readyTasks: 0 });
  });
});
