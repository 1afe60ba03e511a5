/** Tasks that nodes hold, as the node that writes the queue sees them. */
import { type Clock, type NodeId, ok, type Result } from "#base";
import { MAX_REQUEUES, type SuspectTask } from "#fsm";
import { type Fence, fenceOf, type QueueService, type TaskRow } from "#queue";

/** Rows that are looked at: far more than nodes that went away held. */
const MAX_RUNNING = 1_000;
/** So long after it was heard last a node with a connection is not there any more: some heartbeats. */
export const OFFLINE_MS = 30_000;

export type HeldTask = SuspectTask & { readonly row: TaskRow; readonly fence: Fence };

export type TasksHeldParts = {
  readonly self: NodeId;
  readonly queue: Pick<QueueService, "store" | "leases">;
  readonly clock: Clock;
  /** Infinite for a node that this process never heard; undefined for one that is no node of this fleet any more. */
  readonly silentMs: (node: NodeId) => number | undefined;
};

/**
 * @returns the running tasks of nodes that are offline. One whose lease still runs is well, unless its node was taken out
 *   of the fleet: then nothing that it reports is let in.
 */
export async function tasksHeld({
  self,
  queue,
  clock,
  silentMs,
}: TasksHeldParts): Promise<Result<readonly HeldTask[]>> {
  const running = await queue.store.transact("look at what nodes hold", (tx) => ok(tx.running(MAX_RUNNING)));
  if (!running.ok) return running;
  const nowMs = clock.monotonicMs();
  const held: HeldTask[] = [];
  for (const row of running.value) {
    const node = row.holder;
    if (node === null || node === self) continue;
    const silence = silentMs(node);
    const isNodeOnline = silence !== undefined && silence < OFFLINE_MS;
    if (isNodeOnline) continue;
    const fence = fenceOf(row);
    const lease = queue.leases.heldBy(node).find((each) => each.taskId === row.id);
    const isLive = lease?.fence.n === fence.n && lease.fence.epoch === fence.epoch && lease.expiresAtMs > nowMs;
    held.push({ node, isNodeOnline, isAttemptHealthy: isLive && silence !== undefined, requeues: 0, row, fence });
  }
  return counted(queue, held);
}

/** With how often each was lost before. */
async function counted(
  queue: TasksHeldParts["queue"],
  held: readonly HeldTask[],
): Promise<Result<readonly HeldTask[]>> {
  const stuck = held.filter(({ isAttemptHealthy, row }) => !isAttemptHealthy && row.attempts >= MAX_REQUEUES);
  if (stuck.length === 0) return ok(held);
  const records = await queue.store.findMany(stuck.map(({ row }) => row.id));
  if (!records.ok) return records;
  const lost = new Map(
    records.value.map(({ row, attempts }) => [row.id, attempts.filter(({ outcome }) => outcome === "lost").length]),
  );
  return ok(held.map((task) => ({ ...task, requeues: lost.get(task.row.id) ?? 0 })));
}
