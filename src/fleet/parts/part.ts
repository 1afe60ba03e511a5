/** What an attempt leaves beside its report: its output, the steps of its loop, a result too large for the report. */
import type { NodeId, Result, TaskId } from "#base";
import type { TaskRecord } from "#queue";
import type { BlobHash } from "../blobs/blob-store.ts";

export const ATTEMPT_PARTS = ["output", "steps", "result"] as const;
export type AttemptPart = (typeof ATTEMPT_PARTS)[number];

export type PartKey = { readonly taskId: TaskId; readonly attempt: number; readonly part: AttemptPart };

/** How the bytes of a part became those of its blob. */
export const ENCODINGS = ["none", "zstd"] as const;
export type Encoding = (typeof ENCODINGS)[number];

export type Packed = {
  readonly hash: BlobHash;
  readonly bytes: number;
  /** Of the part itself. */
  readonly rawBytes: number;
  readonly encoding: Encoding;
};

/** A part as a blob, and the node that ran the attempt. */
export type PartBlob = PartKey & Packed & { readonly node: NodeId };

/** Bytes of a part. `sizeBytes` is what there is of it now; `isWhole`: there will never be more. */
export type PartSlice = { readonly bytes: Uint8Array; readonly sizeBytes: number; readonly isWhole: boolean };

/** Parts of attempts that ran on this node. */
export interface OwnParts {
  /** @returns undefined when there is no such part. */
  read(
    key: PartKey,
    offset: number,
    maxBytes: number,
  ): Promise<Result<{ readonly bytes: Uint8Array; readonly sizeBytes: number } | undefined>>;
  /** Makes a blob of a part, in the store of this node. @returns undefined when there is no such part. */
  pack(key: PartKey): Promise<Result<Packed | undefined>>;
  /** Whether more may come. */
  isRunning(taskId: TaskId, attempt: number): boolean;
}

export function textOf({ taskId, attempt, part }: PartKey): string {
  return `${taskId}-${attempt}.${part}`;
}

/** @returns where an attempt ran, or runs; null when no node is known to have begun it. */
export function runnerOf({ row, attempts }: TaskRecord, attempt: number): NodeId | null {
  const ended = attempts.find(({ n }) => n === attempt);
  if (ended !== undefined) return ended.node;
  return row.state === "running" && row.attempts + 1 === attempt ? row.holder : null;
}

export function hasEndedAttempt({ attempts }: TaskRecord, attempt: number): boolean {
  return attempts.some(({ n }) => n === attempt);
}
