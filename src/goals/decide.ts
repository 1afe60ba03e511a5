/**
 * What is to be done next for one goal, from what the store and the queue show of it. Pure and level-triggered: it is
 * asked again after each step, and after a crash as well, so it remembers nothing. Each step is one change of the store,
 * or one call elsewhere that may be repeated.
 */
import type { NodeId, TaskId } from "#base";
import type { TaskState } from "#queue";
import {
  type Goal,
  type GoalReason,
  type GoalTask,
  type GoalVerdict,
  hasGoalEnded,
  type NewGoalEvent,
  type Spent,
} from "./goal.ts";
import { readJudgement } from "./judgement.ts";
import { MAX_ASKS, MAX_GOAL_TASKS, MAX_ROUNDS, MAX_SHOWN_ERROR_CHARS } from "./limits.ts";
import { fallbackPlan, type Plan, readPlan, type Vocabulary } from "./plan.ts";
import type { PlanQuestion, RepositoryDescription } from "./prompts.ts";
import { checkTask, judgeTask, nextN, planTask, workTasks } from "./task-bodies.ts";
import { asking, complete, failed, judged, overBudget, planned, planning, spentOf, verifying } from "./transition.ts";

/** A task of the queue, as far as its goal has to know. */
export type SeenTask = {
  readonly state: TaskState;
  /** Why it failed, for a person and for the model that plans anew. */
  readonly error: string | null;
  /** What the model said last. */
  readonly reply: string | null;
  readonly spent: Spent;
};

export type GoalFacts = {
  readonly nowMs: number;
  /** By id; what is not there is gone from the queue. */
  readonly seen: ReadonlyMap<TaskId, SeenTask>;
  /** Whether another goal may be begun. */
  readonly mayBegin: boolean;
  /** Of the goal's repository; null where it has none. */
  readonly repository: RepositoryDescription | null;
  readonly vocabulary: Vocabulary;
  /** Tier of the tasks that plan and judge. */
  readonly tier: string;
  /** Where a goal works that begins or moves; null where any node will do. */
  readonly home: { readonly node: NodeId; readonly folder: string } | null;
  /** Why the folder in which the goal works is not to be had any more; undefined while it is, or may be again. */
  readonly homeLost: string | undefined;
};

/** Everything that one commit changes. Rows are put by their number. */
export type GoalChange = {
  readonly goal: Goal;
  readonly tasks: readonly GoalTask[];
  readonly events: readonly NewGoalEvent[];
};

export type GoalStep =
  | { readonly kind: "wait" }
  /** Nothing is left to be done. */
  | { readonly kind: "settled" }
  | { readonly kind: "change"; readonly change: GoalChange }
  /** Put these into the queue, all at once, and note their ids. */
  | { readonly kind: "submit"; readonly tasks: readonly GoalTask[] }
  /** Take these out of the queue, then make the change. */
  | { readonly kind: "cancel"; readonly tasks: readonly GoalTask[]; readonly change: GoalChange }
  | { readonly kind: "deliver" };

export function decide(goal: Goal, tasks: readonly GoalTask[], facts: GoalFacts): GoalStep {
  if (hasGoalEnded(goal)) return sweep(goal, tasks);
  const ended = noteEnds(goal, tasks, facts);
  if (ended !== undefined) return ended;
  if (facts.homeLost !== undefined) return leaveHome(goal, tasks, facts.homeLost, facts);
  const over = overBudget(goal);
  if (over !== undefined && goal.paused === null) return stopForBudget(goal, over, facts.nowMs);
  if (goal.paused !== null) return holdBack(goal, tasks, facts);
  switch (goal.state) {
    case "submitted":
      return facts.mayBegin ? begin(goal, facts) : { kind: "wait" };
    case "decomposing":
      return decompose(goal, tasks, facts);
    case "executing":
      return execute(goal, tasks, facts);
    case "verifying":
      return verify(goal, tasks, facts);
    case "complete":
    case "failed":
    case "cancelled":
      return { kind: "settled" };
  }
}

function change(goal: Goal, tasks: readonly GoalTask[], ...events: readonly NewGoalEvent[]): GoalStep {
  return { kind: "change", change: { goal, tasks, events } };
}

/** What an ended goal still has in the queue is taken out; what was never submitted is given up. */
function sweep(goal: Goal, tasks: readonly GoalTask[]): GoalStep {
  const left = tasks.filter(({ state }) => state === "open" || state === "planned");
  if (left.length === 0) return { kind: "settled" };
  const dropped = left.map((task): GoalTask => ({ ...task, state: "dropped" }));
  const open = left.filter(({ taskId }) => taskId !== null);
  return { kind: "cancel", tasks: open, change: { goal, tasks: dropped, events: [] } };
}

