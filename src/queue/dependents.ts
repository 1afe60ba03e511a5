/** What the end or the return of a task means for those that depend on it. */
import { MAX_DEPENDENTS, type TaskId } from "#base";
import { type CommandContext, move, placed, record } from "./ledger.ts";
import type { QueueTransaction } from "./ports.ts";
import type { TaskRow } from "./task.ts";
import { ended, waiting } from "./transition.ts";

/** Follows the end of `row` through all that depend on it, directly or not. */
export function settleDependents(tx: QueueTransaction, context: CommandContext, row: TaskRow): void {
  const work: TaskRow[] = [row];
  for (let current = work.shift(); current !== undefined; current = work.shift()) {
    for (const id of tx.dependents(current.id, true, MAX_DEPENDENTS)) {
      const dependent = tx.task(id);
      if (dependent === undefined) continue;
      if (current.state === "done" || dependent.dependencyPolicy === "ignore") {
        satisfy(tx, context, dependent, current.id);
      } else if (dependent.dependencyPolicy === "fail" && dependent.state === "waiting") {
        const text = `its dependency ${current.id} is ${current.state}`;
        const after = ended(dependent, "dead", { code: "dependency", text }, context.nowMs);
        move(tx, dependent, after);
        record(tx, context, "task.dead", after, { reason: after.reason, dependency: current.id });
        work.push(after);
      }
    }
  }
}

function satisfy(tx: QueueTransaction, context: CommandContext, dependent: TaskRow, dependency: TaskId): void {
  if (!tx.setDependency(dependent.id, dependency, true)) return;
  const unblocked: TaskRow = { ...dependent, blockedBy: dependent.blockedBy - 1 };
  const due = unblocked.wakeAtMs === null || unblocked.wakeAtMs <= context.nowMs;
  if (unblocked.state === "waiting" && unblocked.blockedBy === 0 && due) {
    const after = placed(tx, context, unblocked);
    move(tx, dependent, after);
    record(tx, context, "task.ready", after, { because: "dependency", dependency });
  } else {
    move(tx, dependent, unblocked);
  }
}

/** @returns the dependencies of `id` that keep it from running because they are dead or cancelled. */
export function deadDependencies(tx: QueueTransaction, id: TaskId): readonly TaskId[] {
  return tx
    .dependencies(id)
    .filter(({ satisfied }) => !satisfied)
    .map((dependency) => dependency.id)
    .filter((dependency) => {
      const state = tx.task(dependency)?.state;
      return state === "dead" || state === "cancelled";
    });
}

/** Tasks that died only because of `row` wait for it again, and those that died because of them. */
export function reviveDependents(tx: QueueTransaction, context: CommandContext, row: TaskRow): void {
  const work: TaskRow[] = [row];
  for (let current = work.shift(); current !== undefined; current = work.shift()) {
    for (const id of tx.dependents(current.id, true, MAX_DEPENDENTS)) {
      const dependent = tx.task(id);
      if (dependent?.state !== "dead" || dependent.reason?.code !== "dependency") continue;
      if (deadDependencies(tx, id).length > 0) continue;
      const after = waiting(dependent, null, null);
      move(tx, dependent, after);
      record(tx, context, "task.redriven", after, { because: current.id, state: after.state });
      work.push(after);
    }
  }
}
