import { type Clock, describeFailure, type Logger, type Timer } from "#base";
import { ownWorkspaces, removeWorkspace } from "#execution";
import type { QueueService } from "#queue";
import { type Stores, scheduleBackups } from "#store";
import type { Config } from "./config/settings.ts";

/** Rows removed by one transaction; while more are left the next one follows soon. */
const PRUNE_ROWS = 1_000;
const PRUNE_SOON_MS = 50;
const PRUNE_EVERY_MS = 60_000;

/** What a node does beside its work so that it can run for months: retention, journal, backups. */
export function startMaintenance(
  parts: {
    readonly stores: Stores;
    readonly queue: QueueService;
    readonly stateDir: string;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  config: Config,
): () => void {
  const { stores, queue, clock, logger } = parts;
  let timer: Timer | undefined;
  let isStopped = false;

  const prune = async (): Promise<void> => {
    const nowMs = clock.nowMs();
    const removed = await queue.store.prune(
      {
        endedTasksMs: nowMs - config["queue.keep_done_ms"],
        deadLettersMs: nowMs - config["queue.keep_dead_ms"],
        eventsMs: nowMs - config["queue.keep_events_ms"],
        idempotencyMs: nowMs - config["queue.keep_idempotency_ms"],
      },
      PRUNE_ROWS,
    );
    if (!removed.ok) logger.warn("retention could not remove old rows", { failure: describeFailure(removed.error) });
    await removeWorkspacesOfRemovedTasks(parts);
    const flushed = stores.checkpoint();
    if (!flushed.ok) logger.warn("the journal could not be written back", { failure: describeFailure(flushed.error) });
    later(removed.ok && removed.value >= PRUNE_ROWS ? PRUNE_SOON_MS : PRUNE_EVERY_MS);
  };
  const later = (delayMs: number): void => {
    if (!isStopped) timer = clock.after(delayMs, () => void prune());
  };
  later(PRUNE_EVERY_MS);

  const everyMs = config["store.backup.every_ms"];
  const stopBackups =
    everyMs > 0
      ? scheduleBackups(stores.backups, { clock, logger, everyMs, keep: config["store.backup.keep"] })
      : () => undefined;
  return () => {
    isStopped = true;
    timer?.cancel();
    stopBackups();
  };
}

/** A task's workspace stays as long as the task can be looked at: it holds what the task made. */
async function removeWorkspacesOfRemovedTasks(parts: {
  readonly queue: QueueService;
  readonly stateDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
}): Promise<void> {
  const own = ownWorkspaces(parts.stateDir);
  if (own.length === 0) return;
  const records = await parts.queue.store.findMany(own.map(({ taskId }) => taskId));
  if (!records.ok) return; // the store says so itself; the next round looks again
  const known = new Set(records.value.map(({ row }) => row.id));
  for (const { taskId, plan } of own) {
    if (known.has(taskId)) continue;
    const removed = await removeWorkspace(plan, parts.clock);
    if (!removed.ok) parts.logger.warn("a workspace could not be removed", { failure: describeFailure(removed.error) });
  }
}
