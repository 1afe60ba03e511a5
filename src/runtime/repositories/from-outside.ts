import { isUntrusted, ok, parseGoalId, type Result } from "#base";
import type { GoalStore } from "#goals";

/**
 * @param workId of the goal that a branch is named after; a task of its own, or a name that people chose, is of people:
 *   only goals come from outside
 * @returns whether somebody outside asked for it. Of a goal that is not kept any more nobody knows, which counts as yes.
 */
export async function isFromOutside(goals: Pick<GoalStore, "find">, workId: string): Promise<Result<boolean>> {
  const id = parseGoalId(workId);
  if (id === undefined) return ok(false);
  const goal = await goals.find(id);
  return goal.ok ? ok(goal.value === undefined || isUntrusted(goal.value.order.labels)) : goal;
}
