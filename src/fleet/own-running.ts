import { type NodeId, ok, type Result, type TaskId } from "#base";
import { type Fence, fenceOf, type QueueStore, type TaskRow } from "#queue";
import type { Outbox } from "./ports.ts";

const MAX_PAGES = 20;
const PAGE_ROWS = 500;
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
  const own: TaskRow[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const found = await replica.list({ states: ["running"] }, PAGE_ROWS, cursor);
    if (!found.ok) return found;
    own.push(...found.value.items.map(({ row }) => row).filter(({ holder }) => holder === node));
    if (found.value.nextCursor === null) break;
    cursor = found.value.nextCursor;
  }
  return ok(own.filter((row) => !over.value.has(leaseOf(row.id, fenceOf(row)))));
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
