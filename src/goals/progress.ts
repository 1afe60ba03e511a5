import { type Goal, type GoalTask, hasGoalEnded } from "./goal.ts";

export type GoalProgress = {
  /** Tasks of the work that counts: what was replaced is not among them. */
  readonly tasks: number;
  readonly done: number;
  /** 0 … 1; what is still to be planned counts as one task, and verification as one more. */
  readonly ratio: number;
};

/** How far a goal is. It may fall when failed tasks are planned anew. */
export function progressOf(goal: Goal, tasks: readonly GoalTask[]): GoalProgress {
  const work = tasks.filter(
    ({ kind, state, round }) => kind === "work" && (state === "done" || (state !== "dropped" && round === goal.round)),
  );
  const done = work.filter(({ state }) => state === "done").length;
  if (goal.state === "complete") return { tasks: work.length, done, ratio: 1 };
  const steps = work.length + 1 + (work.length === 0 || (goal.state === "decomposing" && !hasGoalEnded(goal)) ? 1 : 0);
  return { tasks: work.length, done, ratio: done / steps };
}
