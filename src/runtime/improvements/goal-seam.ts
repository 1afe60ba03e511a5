/** Goals, as improving and contemplating hand them in and hear of them. */
import type { GoalOutcomes, GoalSubmissions } from "#activities";
import { ok, parseGoalId } from "#base";
import { hasGoalEnded } from "#goals";
import type { NodeGoals } from "../goals/open-goals.ts";

export function goalSeam({
  port,
  submissions,
}: Pick<NodeGoals, "port" | "submissions">): GoalSubmissions & GoalOutcomes {
  return {
    submit: async (goal) => {
      // After a crash the same goal may be put in other words, by a later look: then the one that is there counts.
      const known = await port.store.keyed(goal.idempotencyKey);
      if (!known.ok) return known;
      return known.value === undefined ? submissions.submit(goal) : ok({ id: known.value.id, existed: true });
    },
    outcome: async (id) => {
      const goalId = parseGoalId(id);
      if (goalId === undefined) return ok({ state: "failed", detail: `${id} is no goal` });
      const found = await port.store.find(goalId);
      if (!found.ok) return found;
      const goal = found.value;
      if (goal === undefined) return ok({ state: "failed", detail: "nobody knows its goal any more" });
      if (!hasGoalEnded(goal)) return ok(null);
      const state = goal.state === "complete" || goal.state === "cancelled" ? goal.state : "failed";
      return ok({ state, detail: goal.reason?.text ?? goal.delivery?.detail ?? "" });
    },
  };
}
