import { type NodeId, ok, type Result, type TaskId } from "#base";
import type { BlobHash } from "../blobs/blob-store.ts";
import type { AttemptBlobs, UnsentPart } from "./attempt-blobs.ts";
import { type Packed, type PartBlob, type PartKey, textOf } from "./part.ts";

type Row = PartKey & { node: NodeId; packed: Packed | undefined; isWanted: boolean; sentEpoch: number | null };

/** For tests and simulations; nothing of it outlives its process. */
export class MemoryAttemptBlobs implements AttemptBlobs {
  /** In the order in which they came. */
  readonly #rows = new Map<string, Row>();

  want({ taskId, attempt, part }: PartKey, node: NodeId): Result<void> {
    const key = textOf({ taskId, attempt, part });
    const row = this.#rows.get(key);
    if (row !== undefined) row.isWanted = true;
    else this.#rows.set(key, { taskId, attempt, part, node, packed: undefined, isWanted: true, sentEpoch: null });
    return ok(undefined);
  }

  put({ taskId, attempt, part, node, hash, bytes, rawBytes, encoding }: PartBlob): Result<void> {
    const key = textOf({ taskId, attempt, part });
    const packed = { hash, bytes, rawBytes, encoding };
    const row = this.#rows.get(key);
    if (row !== undefined) Object.assign(row, { node, packed });
    else this.#rows.set(key, { taskId, attempt, part, node, packed, isWanted: false, sentEpoch: null });
    return ok(undefined);
  }

  find(key: PartKey): Result<PartBlob | undefined> {
    const row = this.#rows.get(textOf(key));
    return ok(row === undefined ? undefined : blobOf(row));
  }

  unsent(epoch: number, limit: number): Result<readonly UnsentPart[]> {
    const rows = [...this.#rows.values()].filter(
      ({ isWanted, sentEpoch }) => isWanted && (sentEpoch === null || sentEpoch < epoch),
    );
    const isLog = ({ part }: Row): number => (part === "result" ? 0 : 1);
    return ok(rows.sort((a, b) => isLog(a) - isLog(b)).slice(0, limit));
  }

  sent(key: PartKey, epoch: number): Result<void> {
    const row = this.#rows.get(textOf(key));
    if (row === undefined) return ok(undefined);
    row.sentEpoch = epoch;
    if (row.part !== "result") row.packed = undefined;
    return ok(undefined);
  }

  offered(key: PartKey, epoch: number): Result<void> {
    const row = this.#rows.get(textOf(key));
    if (row !== undefined) row.sentEpoch = epoch;
    return ok(undefined);
  }

  wantKept(): Result<void> {
    for (const row of this.#rows.values()) row.isWanted ||= row.packed !== undefined;
    return ok(undefined);
  }

  drop(key: PartKey): Result<void> {
    this.#rows.delete(textOf(key));
    return ok(undefined);
  }

  tasks(after: TaskId | undefined, limit: number): Result<readonly TaskId[]> {
    const ids = new Set([...this.#rows.values()].map(({ taskId }) => taskId));
    return ok(
      [...ids]
        .sort()
        .filter((id) => after === undefined || id > after)
        .slice(0, limit),
    );
  }

  dropTasks(ids: readonly TaskId[]): Result<void> {
    for (const [key, { taskId }] of this.#rows) if (ids.includes(taskId)) this.#rows.delete(key);
    return ok(undefined);
  }

  uses(hash: BlobHash): Result<boolean> {
    return ok([...this.#rows.values()].some(({ packed }) => packed?.hash === hash));
  }

  oldestLogs(limit: number): Result<readonly PartBlob[]> {
    const logs = [...this.#rows.values()].filter(({ part }) => part !== "result");
    return ok(
      logs
        .map(blobOf)
        .filter((blob) => blob !== undefined)
        .slice(0, limit),
    );
  }
}

function blobOf({ taskId, attempt, part, node, packed }: Row): PartBlob | undefined {
  return packed === undefined ? undefined : { taskId, attempt, part, node, ...packed };
}
