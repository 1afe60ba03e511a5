import { err, ok, type Result, refused, type TaskId } from "#base";
import type { NewTask, QueueStore } from "#queue";
import type { Outbox } from "./ports.ts";

/** Submissions of the outbox that are looked through. */
const MAX_LOOKED = 1_000;

/**
 * Idempotency keys that this node has seen, by its outbox or its replica: whoever repeats a submission gets the task that
 * the key names already, also while the hub is away and could not say so.
 * @returns for each such task the one that its key names; refused when the key names another body
 */
export async function repeatedSubmissions(
  { outbox, store }: { readonly outbox: Outbox; readonly store: QueueStore },
  tasks: readonly NewTask[],
): Promise<Result<ReadonlyMap<TaskId, TaskId>>> {
  const keyed = tasks.flatMap((task) => (task.idempotencyKey === null ? [] : [{ task, key: task.idempotencyKey }]));
  if (keyed.length === 0) return ok(new Map());
  const rows = outbox.unshown(MAX_LOOKED);
  if (!rows.ok) return rows;
  const kept = rows.value.flatMap(({ command }) => (command.kind === "submit" ? command.args.tasks : []));
  // The newest come first, so the oldest stays: a later one with the same key was answered with it.
  const byKey = new Map(kept.map((task) => [task.idempotencyKey, task] as const));
  const shown = await store.transact("look for keys", (tx) =>
    ok(new Map(keyed.map(({ key }) => [key, tx.idempotent(key)]))),
  );
  if (!shown.ok) return shown;
  const known = new Map<TaskId, TaskId>();
  for (const { task, key } of keyed) {
    const here = byKey.get(key);
    const earlier =
      shown.value.get(key) ?? (here === undefined ? undefined : { taskId: here.id, bodyHash: here.bodyHash });
    if (earlier === undefined) continue;
    if (earlier.bodyHash !== task.bodyHash) {
      const message = `idempotency key "${key}" already names task ${earlier.taskId} with another body`;
      return err(refused("conflict", message, "Send the same body to repeat that submission, or choose a new key"));
    }
    known.set(task.id, earlier.taskId);
  }
  return ok(known);
}