/** Takes up what ended in the queue, and what it cost. */
function noteEnds(goal: Goal, tasks: readonly GoalTask[], { seen }: GoalFacts): GoalStep | undefined {
  const news = tasks.flatMap((task): readonly GoalTask[] => {
    if (task.state !== "open" || task.taskId === null) return [];
    const found = seen.get(task.taskId);
    if (found === undefined) return [{ ...task, state: "failed", error: "its task is gone from the queue" }];
    switch (found.state) {
      case "waiting":
      case "ready":
      case "running":
        return grown(found.spent, task.spent) ? [{ ...task, spent: found.spent }] : [];
      case "done":
        return [{ ...task, state: "done", error: null, reply: replyOf(task, found), spent: found.spent }];
      case "dead":
      case "cancelled":
        return [{ ...task, state: "failed", error: found.error, reply: replyOf(task, found), spent: found.spent }];
    }
  });
  if (news.length === 0) return undefined;
  const changed = new Map(news.map((task) => [task.n, task]));
  const spent = spentOf(tasks.map((task) => changed.get(task.n) ?? task));
  const events = news.flatMap(({ key, state, error, taskId }) =>
    state === "open"
      ? []
      : [{ kind: `task.${state}`, data: { key, task: taskId, ...(error === null ? {} : { error }) } }],
  );
  return change({ ...goal, spent }, news, ...events);
}

function grown(now: Spent, before: Spent): boolean {
  return now.tokens > before.tokens || now.costMicrodollars > before.costMicrodollars;
}

function replyOf({ kind }: GoalTask, { reply }: SeenTask): string | null {
  return kind === "plan" || kind === "judge" ? reply : null;
}

function stopForBudget(goal: Goal, text: string, nowMs: number): GoalStep {
  if (goal.order.onBudget === "fail") return fail(goal, { code: "budget", text }, nowMs);
  return change({ ...goal, paused: text }, [], { kind: "paused", data: { why: text } });
}

/**
 * Nothing was done there yet: it moves. Else what was done is gone with the folder, and nobody may think it is there: it
 * is done anew from the main branch of its repository, or given up.
 */
function leaveHome(goal: Goal, tasks: readonly GoalTask[], why: string, { nowMs, home }: GoalFacts): GoalStep {
  const hasRounds = goal.state === "decomposing" || goal.round < MAX_ROUNDS;
  const hasWork = tasks.some(({ kind }) => kind !== "plan");
  // Of a repository the main branch is still there, so its work can be done once more.
  if (hasWork && (goal.order.repository === null || !hasRounds))
    return fail(goal, { code: "home_lost", text: `${why}; hand the goal in again` }, nowMs);
  const lost = tasks.filter(({ kind, state }) => kind === "work" && state === "done");
  const open =
    goal.order.repository === null ? [] : tasks.filter(({ state }) => state === "open" || state === "planned");
  const gone = [
    ...lost.map((task): GoalTask => ({ ...task, state: "failed", error: `what it changed is lost: ${why}` })),
    ...open.map((task): GoalTask => ({ ...task, state: "dropped" })),
  ];
  const again =
    hasWork && goal.state !== "decomposing"
      ? planning(goal, nowMs)
      : { ...goal, asks: Math.min(goal.asks, MAX_ASKS - 1) };
  const data = { why, node: home?.node ?? null, lost: lost.map(({ title }) => title) };
  const moved = { goal: { ...again, home }, tasks: gone, events: [{ kind: "moved", data }] };
  const inQueue = open.filter(({ taskId }) => taskId !== null);
  return inQueue.length === 0 ? { kind: "change", change: moved } : { kind: "cancel", tasks: inQueue, change: moved };
}

/** What has not begun is taken back; what runs may end. */
function holdBack(goal: Goal, tasks: readonly GoalTask[], { seen }: GoalFacts): GoalStep {
  const idle = tasks.filter(({ state, taskId }) => {
    const at = taskId === null ? undefined : seen.get(taskId)?.state;
    return state === "open" && (at === "waiting" || at === "ready");
  });
  if (idle.length === 0) return { kind: "wait" };
  const back = idle.map((task): GoalTask => ({ ...task, state: "planned", taskId: null, tries: task.tries + 1 }));
  return { kind: "cancel", tasks: idle, change: { goal, tasks: back, events: [] } };
}

function fail(goal: Goal, reason: GoalReason, nowMs: number): GoalStep {
  const after = failed(goal, reason, nowMs);
  return change(after, [], { kind: "failed", data: { code: reason.code, why: reason.text } });
}

