/** Which blobs a node goes on keeping. */
import { type Clock, describeFailure, type Logger, ok, type Result, type TaskId } from "#base";
import type { BlobStore } from "../blobs/blob-store.ts";
import type { AttemptBlobs } from "./attempt-blobs.ts";

export type CollectionParts = {
  readonly store: BlobStore;
  readonly blobs: AttemptBlobs;
  /** @returns those of the tasks that are still kept. */
  readonly known: (ids: readonly TaskId[]) => Promise<Result<ReadonlySet<TaskId>>>;
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** Tasks that one round looks at. */
const TASKS = 500;
/** Logs that one round removes because there are too many. */
const LOGS = 500;
/** A blob gets its name before it is noted whose it is; one that was fetched is read soon. */
const UNUSED_KEPT_MS = 3_600_000;
/** One whose node has not gone on with it for so long begins anew. */
const BEGUN_KEPT_MS = 24 * 3_600_000;
/** So full the store may stay; below that new ones are taken without a round in between. */
const FULL_SHARE = 0.9;
/** As for ended tasks, while the disk is low. */
const LOW_DISK_SHARE = 0.25;

export class PartCollection {
  readonly #parts: CollectionParts;
  #after: TaskId | undefined;
  /** Blobs are looked through by the first digit of their hash, one each round: a store may hold a hundred thousand. */
  #digit = 0;

  constructor(parts: CollectionParts) {
    this.#parts = parts;
  }

  /** One round: parts of tasks that are gone, the oldest logs of too many, and blobs that nothing refers to. */
  async collect(isDiskLow: boolean): Promise<void> {
    const { logger } = this.#parts;
    for (const round of [() => this.#ofRemovedTasks(), () => this.#tooMany(isDiskLow), () => this.#unused()]) {
      const done = await round();
      if (!done.ok) return logger.warn("old blobs were not removed", { why: describeFailure(done.error) });
    }
  }

  async #ofRemovedTasks(): Promise<Result<void>> {
    const { blobs, known } = this.#parts;
    const ids = blobs.tasks(this.#after, TASKS);
    if (!ids.ok) return ids;
    this.#after = ids.value.length < TASKS ? undefined : ids.value.at(-1);
    if (ids.value.length === 0) return ok(undefined);
    const kept = await known(ids.value);
    if (!kept.ok) return kept;
    const gone = ids.value.filter((id) => !kept.value.has(id));
    return gone.length === 0 ? ok(undefined) : blobs.dropTasks(gone);
  }

  /** Logs go before results: what a task came to is worth more than how. */
  async #tooMany(isDiskLow: boolean): Promise<Result<void>> {
    const { store, blobs, maxBytes } = this.#parts;
    const limitBytes = maxBytes * (isDiskLow ? LOW_DISK_SHARE : FULL_SHARE);
    if (store.bytes() <= limitBytes) return ok(undefined);
    const logs = blobs.oldestLogs(LOGS);
    if (!logs.ok) return logs;
    for (const log of logs.value) {
      if (store.bytes() <= limitBytes) break;
      const dropped = blobs.drop(log);
      const used = dropped.ok ? blobs.uses(log.hash) : dropped;
      if (!used.ok) return used;
      const removed = used.value ? ok(undefined) : await store.remove(log.hash);
      if (!removed.ok) return removed;
    }
    return ok(undefined);
  }

  async #unused(): Promise<Result<void>> {
    const { store, blobs, clock } = this.#parts;
    const all = await store.list(this.#digit.toString(16));
    if (!all.ok) return all;
    this.#digit = (this.#digit + 1) % 16;
    const nowMs = clock.nowMs();
    for (const { hash, isWhole, atMs } of all.value) {
      const isOld = nowMs - atMs > (isWhole ? UNUSED_KEPT_MS : BEGUN_KEPT_MS);
      if (!isOld) continue;
      const used = isWhole ? blobs.uses(hash) : ok(false);
      if (!used.ok) return used;
      if (used.value) continue;
      const removed = await store.remove(hash);
      if (!removed.ok) return removed;
    }
    return ok(undefined);
  }
}
