import { type NodeId, ok, type Result, type TaskId } from "#base";
import { type Fence, fenceOf, type QueueStore, type TaskRow } from "#queue";
import type { Outbox } from "./ports.ts";
import { runningOn } from "./running-on.ts";

/** Commands of the outbox that are looked through; beyond them an attempt may be ended twice, of which one counts. */
const MAX_JOURNALED = 10_000;

/**
 * What a node runs, when its process comes up: as its replica shows it, without the attempts that it has ended or given back
 * in its outbox.
 */
export async function ownRunning(
  replica: QueueStore,
  outbox: Outbox,
  node: NodeId,
): Promise<Result<readonly TaskRow[]>> {
  const over = journaledEnds(outbox);
  if (!over.ok) return over;
  const own = await runningOn(replica, node);
  if (!own.ok) return own;
  return ok(own.value.filter((row) => !over.value.has(leaseOf(row.id, fenceOf(row)))));
}

function journaledEnds(outbox: Outbox): Result<ReadonlySet<string>> {
  // Also those that the hub has answered: the replica may be behind that.
  const rows = outbox.unshown(MAX_JOURNALED);
  if (!rows.ok) return rows;
  return ok(
    new Set(
      rows.value.flatMap(({ command }) =>
        command.kind === "finish" || command.kind === "release"
          ? [leaseOf(command.args.taskId, command.args.fence)]
          : [],
      ),
    ),
  );
}

function leaseOf(id: TaskId, { epoch, n }: Fence): string {
  return `${id} ${epoch} ${n}`;
}
