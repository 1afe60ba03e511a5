/** Tasks that nobody can carry out now: of all nodes that may get work, each lacks something that they need. */
import { ok, type Result, type TaskId } from "#base";
import type { GoalTask } from "#goals";
import type { QueueStore } from "#queue";
import { absenceRemedy, type NodeOffer, unmetRequirements } from "./requirements.ts";

/** Nodes that are named in one text; who wants all of them asks for the explanation of the task. */
const MAX_NAMED = 3;

export type Lack = { readonly text: string; readonly remedy: string | null };

/** @returns why no node can run tasks with these requirements; null where one can. */
export function lackOf(requirements: string, offers: readonly NodeOffer[]): Lack | null {
  const lacking = offers.map((offer) => ({ offer, lacks: unmetRequirements(requirements, offer) }));
  if (lacking.some(({ lacks }) => lacks.length === 0)) return null;
  const named = lacking.slice(0, MAX_NAMED).map(({ offer, lacks }) => `${offer.name}: ${lacks.join(", ")}`);
  const text = named.length === 0 ? "no node can run it: there is none" : `no node can run it (${named.join("; ")})`;
  const remedies = offers.map((offer) => absenceRemedy(requirements, offer)).filter((one) => one !== undefined);
  const usual = "Add a node that has it, or submit the task with other requirements";
  return { text, remedy: remedies.length === 0 ? usual : (remedies[0] ?? null) };
}

/**
 * @param tasks of one goal
 * @returns the first of its tasks that are ready and that no node can run, and why; null where none is held so.
 */
export function heldOf(
  store: Pick<QueueStore, "transact">,
  tasks: readonly Pick<GoalTask, "state" | "taskId">[],
  offers: readonly NodeOffer[],
): Promise<Result<(Lack & { readonly task: TaskId }) | null>> {
  const open = tasks.flatMap(({ state, taskId }) => (state === "open" && taskId !== null ? [taskId] : []));
  if (open.length === 0) return Promise.resolve(ok(null));
  return store.transact("look for tasks that no node can run", (tx) => {
    const classes = tx.classes();
    for (const task of open) {
      const row = tx.task(task);
      if (row?.state !== "ready") continue;
      const lack = lackOf(classes.get(row.classId) ?? "", offers);
      if (lack !== null) return ok({ ...lack, task });
    }
    return ok(null);
  });
}
