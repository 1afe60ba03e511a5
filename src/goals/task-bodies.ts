/** The tasks of a goal as submissions to the queue. Pure. */
import { isUntrusted, type JsonObject } from "#base";
import { LANES } from "#queue";
import { type Goal, type GoalTask, type GoalTaskKind, NOTHING_SPENT } from "./goal.ts";
import { MAX_TITLE_CHARS } from "./limits.ts";
import type { Plan, PlanTask } from "./plan.ts";
import { judgePrompt, OUTSIDE_NOTE, type PlanQuestion, planPrompt } from "./prompts.ts";

/** Label under which the queue knows whose a task is, and for what. */
export const GOAL_LABEL = "drover.goal";
const MIND_LABEL = "drover.mind";
/** A requirement that only the named node meets: it has the folder that a goal works in. */
export const NODE_LABEL = "drover.node";
/** A plan that two workers could not bring is not brought by a third. */
const ASK_ATTEMPTS = 2;
/** Checks are deterministic; a second run tells a slow machine from a wrong result. */
const CHECK_ATTEMPTS = 2;

/** Of tasks that only look at what the work left: the branch has the changes of the work, and no others. */
const LOOKS_ONLY = { changes: "discard" } as const;

type NewTask = Pick<GoalTask, "kind" | "key" | "title" | "dependsOn"> & { readonly body: JsonObject };

function row(goal: Goal, n: number, task: NewTask): GoalTask {
  return {
    goalId: goal.id,
    n,
    round: goal.round,
    state: "planned",
    tries: 0,
    taskId: null,
    reply: null,
    error: null,
    spent: NOTHING_SPENT,
    ...task,
    title: task.title.slice(0, MAX_TITLE_CHARS),
    body: JSON.stringify(task.body),
  };
}

export function nextN(tasks: readonly GoalTask[]): number {
  return (tasks.at(-1)?.n ?? 0) + 1;
}

/** What every task of a goal has. */
function common(goal: Goal, kind: GoalTaskKind): JsonObject {
  const what = kind === "work" ? "goal" : `goal-${kind}`;
  // A plan holds up everything that follows from it, so it goes before work of its own lane's kind.
  const lane = kind === "work" ? goal.order.priority : LANES[Math.max(0, LANES.indexOf(goal.order.priority) - 1)];
  return {
    lane: lane ?? goal.order.priority,
    goal: goal.id,
    labels: { ...goal.order.labels, [GOAL_LABEL]: goal.id, [MIND_LABEL]: what },
  };
}

/** Where a task works that is to see what the others left. */
function place(goal: Goal): JsonObject {
  if (goal.order.workspace !== null) return { workspace: goal.order.workspace };
  const requires = goal.home === null ? {} : { requires: { labels: { [NODE_LABEL]: goal.home.node } } };
  if (goal.order.repository !== null) return { repo: goal.order.repository, ...requires };
  return goal.home === null ? {} : { workspace: goal.home.folder, ...requires };
}

/**
 * Whoever looks at a branch is to see everything that was done on it, wherever that was.
 * @returns the numbers of the work that is done
 */
function doneOnBranch(goal: Goal, tasks: readonly GoalTask[]): readonly number[] {
  if (goal.order.repository === null) return [];
  return tasks.flatMap(({ kind, state, n }) => (kind === "work" && state === "done" ? [n] : []));
}

export function planTask(goal: Goal, tasks: readonly GoalTask[], tier: string, question: PlanQuestion): GoalTask {
  const body = {
    ...common(goal, "plan"),
    title: `plan: ${goal.order.title}`.slice(0, MAX_TITLE_CHARS),
    executor: "auto",
    prompt: said(goal, planPrompt(question)),
    tier,
    maxAttempts: ASK_ATTEMPTS,
    // It may look into the files; without a repository there is nothing to see yet, and any node will do.
    ...(goal.order.repository === null ? {} : { ...place(goal), ...LOOKS_ONLY }),
  };
  const key = `plan-${goal.round}-${goal.asks}`;
  const dependsOn = doneOnBranch(goal, tasks);
  return row(goal, nextN(tasks), { kind: "plan", key, title: body.title, dependsOn, body });
}

/**
 * @param doneKeys key → number of tasks that are done
 * Tasks that share a branch run one after another, in the order of the plan.
 */
export function workTasks(
  goal: Goal,
  firstN: number,
  plan: Plan,
  doneKeys: ReadonlyMap<string, number>,
): readonly GoalTask[] {
  const numbers = new Map(doneKeys);
  return plan.tasks.map((task, index) => {
    const n = firstN + index;
    const named = task.dependsOn.flatMap((key) => numbers.get(key) ?? []);
    const before = goal.order.repository === null ? [] : index > 0 ? [n - 1] : [...doneKeys.values()];
    numbers.set(task.key, n);
    const dependsOn = [...new Set([...named, ...before])].sort((a, b) => a - b);
    const body = { ...common(goal, "work"), ...place(goal), ...work(goal, task) };
    return row(goal, n, { kind: "work", key: task.key, title: task.title, dependsOn, body });
  });
}

/** Also of a prompt that a model wrote: it had read what came from outside. */
function said({ order }: Goal, prompt: string): string {
  return isUntrusted(order.labels) ? `${OUTSIDE_NOTE}\n\n${prompt}` : prompt;
}

function work(goal: Goal, task: PlanTask): JsonObject {
  return {
    title: task.title,
    executor: task.executor,
    ...(task.prompt === null ? {} : { prompt: said(goal, task.prompt) }),
    ...(task.command === null ? {} : { command: task.command }),
    ...(task.files.length === 0 ? {} : { context: { files: task.files } }),
    ...(task.tier === null ? {} : { tier: task.tier }),
    ...(task.successCriteria.length === 0 ? {} : { successCriteria: task.successCriteria }),
    verify: task.verify,
  };
}

export function checkTask(goal: Goal, tasks: readonly GoalTask[]): GoalTask {
  const title = `check: ${goal.order.title}`.slice(0, MAX_TITLE_CHARS);
  const body = {
    ...common(goal, "check"),
    ...place(goal),
    ...LOOKS_ONLY,
    title,
    executor: "shell",
    command: ["true"],
    verify: goal.order.verify,
    maxAttempts: CHECK_ATTEMPTS,
  };
  const dependsOn = doneOnBranch(goal, tasks);
  return row(goal, nextN(tasks), { kind: "check", key: `check-${goal.round}`, title, dependsOn, body });
}

export function judgeTask(
  goal: Goal,
  tasks: readonly GoalTask[],
  refused: PlanQuestion["refused"],
  tier: string,
): GoalTask {
  const title = `judge: ${goal.order.title}`.slice(0, MAX_TITLE_CHARS);
  const body = {
    ...common(goal, "judge"),
    ...place(goal),
    ...LOOKS_ONLY,
    title,
    executor: "auto",
    prompt: said(goal, judgePrompt(goal, tasks, refused)),
    tier,
    maxAttempts: ASK_ATTEMPTS,
  };
  const key = `judge-${goal.round}-${goal.asks}`;
  return row(goal, nextN(tasks), { kind: "judge", key, title, dependsOn: doneOnBranch(goal, tasks), body });
}
