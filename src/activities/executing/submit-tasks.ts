import { describeFailure, err, ok, type Result, type TaskId } from "#base";
import type { GoalTask } from "#goals";
import type { ExecutingParts } from "./ports.ts";

/** Names the submission of one task of a goal, so that it can be repeated after a crash between it and its note. */
function keyOf({ goalId, n, tries }: GoalTask): string {
  return `goal/${goalId}/${n}/${tries}`;
}

/**
 * Puts tasks of a goal into the queue, all or none; those that an earlier try put there are recognised by their key.
 * @returns the rows as they are then: open, or failed when the queue refuses them for good. A failure that may pass is
 *   returned as one.
 */
export async function submitTasks(
  tasks: readonly GoalTask[],
  all: readonly GoalTask[],
  { queue, submissions }: Pick<ExecutingParts, "queue" | "submissions">,
): Promise<Result<readonly GoalTask[]>> {
  const known = await queue.store.transact("look for tasks of a goal", (tx) =>
    ok(new Map(tasks.map((task) => [task.n, tx.idempotent(keyOf(task))?.taskId]))),
  );
  if (!known.ok) return known;
  const fresh = tasks.filter(({ n }) => known.value.get(n) === undefined);
  const ids = new Map<number, TaskId | undefined>(known.value);
  if (fresh.length > 0) {
    const kept = await keptOf(fresh, all, queue);
    if (!kept.ok) return kept;
    const ready = submissions(fresh.map((task) => submissionOf(task, all, fresh, ids, kept.value)));
    const receipts = ready.ok ? await queue.submit(ready.value) : ready;
    if (!receipts.ok) {
      const { error } = receipts;
      if (error.kind === "retryable" || error.code === "limit") return err(error);
      const why = describeFailure(error);
      return ok(fresh.map((task): GoalTask => ({ ...task, state: "failed", error: why })));
    }
    for (const [index, { id }] of receipts.value.entries()) ids.set(fresh[index]?.n ?? 0, id);
  }
  return ok(
    tasks.flatMap((task): readonly GoalTask[] => {
      const taskId = ids.get(task.n);
      return taskId === undefined ? [] : [{ ...task, state: "open", taskId }];
    }),
  );
}

/** @returns those of the tasks before that are done, and still known to the queue */
async function keptOf(
  fresh: readonly GoalTask[],
  all: readonly GoalTask[],
  queue: ExecutingParts["queue"],
): Promise<Result<ReadonlySet<TaskId>>> {
  const wanted = new Set(fresh.flatMap(({ dependsOn }) => dependsOn));
  const done = all.flatMap(({ n, state, taskId }) => (wanted.has(n) && state === "done" ? (taskId ?? []) : []));
  const found = done.length === 0 ? ok([]) : await queue.store.findMany(done);
  return found.ok ? ok(new Set(found.value.map(({ row }) => row.id))) : found;
}

function submissionOf(
  task: GoalTask,
  all: readonly GoalTask[],
  fresh: readonly GoalTask[],
  ids: ReadonlyMap<number, TaskId | undefined>,
  kept: ReadonlySet<TaskId>,
): object {
  const dependsOn = task.dependsOn.flatMap((n): readonly string[] => {
    const other = all.find((one) => one.n === n);
    if (other === undefined) return [];
    // What is done is satisfied, and named so that its changes are there; it may be gone from the queue by now.
    if (other.state === "done") return other.taskId !== null && kept.has(other.taskId) ? [other.taskId] : [];
    if (fresh.some((one) => one.n === n)) return [`n${n}`];
    return [ids.get(n) ?? other.taskId ?? `n${n}`];
  });
  // `as`: written as an object by this program.
  const body = JSON.parse(task.body) as object;
  return { ...body, ref: `n${task.n}`, dependsOn, idempotencyKey: keyOf(task) };
}
