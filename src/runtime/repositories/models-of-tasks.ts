import { modelsOf } from "#activities";
import { ok, type Result, type TaskId } from "#base";
import type { QueueStore } from "#queue";

/** @returns the models that answered attempts of these tasks; of tasks that are not kept any more nothing is known. */
export async function modelsOfTasks(
  queue: Pick<QueueStore, "findMany">,
  tasks: readonly string[],
): Promise<Result<readonly string[]>> {
  // `as`: ids that the node wrote into commits; of what is no id nothing is found.
  const found = await queue.findMany(tasks as readonly TaskId[]);
  return found.ok ? ok(modelsOf(found.value)) : found;
}