function begin(goal: Goal, { nowMs, home }: GoalFacts): GoalStep {
  const after = { ...planning(goal, nowMs), home };
  return change(after, [], { kind: "begun", data: { round: after.round } });
}

function decompose(goal: Goal, tasks: readonly GoalTask[], facts: GoalFacts): GoalStep {
  const last = tasks
    .filter(({ kind, round, state }) => kind === "plan" && round === goal.round && state !== "dropped")
    .at(-1);
  if (last?.state === "planned") return { kind: "submit", tasks: [last] };
  if (last?.state === "open") return { kind: "wait" };
  const open = workOf(goal, tasks);
  const doneKeys = new Map(open.done.map(({ key, n }) => [key, n]));
  if (last === undefined) return askForPlan(goal, tasks, null, facts);
  if (last.state === "failed" || last.reply === null) {
    return acceptPlan(goal, tasks, fallbackPlan(goal, open.failed.map(failedText)), "fallback", facts, [
      last.error ?? "the model said nothing",
    ]);
  }
  const files = facts.repository?.isWhole === true ? new Set(facts.repository.files) : undefined;
  const plan = readPlan(last.reply, facts.vocabulary, { files, doneKeys: [...doneKeys.keys()] });
  if (plan.ok) return acceptPlan(goal, tasks, plan.value, "model", facts, []);
  if (goal.asks < MAX_ASKS) return askForPlan(goal, tasks, { reply: last.reply, faults: plan.error }, facts);
  const instead = fallbackPlan(goal, open.failed.map(failedText));
  return acceptPlan(goal, tasks, instead, "fallback", facts, plan.error);
}

/** Work of all rounds that counts: what failed before the last round was replaced by it. */
function workOf(goal: Goal, tasks: readonly GoalTask[]) {
  const work = tasks.filter(({ kind }) => kind === "work");
  const before = tasks.filter(({ kind }) => kind === "work" || kind === "check" || kind === "judge");
  return {
    done: work.filter(({ state }) => state === "done"),
    failed: before.filter(({ state, round }) => state === "failed" && round === goal.round - 1),
  };
}

function failedText({ title, error }: Pick<GoalTask, "title" | "error">): string {
  return `- ${title}: ${(error ?? "no reason is known").slice(0, MAX_SHOWN_ERROR_CHARS)}`;
}

function askForPlan(
  goal: Goal,
  tasks: readonly GoalTask[],
  refused: PlanQuestion["refused"],
  { repository, vocabulary, tier }: GoalFacts,
): GoalStep {
  const { done, failed } = workOf(goal, tasks);
  const after = asking(goal);
  const question = { goal: after, repository, vocabulary, done, failed, refused };
  const task = planTask(after, tasks, tier, question);
  const event =
    refused === null
      ? { kind: "asked", data: { round: goal.round } }
      : { kind: "asked.again", data: { round: goal.round, faults: refused.faults } };
  return change(after, [task], event);
}

function acceptPlan(
  goal: Goal,
  tasks: readonly GoalTask[],
  plan: Plan,
  by: NonNullable<Goal["planBy"]>,
  { nowMs }: GoalFacts,
  why: readonly string[],
): GoalStep {
  if (tasks.length + plan.tasks.length > MAX_GOAL_TASKS) {
    return fail(goal, { code: "tasks_failed", text: `it would have more than ${MAX_GOAL_TASKS} tasks` }, nowMs);
  }
  const doneKeys = new Map(workOf(goal, tasks).done.map(({ key, n }) => [key, n]));
  const after = planned(goal, by);
  const work = workTasks(after, nextN(tasks), plan, doneKeys);
  const data = { round: goal.round, by, tasks: work.map(({ key, title }) => `${key}: ${title}`) };
  return change(after, work, { kind: "planned", data: why.length === 0 ? data : { ...data, why } });
}

function execute(goal: Goal, tasks: readonly GoalTask[], facts: GoalFacts): GoalStep {
  const present = tasks.filter(({ kind, round }) => kind === "work" && round === goal.round);
  const stranded = present.filter((task) => task.state === "planned" && brokenBelow(task, tasks) !== undefined);
  if (stranded.length > 0) {
    return change(
      goal,
      stranded.map((task): GoalTask => ({ ...task, state: "failed", error: brokenBelow(task, tasks) ?? null })),
    );
  }
  const toSubmit = present.filter(({ state }) => state === "planned");
  if (toSubmit.length > 0) return { kind: "submit", tasks: toSubmit };
  if (present.some(({ state }) => state === "open")) return { kind: "wait" };
  const broken = present.filter(({ state }) => state === "failed");
  if (broken.length > 0) return again(goal, "tasks_failed", broken.map(failedText), facts);
  return change(verifying(goal), [], { kind: "verifying", data: { round: goal.round } });
}

