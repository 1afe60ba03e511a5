import { type Clock, err, ok, type Result, refused, type TaskId } from "#base";
import { hasEnded, type NewTask, type QueueEvent, type QueueService, type TaskRecord } from "#queue";

/**
 * Submits tasks and waits until all of them have ended.
 * @param onEvent gets what happens to them meanwhile
 * @returns the tasks in the order given; `timed_out` when some have not ended after `limitMs`
 */
export async function untilEnded(
  queue: QueueService,
  tasks: readonly NewTask[],
  clock: Clock,
  limitMs: number,
  onEvent: (event: QueueEvent) => void = () => undefined,
): Promise<Result<readonly TaskRecord[]>> {
  const ids = tasks.map((task) => task.id);
  const asked = new Set<TaskId>(ids);
  const open = new Set<TaskId>(ids);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const unsubscribe = queue.store.subscribe((events) => {
    for (const event of events) {
      if (event.taskId === null || !asked.has(event.taskId)) continue;
      onEvent(event);
      if (event.kind === "task.redriven") open.add(event.taskId);
      if (event.kind === "task.done" || event.kind === "task.dead" || event.kind === "task.cancelled")
        open.delete(event.taskId);
    }
    if (open.size === 0) resolve(true);
  });
  const timer = clock.after(limitMs, () => resolve(false));
  try {
    const submitted = await queue.submit(tasks);
    if (!submitted.ok) return submitted;
    const inTime = await promise;
    if (!inTime)
      return err(refused("timed_out", `${open.size} of ${ids.length} tasks have not ended after ${limitMs} ms`));
    const records = await queue.store.findMany(ids);
    if (!records.ok) return records;
    return records.value.every(({ row }) => hasEnded(row))
      ? ok(records.value)
      : err(refused("internal", "a task came back to life"));
  } finally {
    timer.cancel();
    unsubscribe();
  }
}
