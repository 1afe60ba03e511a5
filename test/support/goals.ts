import { type Clock, type GoalId, type IdFactory, type NodeId, ok, type TaskId } from "#base";
import { checkSchema } from "#execution";
import { type Goal, GoalService, type Goals, type GoalTask, MemoryGoalStore } from "#goals";
import type { QueueStore } from "#queue";
import { must } from "./opened-stores.ts";

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

/** Makes a goal one that is executing and whose work is this task of the queue. */
export async function executeAs(goals: Pick<Goals, "store">, id: GoalId, taskId: TaskId): Promise<void> {
  const before = must(await goals.store.find(id));
  if (before === undefined) throw new Error(`there is no goal ${id}`);
  const work: GoalTask = {
    goalId: id,
    n: 1,
    kind: "work",
    round: 1,
    key: "all",
    title: before.order.title,
    body: "{}",
    dependsOn: [],
    state: "open",
    tries: 0,
    taskId,
    reply: null,
    error: null,
    spent: { tokens: 0, costMicrodollars: 0 },
  };
  const goal: Goal = { ...before, state: "executing", round: 1, planBy: "fallback" };
  must(await goals.store.save(before, { goal, tasks: [work], events: [] }, before.createdAtMs));
}
