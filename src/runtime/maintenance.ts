import { type Clock, describeFailure, type Logger, type Timer } from "#base";
import type { QueueService } from "#queue";
import { type Stores, scheduleBackups } from "#store";
import type { Config } from "./config/settings.ts";

/** Rows removed by one transaction; while more are left the next one follows soon. */
const PRUNE_ROWS = 1_000;
const PRUNE_SOON_MS = 50;
const PRUNE_EVERY_MS = 60_000;

/** What a node does beside its work so that it can run for months: retention, journal, backups. */
export function startMaintenance(
  parts: { readonly stores: Stores; readonly queue: QueueService; readonly clock: Clock; readonly logger: Logger },
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
