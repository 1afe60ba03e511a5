/** Goals from their submission to their end, on a whole engine with a scripted model. */
import { execFileSync } from "node:child_process";
import { afterEach, describe, expect, test } from "vitest";
import { goalFigures } from "#activities";
import { GOAL_LABEL } from "#goals";
import { GoalWorld, planOf, type Script } from "../../support/goal-world.ts";
import { repositoryOf } from "../../support/model-attempt-world.ts";
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
const leaves = (path: string) => ({ kind: "command_succeeds", command: ["sh", "-c", `echo left > ${path}`] });
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

  test("whose plan is wrong is asked about again with exactly what is wrong, and the mended plan is carried out", async () => {
    const backward = { ...GREETING, dependsOn: ["t2"] };
    const at = await open({ plan: (_prompt, asked) => (asked === 1 ? planOf(backward, FAREWELL) : planOf(GREETING)) });
    await at.start();

    const goal = await at.ended(await at.submit({ title: "Be polite" }));

    expect([goal.state, goal.planBy, goal.asks]).toEqual(["complete", "model", 0]);
    expect(at.prompts.filter((prompt) => prompt.includes("# Task: plan:"))).toHaveLength(2);
    expect(at.prompts[1]).toContain('tasks.0.dependsOn: "t2" stands after it');
  });

  test("for which no model makes a plan is carried out as one task with its checks", async () => {
    const title = "Write the greeting";
    const at = await open({ plan: () => "I do not plan." });
    await at.start();

    const id = await at.submit({ title, successCriteria: [], verify: [exists("hello.txt")] });
    const goal = await at.ended(id);

    const work = (await at.tasks(id)).filter(({ kind }) => kind === "work");
    expect([goal.state, goal.planBy, goal.verdict?.by]).toEqual(["complete", "fallback", "checks"]);
    expect(work.map(({ key }) => key)).toEqual(["all-1"]);
    expect(work[0]?.body).toContain('"verify":[{"kind":"file_exists","path":"hello.txt"}]');
    expect((await at.history(id)).filter((kind) => kind === "asked.again")).toHaveLength(2);
  });

  test("of which a task fails is planned anew for that task alone", async () => {
    const broken = { ...FAREWELL, verify: [exists("bye.txt")] };
    const mended = { key: "t3", title: "Write it again", prompt: "Write bye.txt.", dependsOn: ["t1"] };
    const at = await open({
      plan: (prompt) => (prompt.includes("## Failed") ? planOf(mended) : planOf(GREETING, broken)),
      work: (title, attempt) =>
        title === FAREWELL.title ? null : writes(title === mended.title ? FAREWELL.title : title, attempt),
    });
    await at.start();

    const id = await at.submit({ title: "Be polite" });
    const goal = await at.ended(id);

    const tasks = await at.tasks(id);
    expect([goal.state, goal.round]).toEqual(["complete", 2]);
    expect(tasks.filter(({ kind }) => kind === "work").map(({ key, state, round }) => [key, state, round])).toEqual([
      ["t1", "done", 1],
      ["t2", "failed", 1],
      ["t3", "done", 2],
    ]);
    const again = at.prompts.find((prompt) => prompt.includes("## Failed"));
    expect(again).toContain("## Done already\n- t1: Write the greeting");
    expect(again).toContain("t2: Write the farewell");
  });

  test("that has used up its budget fails with the reason, and nothing more of it is begun", async () => {
    const at = await open({});
    await at.start();

    const id = await at.submit({ title: "Be polite", budget: { tokens: 1 } });
    const goal = await at.ended(id);

    expect([goal.state, goal.reason?.code]).toEqual(["failed", "budget"]);
    expect((await at.tasks(id)).map(({ kind }) => kind)).toEqual(["plan"]);
  });

  test("that is cancelled takes what runs of it out of the queue", async () => {
    const held = Promise.withResolvers<void>();
    const at = await open({ plan: () => planOf(GREETING, FAREWELL) });
    at.hold = held.promise;
    await at.start();
    const id = await at.submit({ title: "Be polite" });
    await at.becomes(id, "it is executing", ({ state }) => state === "executing");
    const running = await at.running();

    at.goals.executing?.end(); // the mind does something else
    must(await at.goals.port.cancel(id, "not wanted"));
    const goal = await at.ended(id);
    await at.queueIsIdle();
    held.resolve();

    const tasks = await at.swept(id);
    expect(running).toBe(GREETING.title);
    expect([goal.state, goal.reason]).toEqual(["cancelled", { code: "cancelled", text: "not wanted" }]);
    expect(tasks.filter(({ kind }) => kind === "work").map(({ state }) => state)).toEqual(["dropped", "dropped"]);
  });

  test("goes on where it was after its node was restarted in the middle, and submits nothing twice", async () => {
    const held = Promise.withResolvers<void>();
    const at = await open({});
    at.hold = held.promise;
    await at.start();
    const id = await at.submit({ title: "Be polite" });
    await at.becomes(id, "it is executing", ({ state }) => state === "executing");
    await at.running();

    await at.stop("leave");
    held.resolve();
    await at.start();
    const goal = await at.ended(id);

    const label = { name: GOAL_LABEL, value: id };
    expect(goal.state).toBe("complete");
    expect(must(await at.engine.queue.store.list({ label }, 20)).items).toHaveLength(3);
  });

  test("that is more urgent is begun before others that came earlier", async () => {
    const at = await open({ plan: () => planOf(GREETING) });
    await at.start({ begin: false, atOnce: 1 });
    const low = await at.submit({ title: "later", priority: "low" });
    const critical = await at.submit({ title: "now", priority: "critical" });

    at.begin();
    const ended = await Promise.all([low, critical].map(async (id) => at.ended(id)));

    const order = ended
      .toSorted((a, b) => (a.startedAtMs ?? 0) - (b.startedAtMs ?? 0))
      .map(({ order: { title } }) => title);
    expect(order).toEqual(["now", "later"]);
    expect(ended[0]?.startedAtMs).toBeGreaterThanOrEqual(ended[1]?.endedAtMs ?? 0);
  });

  test("of a repository is planned with its files, worked on on a branch, and delivered", async () => {
    const at = await open({ plan: () => planOf({ ...GREETING, files: ["README.md"] }, FAREWELL) });
    const path = repositoryOf(folder(), { "README.md": "Be polite.\n" });
    execFileSync("git", ["branch", "-M", "main"], { cwd: path });
    if (process.getuid?.() === 0) execFileSync("chmod", ["-R", "a+rX", path]);
    at.repositories = { toy: path };
    await at.start();

    const id = await at.submit({
      title: "Be polite",
      repository: "toy",
      // What a check leaves in its worktree is no work.
      verify: [exists("hello.txt"), exists("bye.txt"), leaves("checked.txt")],
    });
    const goal = await at.ended(id);

    expect([goal.state, goal.reason, goal.delivery?.outcome]).toEqual(["complete", null, "patch"]);
    expect(at.prompts[0]).toContain("README.md");
    const files = execFileSync("git", ["ls-tree", "--name-only", `drover/${id}`], { cwd: path, encoding: "utf8" });
    expect(files.trim().split("\n")).toEqual(["README.md", "bye.txt", "hello.txt"]);
  });

  test("of a repository that is not known is refused, and fails and says so when it was taken away since", async () => {
    const at = await open({});
    await at.start();
    const polite = { title: "Be polite", repository: "nowhere" };

    await expect(at.submit(polite)).rejects.toThrow("no repository is registered as nowhere");
    const goal = await at.ended(await at.keep(polite));

    expect([goal.state, goal.reason?.code]).toEqual(["failed", "repository"]);
    expect(goal.reason?.text).toContain("no repository is registered as nowhere");
  });
});
