/** What people do to tasks and to the queue as a whole. */
import { err, ok, type Result, refused, type TaskId } from "#base";
import { deadDependencies, reviveDependents, settleDependents } from "../dependents.ts";
import { admitNext, type CommandContext, keyLeft, keyOf, move, placed, record, remove } from "../ledger.ts";
import type { QueueTransaction } from "../ports.ts";
import type { Fence, KeyPolicy, KeyRow, TaskRow } from "../task.ts";
import { budgetRenewed, cancelRequested, ended, waiting } from "../transition.ts";
import { fenceOf } from "./finish.ts";

export type CancelReceipt = {
  readonly row: TaskRow;
  /** Set when the task runs: whoever holds this lease has to be told to stop. */
  readonly stop: Fence | null;
};

export function cancel(tx: QueueTransaction, context: CommandContext, id: TaskId, why: string): Result<CancelReceipt> {
  const row = tx.task(id);
  if (row === undefined) return err(noTask(id));
  switch (row.state) {
    case "waiting":
    case "ready": {
      const after = ended(row, "cancelled", { code: "cancelled", text: why }, context.nowMs);
      move(tx, row, after);
      record(tx, context, "task.cancelled", after, { why });
      keyLeft(tx, context, row);
      settleDependents(tx, context, after);
      return ok({ row: after, stop: null });
    }
    case "running": {
      if (row.cancelRequested) return ok({ row, stop: fenceOf(row) });
      const after = cancelRequested(row);
      move(tx, row, after);
      record(tx, context, "task.cancel_requested", after, { why });
      return ok({ row: after, stop: fenceOf(row) });
    }
    case "cancelled":
      return ok({ row, stop: null });
    case "done":
    case "dead":
      return err(refused("conflict", `task ${id} is ${row.state} and cannot be cancelled`));
  }
}

/** Runs a task again: at once when it waits for a retry, with a fresh budget of attempts when it is dead or cancelled. */
export function retry(tx: QueueTransaction, context: CommandContext, id: TaskId): Result<TaskRow> {
  const row = tx.task(id);
  if (row === undefined) return err(noTask(id));
  switch (row.state) {
    case "waiting": {
      if (row.wakeReason !== "retry") {
        return err(refused("conflict", `task ${id} has not failed: it waits for its time or its dependencies`));
      }
      const after = placed(tx, context, waiting(row, null, null));
      move(tx, row, after);
      record(tx, context, "task.ready", after, { because: "retry asked for" });
      return ok(after);
    }
    case "dead":
    case "cancelled":
      return redrive(tx, context, row);
    case "ready":
      return ok(row);
    case "running":
      return err(refused("conflict", `task ${id} is running`, `Cancel it first: drover task cancel ${id}`));
    case "done":
      return err(refused("conflict", `task ${id} is done`, "Submit it again to run it once more"));
  }
}

function redrive(tx: QueueTransaction, context: CommandContext, row: TaskRow): Result<TaskRow> {
  const dead = deadDependencies(tx, row.id);
  if (row.dependencyPolicy === "fail" && dead.length > 0) {
    return err(
      refused(
        "conflict",
        `task ${row.id} depends on ${dead.join(", ")}, which ended without success`,
        `Redrive that first: drover task retry ${dead[0] ?? ""}`,
      ),
    );
  }
  const renewed = waiting(budgetRenewed(row), null, null);
  const after = renewed.blockedBy === 0 ? placed(tx, context, renewed) : renewed;
  move(tx, row, after);
  record(tx, context, "task.redriven", after, { state: after.state, attemptLimit: after.attemptLimit });
  reviveDependents(tx, context, after);
  return ok(after);
}

/** Removes a dead letter for good. */
export function drop(tx: QueueTransaction, context: CommandContext, id: TaskId): Result<TaskId> {
  const row = tx.task(id);
  if (row === undefined) return err(noTask(id));
  if (row.state !== "dead") {
    return err(
      refused("conflict", `task ${id} is ${row.state}, not a dead letter`, "Only dead letters can be dropped"),
    );
  }
  const dependents = tx.dependents(id, true, 3);
  if (dependents.length > 0) {
    const remedy = "Drop those that are dead letters first; cancelled ones hold it until retention removes them";
    return err(refused("conflict", `other tasks depend on ${id}: ${dependents.join(", ")}`, remedy));
  }
  remove(tx, row);
  record(tx, context, "task.dropped", row, { reason: row.reason });
  return ok(id);
}

export function setPaused(tx: QueueTransaction, context: CommandContext, paused: boolean): Result<boolean> {
  if (tx.paused() === paused) return ok(false);
  tx.setPaused(paused);
  record(tx, context, paused ? "queue.paused" : "queue.resumed", null);
  return ok(true);
}

export function setKeyPolicy(
  tx: QueueTransaction,
  context: CommandContext,
  key: string,
  policy: KeyPolicy,
): Result<KeyRow> {
  if (key === "") return err(refused("invalid", "tasks without a key cannot be limited", "Name a key"));
  const row = keyOf(tx, context, key);
  tx.putKey({
    ...row,
    policy,
    // Tasks let through before there was a rate use up its first burst.
    rateTokens:
      row.policy.ratePerSecond === null
        ? Math.max(0, policy.burst - row.admitted)
        : Math.min(policy.burst, row.rateTokens),
    // Whatever was held back is looked at again by the next tick, in batches, even when no limit is left.
    wakeAtMs: context.nowMs,
  });
  record(tx, context, "key.changed", null, { key, policy });
  admitNext(tx, context, key);
  return ok(keyOf(tx, context, key));
}

export function noTask(id: string): ReturnType<typeof refused> {
  return refused("not_found", `there is no task ${id}`, "List tasks with: drover task list");
}
