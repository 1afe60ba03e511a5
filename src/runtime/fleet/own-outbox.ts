/** What a node had to say to its hub when it became the hub itself. */
import { err, type NodeId, ok, type Result, type TaskId } from "#base";
import { type GoalKeeper, type Outbox, performOn } from "#fleet";
import type { QueueService } from "#queue";

const ROWS = 256;

/**
 * Carries out what waits, and again what the former hub had answered: what its database shows changes nothing (Q15).
 * Before anything of this node is taken over: a report that waits here is of an attempt that has ended.
 * @returns the tasks that reports and tasks given back were about
 */
export async function carryOutOwn(
  outbox: Outbox,
  service: QueueService,
  node: NodeId,
  goals?: GoalKeeper,
): Promise<Result<ReadonlySet<TaskId>>> {
  const told = new Set<TaskId>();
  for (;;) {
    const answered = outbox.unsettled(ROWS);
    if (!answered.ok) return answered;
    if (answered.value.length === 0) break;
    const reopened = outbox.reopen(answered.value.map(({ id }) => id));
    if (!reopened.ok) return reopened;
  }
  for (;;) {
    const rows = outbox.waiting(ROWS);
    if (!rows.ok) return rows;
    if (rows.value.length === 0) return ok(told);
    for (const { command } of rows.value) {
      const done = await performOn(service, command, { id: command.id, node }, goals);
      if (!done.ok && done.error.kind === "retryable") return err(done.error);
      if (command.kind === "finish" || command.kind === "release") told.add(command.args.taskId);
    }
    // This node's own database has their results: nobody will ask for them again.
    const forgotten = outbox.forget(rows.value.map(({ command }) => command.id));
    if (!forgotten.ok) return forgotten;
  }
}
