/** Goals under kill -9: handed in, killed at random moments, and looked at when all of them have ended. */
import { seededRandom, sleep } from "#base";
import { git } from "../../support/git-repositories.ts";
import { realClock } from "../../support/real-clock.ts";
import { GoalCrashWorld, type SeenGoal } from "./world.ts";

const LOOK_MS = 100;
const HAND_IN_TRIES = 20;
/** From a start that is ready until the kill. */
const [KILL_FROM_MS, KILL_SPAN_MS] = [200, 2_500];
/** Of the node, on a machine with nothing else to do. */
const USUAL_START_MS = 700;

export type GoalCrashOrder = {
  readonly seed: number;
  /** Kills, each followed by a start. */
  readonly rounds: number;
  readonly goals: number;
  /** After the last kill: for so long may no goal move, and for so long may something be left behind. */
  readonly stillMs: number;
  readonly progress: (line: string) => void;
};

export type GoalCrashReport = {
  readonly kills: { readonly node: number; readonly all: number };
  readonly goals: number;
  readonly complete: number;
  readonly workTasks: number;
  readonly commits: number;
  readonly tookMs: number;
  readonly faults: readonly string[];
};

export async function crashGoals(order: GoalCrashOrder): Promise<GoalCrashReport> {
  const beganMs = realClock.monotonicMs();
  const random = seededRandom(order.seed);
  const world = await GoalCrashWorld.open();
  const kills = { node: 0, all: 0 };
  const ids = new Map<string, string>();
  try {
    await world.start();
    const perRound = Math.ceil(order.goals / Math.max(1, order.rounds));
    for (let round = 0; round < order.rounds; round += 1) {
      // A slow machine is given as much more time for its work as it took for its start.
      const pace = Math.max(1, world.node.startedInMs / USUAL_START_MS);
      const killed = sleep(realClock, pace * (KILL_FROM_MS + Math.floor(random.next() * KILL_SPAN_MS)));
      const handedIn = handIn(world, ids, Math.min(order.goals, (round + 1) * perRound));
      await killed;
      const all = random.next() < 0.5;
      kills[all ? "all" : "node"] += 1;
      await world.kill(all);
      await handedIn;
      await world.start();
      order.progress(`kill ${round + 1} of ${order.rounds}: ${all ? "node and workers" : "node"}`);
    }
    for (let tries = 0; tries < HAND_IN_TRIES && ids.size < order.goals; tries += 1)
      await handIn(world, ids, order.goals);
    const goals = await ended(world, [...ids.values()], order.stillMs);
    const found = await look(world, goals, order.stillMs);
    const complete = goals.filter(({ state }) => state === "complete").length;
    const few = ids.size < order.goals ? [`only ${ids.size} goals could be handed in`] : [];
    const tookMs = realClock.monotonicMs() - beganMs;
    return { kills, goals: ids.size, complete, ...found, faults: [...few, ...found.faults], tookMs };
  } finally {
    await world.close();
  }
}

/** Under a key of its own, so that what was answered to nobody is found again. A node that is killed ends it. */
async function handIn(world: GoalCrashWorld, ids: Map<string, string>, upTo: number): Promise<void> {
  for (let n = 1; n <= upTo; n += 1) {
    const name = `g${n}x`;
    if (ids.has(name)) continue;
    try {
      ids.set(name, await world.handIn(name, n % 2 === 0));
    } catch {
      return; // it was killed: the next round hands it in again
    }
  }
}

/** @returns the goals as they are when all have ended, or none of them moved for so long. */
export async function ended(
  world: GoalCrashWorld,
  ids: readonly string[],
  stillMs: number,
): Promise<readonly SeenGoal[]> {
  let seen = "";
  let movedMs = realClock.monotonicMs();
  for (;;) {
    const goals = await Promise.all(ids.map((id) => world.goal(id)));
    const isOver = goals.every(({ state }) => ["complete", "failed", "cancelled"].includes(state));
    const now = JSON.stringify(goals);
    if (now !== seen) movedMs = realClock.monotonicMs();
    seen = now;
    if (isOver || realClock.monotonicMs() - movedMs > stillMs) return goals;
    await sleep(realClock, LOOK_MS);
  }
}

