import { err, ok, parseGoalId, type Result } from "#base";
import { MAX_GOAL_EVENTS, noGoal } from "#goals";
import { fleetOffers } from "./fleet-view.ts";
import { type WholeGoalView, wholeGoalView } from "./goal-view.ts";
import { heldOf } from "./held-tasks.ts";
import type { ApiPorts } from "./ports.ts";

/** @returns a goal with everything that is known of it. */
export async function findGoal(ports: ApiPorts, given: string): Promise<Result<WholeGoalView>> {
  const { store } = ports.goals;
  const id = parseGoalId(given);
  if (id === undefined) return err(noGoal(given.slice(0, 64)));
  const goal = await store.find(id);
  if (!goal.ok) return goal;
  if (goal.value === undefined) return err(noGoal(id));
  const tasks = await store.tasks(id);
  if (!tasks.ok) return tasks;
  const events = await store.events(id, 0, MAX_GOAL_EVENTS);
  if (!events.ok) return events;
  const held = await heldOf(ports.queue.store, tasks.value, fleetOffers(ports));
  if (!held.ok) return held;
  return ok(wholeGoalView(goal.value, tasks.value, events.value, held.value));
}
