/** What every store of goals decides alike. Pure. */
import { canonicalJson, err, type GoalId, type JsonObject, ok, type Result, refused } from "#base";
import type { NewQueueEvent } from "#queue";
import { type Goal, type GoalBudget, type GoalOrder, hasGoalEnded, type NewGoalEvent } from "./goal.ts";
import { MAX_OPEN_GOALS } from "./limits.ts";
import { cancelled } from "./transition.ts";

/** @returns the order as a text that equal orders share. */
export function orderText(order: GoalOrder): string {
  return canonicalJson(order);
}

export function otherOrder(key: string, id: GoalId) {
  const message = `idempotency key "${key}" already names goal ${id} with another content`;
  return refused("conflict", message, "Send the same goal to repeat that submission, or choose a new key");
}

export function tooManyGoals(open: number) {
  const message = `${open} goals have not ended, and at most ${MAX_OPEN_GOALS} may be`;
  return refused("limit", message, "Wait until some have ended, or cancel some: drover goal cancel ID");
}

export function noGoal(id: string) {
  return refused("not_found", `there is no goal ${id}`, "List goals with: drover goal list");
}

export type Changed = { readonly goal: Goal; readonly events: readonly NewGoalEvent[] };

/** @returns the goal after it; the same one when it was cancelled already. */
export function cancelledGoal(goal: Goal, why: string, nowMs: number): Result<Changed> {
  if (goal.state === "cancelled") return ok({ goal, events: [] });
  if (hasGoalEnded(goal)) {
    return err(refused("conflict", `goal ${goal.id} is ${goal.state} and cannot be cancelled`));
  }
  return ok({ goal: cancelled(goal, why, nowMs), events: [{ kind: "cancelled", data: { why } }] });
}

export function resumedGoal(goal: Goal, budget: GoalBudget | null): Result<Changed> {
  if (hasGoalEnded(goal)) {
    return err(refused("conflict", `goal ${goal.id} is ${goal.state} and cannot go on`, "Submit it again"));
  }
  const order = budget === null ? goal.order : { ...goal.order, budget };
  const data: JsonObject = budget === null ? {} : { budget: { ...budget } };
  return ok({ goal: { ...goal, order, paused: null }, events: [{ kind: "resumed", data }] });
}

/** The line of the history of all that a change leaves; undefined when nothing changed that others look for. */
export function announced(before: Goal | undefined, after: Goal, atMs: number): NewQueueEvent | undefined {
  const { id, state, order, paused, reason } = after;
  if (before === undefined) {
    const data = { goal: id, title: order.title, priority: order.priority, channel: order.channel };
    return { atMs, kind: "goal.submitted", taskId: null, data };
  }
  if (before.state === state && before.paused === paused) return undefined;
  const data = {
    goal: id,
    from: before.state,
    state,
    ...(paused === null ? {} : { paused }),
    ...(reason === null ? {} : { code: reason.code, why: reason.text }),
  };
  return { atMs, kind: "goal.changed", taskId: null, data };
}
