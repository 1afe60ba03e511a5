import { type Clock, err, ok, type Result, refused, type TaskId } from "#base";
import { hasEnded, type NewTask, type Queue, type QueueEvent, type Receipt, type TaskRecord } from "#queue";

/** What a command that waits ends with when it is asked to stop. */
export const INTERRUPTED = refused("cancelled", "interrupted");

export type UntilEndedOptions = {
  readonly clock: Clock;
  readonly limitMs: number;
  /** Gives up waiting when aborted; the tasks are left as they are. */
  readonly interrupted?: AbortSignal;
  /** Gets what happens to the tasks meanwhile. */
  readonly onEvent?: (event: QueueEvent) => void;
};

/**
 * Submits tasks and waits until all of them have ended.
 * @returns the tasks in the order given, one that an idempotency key names twice only once; `timed_out` when some have
 * not ended after `limitMs`, `cancelled` when interrupted
 */
export async function untilEnded(
  queue: Queue,
  tasks: readonly NewTask[],
  options: UntilEndedOptions,
): Promise<Result<readonly TaskRecord[]>> {
  const { clock, limitMs, interrupted } = options;
  if (interrupted?.aborted === true) return err(INTERRUPTED);
  const { promise, resolve } = Promise.withResolvers<"ended" | "late" | "interrupted">();
  const board = new Board(() => resolve("ended"), options.onEvent);
  const interrupt = (): void => resolve("interrupted");
  // Before the submission: a task may end before its receipt is here.
  const unsubscribe = queue.store.subscribe((events) => board.heard(events));
  const timer = clock.after(limitMs, () => resolve("late"));
  interrupted?.addEventListener("abort", interrupt);
  try {
    const submitted = await queue.submit(tasks);
    if (!submitted.ok) return submitted;
    const ids = [...new Set(submitted.value.map(({ id }) => id))];
    const before = await endedBefore(queue, submitted.value);
    if (!before.ok) return before;
    board.expect(ids, before.value);
    const outcome = await promise;
    if (outcome === "interrupted") return err(INTERRUPTED);
    if (outcome === "late")
      return err(refused("timed_out", `${board.open} of ${ids.length} tasks have not ended after ${limitMs} ms`));
    const records = await queue.store.findMany(ids);
    if (!records.ok) return records;
    return records.value.every(({ row }) => hasEnded(row))
      ? ok(records.value)
      : err(refused("internal", "a task came back to life"));
  } finally {
    interrupted?.removeEventListener("abort", interrupt);
    timer.cancel();
    unsubscribe();
  }
}

/** Tasks that were there already may have ended before anyone listened. */
async function endedBefore(queue: Queue, receipts: readonly Receipt[]): Promise<Result<readonly TaskId[]>> {
  const known = new Set(receipts.filter(({ created }) => !created).map(({ id }) => id));
  if (known.size === 0) return ok([]);
  const records = await queue.store.findMany([...known]);
  return records.ok ? ok(records.value.filter(({ row }) => hasEnded(row)).map(({ row }) => row.id)) : records;
}

/** Which tasks are still open. Keeps what it hears until it knows which tasks are meant. */
class Board {
  readonly #onEnded: () => void;
  readonly #onEvent: (event: QueueEvent) => void;
  readonly #early: QueueEvent[] = [];
  readonly #open = new Set<TaskId>();
  #expected: ReadonlySet<TaskId> | undefined;

  constructor(onEnded: () => void, onEvent: (event: QueueEvent) => void = () => undefined) {
    this.#onEnded = onEnded;
    this.#onEvent = onEvent;
  }

  get open(): number {
    return this.#open.size;
  }

  /** @param ended those of the ids that have ended by now */
  expect(ids: readonly TaskId[], ended: readonly TaskId[]): void {
    this.#expected = new Set(ids);
    for (const id of ids) this.#open.add(id);
    for (const event of this.#early.splice(0)) this.#apply(event, this.#expected);
    for (const id of ended) this.#open.delete(id);
    if (this.#open.size === 0) this.#onEnded();
  }

  heard(events: readonly QueueEvent[]): void {
    if (this.#expected === undefined) {
      this.#early.push(...events);
      return;
    }
    for (const event of events) this.#apply(event, this.#expected);
    if (this.#open.size === 0) this.#onEnded();
  }

  #apply(event: QueueEvent, expected: ReadonlySet<TaskId>): void {
    if (event.taskId === null || !expected.has(event.taskId)) return;
    this.#onEvent(event);
    if (event.kind === "task.redriven") this.#open.add(event.taskId);
    if (event.kind === "task.done" || event.kind === "task.dead" || event.kind === "task.cancelled")
      this.#open.delete(event.taskId);
  }
}
