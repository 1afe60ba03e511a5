import { type Clock, type IdFactory, type NodeId, ok } from "#base";
import { checkSchema } from "#execution";
import { GoalService, MemoryGoalStore } from "#goals";
import type { QueueStore } from "#queue";

/** Goals beside a queue in memory, as they are where they are written. */
export function memoryGoals(parts: {
  readonly queue: Pick<QueueStore, "transact">;
  readonly clock: Clock;
  readonly ids: IdFactory;
  readonly node: NodeId;
}): GoalService {
  const { queue, clock, ids, node } = parts;
  return new GoalService({
    store: new MemoryGoalStore(queue),
    clock,
    ids,
    node,
    check: checkSchema,
    place: () => ok(undefined),
  });
}