async function look(world: GoalCrashWorld, goals: readonly SeenGoal[], limitMs: number) {
  const each: GoalFindings[] = [];
  for (const goal of goals) each.push(await lookAtGoal(world, goal));
  const left = await leftovers(world, goals, limitMs);
  return {
    workTasks: each.reduce((sum, { workTasks }) => sum + workTasks, 0),
    commits: each.reduce((sum, { commits }) => sum + commits, 0),
    faults: [...each.flatMap(({ faults }) => faults), ...left.map((one) => `left over: ${one}`)],
  };
}

type GoalFindings = { readonly workTasks: number; readonly commits: number; readonly faults: readonly string[] };

/** What is wrong with a goal that should have ended well. In this world nothing fails by itself. */
export async function lookAtGoal(world: GoalCrashWorld, goal: SeenGoal): Promise<GoalFindings> {
  const faults: string[] = [];
  const say = (what: string): void => void faults.push(`${goal.title} (${goal.id}): ${what}`);
  for (const { kind, key, round, error, task } of goal.tasks.filter(({ state }) => state === "failed")) {
    const attempts = task === null ? [] : await world.attempts(task);
    say(`${kind} ${key} of round ${round} failed: ${error ?? "no reason"}; attempts: ${attempts.join(", ")}`);
  }
  if (goal.state !== "complete") {
    say(`is ${goal.state}: ${goal.reason?.text ?? JSON.stringify(goal.tasks)}`);
    return { workTasks: 0, commits: 0, faults };
  }
  const known = goal.tasks.flatMap(({ task }) => task ?? []);
  if (new Set(known).size !== known.length) say("two of its tasks are one task of the queue");
  for (const id of await world.queued(goal.id)) {
    if (!known.includes(id)) say(`task ${id} was submitted and is none of its own`);
  }
  const keys = goal.tasks.map(({ kind, key }) => `${kind} ${key}`);
  if (new Set(keys).size !== keys.length) say(`a task is there twice: ${keys.join(", ")}`);
  const work = goal.tasks.filter(({ kind, state }) => kind === "work" && state === "done");
  const applied = lookAtBranch(world, goal, work, say);
  for (const fault of world.delivered(goal.id)) say(fault);
  return { workTasks: work.length, commits: applied, faults };
}

/** @returns the commits of tasks that its branch has */
function lookAtBranch(
  world: GoalCrashWorld,
  goal: SeenGoal,
  work: SeenGoal["tasks"],
  say: (what: string) => void,
): number {
  const branch = `drover/${goal.id}`;
  const format = "--format=%(trailers:key=Drover-Task,valueonly,separator=%x20)";
  const applied = git(world.repository, "log", format, `main..${branch}`)
    .split("\n")
    .filter((one) => one !== "");
  for (const { task, key } of work) {
    const times = applied.filter((one) => one === task).length;
    if (times !== 1) say(`task ${key} is on its branch ${times} times`);
  }
  if (applied.length !== work.length) say(`its branch has ${applied.length} commits of ${work.length} tasks`);
  const files = git(world.repository, "ls-tree", "--name-only", branch).split("\n");
  if (files.some((file) => file.startsWith("left-"))) say("what its check left is on its branch");
  if (work.some(({ key }) => key === "line")) {
    const lines = git(world.repository, "show", `${branch}:log.txt`).split("\n");
    if (lines.filter((line) => line === goal.title).length !== 1) say(`its line is there as ${lines.join("|")}`);
  }
  return applied.length;
}

/** The node tidies up when it comes to it. */
export async function leftovers(world: GoalCrashWorld, goals: readonly SeenGoal[], limitMs: number) {
  const endMs = realClock.monotonicMs() + limitMs;
  const ids = goals.map(({ id }) => id);
  for (;;) {
    const left = await world.leftovers(ids);
    if (left.length === 0 || realClock.monotonicMs() > endMs) return left;
    await sleep(realClock, LOOK_MS);
  }
}

export function goalCrashText(report: GoalCrashReport): string {
  const { kills, goals, complete, workTasks, commits, tookMs, faults } = report;
  return [
    `${kills.node} kills of the node, ${kills.all} of the node and its workers`,
    `${complete} of ${goals} goals complete; ${workTasks} tasks of work done, ${commits} commits on their branches; ${(tookMs / 1_000).toFixed(1)} s`,
    ...(faults.length === 0 ? ["nothing twice, nothing lost, nothing left"] : faults.map((fault) => `FAULT: ${fault}`)),
  ].join("\n");
}