/** Taken back from the queue while what it depends on ran, and failed. */
function brokenBelow({ dependsOn }: GoalTask, tasks: readonly GoalTask[]): string | undefined {
  const broken = tasks.find(({ n, state }) => dependsOn.includes(n) && (state === "failed" || state === "dropped"));
  return broken === undefined ? undefined : `it depends on "${broken.title}", which failed`;
}

/** Another round for what failed, or the end. */
function again(goal: Goal, code: GoalReason["code"], why: readonly string[], { nowMs }: GoalFacts): GoalStep {
  if (goal.round >= MAX_ROUNDS) {
    const text = `after ${goal.round} plans:\n${why.join("\n")}`;
    return fail(goal, { code, text }, nowMs);
  }
  const after = planning(goal, nowMs);
  return change(after, [], { kind: "planned.anew", data: { round: after.round, why } });
}

function verify(goal: Goal, tasks: readonly GoalTask[], facts: GoalFacts): GoalStep {
  if (goal.verdict !== null) return finish(goal, facts);
  const { verify: checks, successCriteria } = goal.order;
  if (checks.length > 0) return check(goal, tasks, facts);
  if (successCriteria.length > 0) return judge(goal, tasks, facts);
  return verdict(goal, { by: "tasks", criteria: [] });
}

function verdict(goal: Goal, found: GoalVerdict): GoalStep {
  return change(judged(goal, found), [], { kind: "verified", data: { by: found.by } });
}

function finish(goal: Goal, { nowMs }: GoalFacts): GoalStep {
  const { delivery } = goal;
  if (goal.order.repository !== null && delivery === null) return { kind: "deliver" };
  if (delivery?.outcome === "blocked") return fail(goal, { code: "delivery", text: delivery.detail }, nowMs);
  return change(complete(goal, nowMs), [], { kind: "complete", data: { by: goal.verdict?.by ?? "tasks" } });
}

function check(goal: Goal, tasks: readonly GoalTask[], facts: GoalFacts): GoalStep {
  const last = tasks.find(({ kind, round }) => kind === "check" && round === goal.round);
  if (last === undefined) return change(goal, [checkTask(goal, tasks)]);
  switch (last.state) {
    case "planned":
      return { kind: "submit", tasks: [last] };
    case "open":
      return { kind: "wait" };
    case "done": {
      const why = "the goal's checks passed";
      const criteria = goal.order.successCriteria.map((criterion) => ({ criterion, met: true, why }));
      return verdict(goal, { by: "checks", criteria });
    }
    case "failed":
    case "dropped":
      return again(goal, "not_verified", [failedText(last)], facts);
  }
}

function judge(goal: Goal, tasks: readonly GoalTask[], facts: GoalFacts): GoalStep {
  const last = tasks.filter(({ kind, round }) => kind === "judge" && round === goal.round).at(-1);
  if (last === undefined) return askForJudgement(goal, tasks, null, facts);
  if (last.state === "planned") return { kind: "submit", tasks: [last] };
  if (last.state === "open") return { kind: "wait" };
  if (last.state !== "done" || last.reply === null) {
    return fail(goal, { code: "not_judged", text: last.error ?? "the model said nothing" }, facts.nowMs);
  }
  const found = readJudgement(last.reply, goal.order.successCriteria);
  if (!found.ok) {
    if (goal.asks < MAX_ASKS) {
      return askForJudgement(goal, tasks, { reply: last.reply, faults: found.error }, facts);
    }
    return fail(goal, { code: "not_judged", text: found.error.join("; ") }, facts.nowMs);
  }
  const missed = found.value.filter(({ met }) => !met);
  if (missed.length === 0) return verdict(goal, { by: "model", criteria: found.value });
  // As the failure of this judgement, so that the next plan is told what is missing.
  const error = missed.map(({ criterion, why }) => `not met: ${criterion} (${why})`).join("; ");
  const told: GoalTask = { ...last, state: "failed", error };
  const next = again(goal, "not_verified", [failedText(told)], facts);
  return next.kind === "change" ? { kind: "change", change: { ...next.change, tasks: [told] } } : next;
}

function askForJudgement(
  goal: Goal,
  tasks: readonly GoalTask[],
  refused: PlanQuestion["refused"],
  facts: GoalFacts,
): GoalStep {
  const after = asking(goal);
  return change(after, [judgeTask(after, tasks, refused, facts.tier)], {
    kind: refused === null ? "judging" : "judging.again",
    data: { round: goal.round },
  });
}
