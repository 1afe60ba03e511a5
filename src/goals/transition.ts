/**
 * The life of a goal, one row at a time. Pure.
 *
 * - G1: a state changes only along {@link WAYS}.
 * - G2: a goal that has ended never changes its state, and exactly those have `endedAtMs`.
 * - G3: exactly failed and cancelled goals have a reason.
 * - G4: a goal is planned at most {@link MAX_ROUNDS} times; nothing is planned of one that was only submitted.
 * - G5: a goal is complete only with a verdict that says of every criterion that it is met.
 * - G6: at most {@link MAX_ASKS} replies are asked for, in each round and for each purpose.
 * - G7: a task depends only on tasks of its goal with a smaller number, so no circle can be.
 * - G8: of a goal that is paused or has ended, no task is submitted.
 * - G9: what was spent never falls.
 * - G10: only what failed is planned anew: a task that is done stays done, unless the one node that has what it changed
 *   is gone.
 */
import { assert, type GoalId } from "#base";
import {
  type Goal,
  type GoalOrder,
  type GoalReason,
  type GoalState,
  type GoalTask,
  type GoalVerdict,
  hasGoalEnded,
  NOTHING_SPENT,
  type Spent,
} from "./goal.ts";
import { MAX_ASKS, MAX_REASON_CHARS, MAX_ROUNDS } from "./limits.ts";

/** State → the states that may follow. */
export const WAYS: Readonly<Record<GoalState, readonly GoalState[]>> = {
  submitted: ["decomposing", "failed", "cancelled"],
  decomposing: ["executing", "failed", "cancelled"],
  executing: ["verifying", "decomposing", "failed", "cancelled"],
  verifying: ["complete", "decomposing", "failed", "cancelled"],
  complete: [],
  failed: [],
  cancelled: [],
};

export function submitted(id: GoalId, order: GoalOrder, nowMs: number): Goal {
  return {
    id,
    order,
    state: "submitted",
    revision: 1,
    home: null,
    round: 0,
    asks: 0,
    planBy: null,
    paused: null,
    reason: null,
    spent: NOTHING_SPENT,
    verdict: null,
    delivery: null,
    deliveryTries: 0,
    createdAtMs: nowMs,
    startedAtMs: null,
    endedAtMs: null,
  };
}

function to(goal: Goal, state: GoalState): Goal {
  assert(WAYS[goal.state].includes(state), `G1: ${goal.id} goes from ${goal.state} to ${state}`);
  return { ...goal, state };
}

/** Begins a round of planning: the first, or one of what failed. */
export function planning(goal: Goal, nowMs: number): Goal {
  assert(goal.round < MAX_ROUNDS, `G4: ${goal.id} is planned more than ${MAX_ROUNDS} times`);
  return {
    ...to(goal, "decomposing"),
    round: goal.round + 1,
    asks: 0,
    planBy: null,
    verdict: null,
    startedAtMs: goal.startedAtMs ?? nowMs,
  };
}

/** One more reply is asked for. */
export function asking(goal: Goal): Goal {
  assert(goal.asks < MAX_ASKS, `G6: ${goal.id} asks more than ${MAX_ASKS} times`);
  return { ...goal, asks: goal.asks + 1 };
}

export function planned(goal: Goal, planBy: NonNullable<Goal["planBy"]>): Goal {
  return { ...to(goal, "executing"), planBy };
}

export function verifying(goal: Goal): Goal {
  return { ...to(goal, "verifying"), asks: 0 };
}

export function judged(goal: Goal, verdict: GoalVerdict): Goal {
  assert(goal.state === "verifying", `G5: ${goal.id} is judged while it is ${goal.state}`);
  return { ...goal, verdict };
}

export function complete(goal: Goal, nowMs: number): Goal {
  assert(goal.verdict?.criteria.every(({ met }) => met) === true, `G5: ${goal.id} is complete without a verdict`);
  return { ...to(goal, "complete"), endedAtMs: nowMs, paused: null };
}

export function failed(goal: Goal, reason: GoalReason, nowMs: number): Goal {
  return { ...to(goal, "failed"), reason: bounded(reason), endedAtMs: nowMs, paused: null };
}

export function cancelled(goal: Goal, text: string, nowMs: number): Goal {
  const reason = bounded({ code: "cancelled", text });
  return { ...to(goal, "cancelled"), reason, endedAtMs: nowMs, paused: null };
}

function bounded({ code, text }: GoalReason): GoalReason {
  return { code, text: text.slice(0, MAX_REASON_CHARS) };
}

/** @returns what a goal and its tasks break, in words; empty when all invariants hold. */
export function goalViolations(goal: Goal, tasks: readonly GoalTask[] = []): readonly string[] {
  const ended = hasGoalEnded(goal);
  const numbers = new Set(tasks.map(({ n }) => n));
  const broken: readonly (readonly [boolean, string])[] = [
    [ended !== (goal.endedAtMs !== null), "G2: exactly an ended goal has the instant of its end"],
    [(goal.reason !== null) !== (goal.state === "failed" || goal.state === "cancelled"), "G3: a reason"],
    [goal.round > MAX_ROUNDS, "G4: rounds"],
    [goal.round === 0 && goal.state !== "submitted" && !ended, "G4: it goes on without a round"],
    [goal.state === "submitted" && goal.round !== 0, "G4: a round before it was begun"],
    [goal.state === "complete" && goal.verdict?.criteria.every(({ met }) => met) !== true, "G5: a verdict"],
    [goal.asks > MAX_ASKS, "G6: asks"],
    [tasks.some(({ n, dependsOn }) => dependsOn.some((other) => other >= n || !numbers.has(other))), "G7: forward"],
    [goal.paused !== null && ended, "G8: paused after its end"],
  ];
  return broken.flatMap(([isBroken, what]) => (isBroken ? [`${goal.id}: ${what}`] : []));
}

export function spentOf(tasks: readonly Pick<GoalTask, "spent">[]): Spent {
  return tasks.reduce(
    (sum, { spent }) => ({
      tokens: sum.tokens + spent.tokens,
      costMicrodollars: sum.costMicrodollars + spent.costMicrodollars,
    }),
    NOTHING_SPENT,
  );
}

/** @returns why nothing more may be spent; undefined while there is budget. */
export function overBudget({ order, spent }: Pick<Goal, "order" | "spent">): string | undefined {
  const { tokens, costMicrodollars } = order.budget;
  if (tokens !== null && spent.tokens >= tokens) return `its budget of ${tokens} tokens is used up: ${spent.tokens}`;
  if (costMicrodollars !== null && spent.costMicrodollars >= costMicrodollars) {
    return `its budget of $${dollars(costMicrodollars)} is used up: $${dollars(spent.costMicrodollars)}`;
  }
  return undefined;
}

function dollars(microdollars: number): string {
  return (microdollars / 1_000_000).toFixed(2);
}
