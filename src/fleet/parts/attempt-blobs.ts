import type { NodeId, Result, TaskId } from "#base";
import type { BlobHash } from "../blobs/blob-store.ts";
import type { Packed, PartBlob, PartKey } from "./part.ts";

/** A part of an attempt that the hub is to have. */
export type UnsentPart = PartKey & {
  /** The one that ran the attempt: another one where this node keeps its blob since it was the hub. */
  readonly node: NodeId;
  /** Its blob in the store of this node; undefined until there is one. */
  readonly packed: Packed | undefined;
};

/**
 * Which blobs are parts of which attempts, as this host knows it. On a hub: of all nodes, for those who read. On every
 * other node: of itself, with what the hub has yet to get. Every call is durable when it returns.
 */
export interface AttemptBlobs {
  /** Notes that the hub is to get a part of this node. Once more changes nothing. */
  want(key: PartKey, node: NodeId, atMs: number): Result<void>;
  /** Notes the blob of a part; another one takes the place of the one before. */
  put(blob: PartBlob, atMs: number): Result<void>;
  /** @returns undefined for a part without a blob. */
  find(key: PartKey): Result<PartBlob | undefined>;
  /** What no hub of `epoch` or a later one has: results first, then the oldest. */
  unsent(epoch: number, limit: number): Result<readonly UnsentPart[]>;
  /** The hub of `epoch` has it. A log's own blob is forgotten with that: the log itself is still there. */
  sent(key: PartKey, epoch: number): Result<void>;
  /** The hub of `epoch` has it, or does not want it; this node keeps it for a later one. */
  offered(key: PartKey, epoch: number): Result<void>;
  /** What is a blob here is for the hub: of a node that was the hub itself, and follows another one. */
  wantKept(): Result<void>;
  drop(key: PartKey): Result<void>;
  /** Tasks with parts, by id. */
  tasks(after: TaskId | undefined, limit: number): Result<readonly TaskId[]>;
  dropTasks(ids: readonly TaskId[]): Result<void>;
  /** Whether a blob is part of any attempt. */
  uses(hash: BlobHash): Result<boolean>;
  /** Blobs of logs, the oldest first: what goes when there are too many. */
  oldestLogs(limit: number): Result<readonly PartBlob[]>;
}
