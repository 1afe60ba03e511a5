/** What nodes and their hub say to each other about parts of attempts. */
import { z } from "zod";
import { type NodeId, parseTaskId, type TaskId } from "#base";
import { type BlobHash, parseBlobHash } from "../blobs/blob-store.ts";
import { ATTEMPT_PARTS, ENCODINGS } from "./part.ts";

/** Of a part in one request or answer: as base64 within JSON it stays far below what either may hold. */
export const MAX_SLICE_BYTES = 256 * 1024;
/** A reader is answered by then, with nothing when there is nothing new. */
export const MAX_READ_WAIT_MS = 1_000;

const count = z.int().min(0);
const bytes = z
  .string()
  .max(Math.ceil(MAX_SLICE_BYTES / 3) * 4)
  .regex(/^[A-Za-z0-9+/]*={0,2}$/);

export const partKeyShape = {
  taskId: z.custom<TaskId>((given) => typeof given === "string" && parseTaskId(given) !== undefined),
  attempt: z.int().min(1).max(1_000_000),
  part: z.enum(ATTEMPT_PARTS),
};
export const partKeySchema = z.object(partKeyShape);
const blobHash = z.custom<BlobHash>((given) => typeof given === "string" && parseBlobHash(given) !== undefined);

export const partReadSchema = z.object({
  ...partKeyShape,
  offset: count,
  maxBytes: z.int().min(1).max(MAX_SLICE_BYTES),
  waitMs: z.int().min(0).max(MAX_READ_WAIT_MS),
});
export type PartReadCall = z.output<typeof partReadSchema>;

export const partReadAnswerSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("bytes"), bytes, sizeBytes: count, isWhole: z.boolean() }),
  z.object({
    kind: z.literal("blob"),
    node: z.custom<NodeId>((given) => typeof given === "string"),
    hash: blobHash,
    bytes: count,
    rawBytes: count,
    encoding: z.enum(ENCODINGS),
  }),
  z.object({ kind: z.literal("none") }),
]);
export type PartReadAnswer = z.output<typeof partReadAnswerSchema>;

export const partPushSchema = z.object({
  ...partKeyShape,
  offset: count,
  bytes,
  /** Null: there is no such part there, yet or at all. */
  sizeBytes: count.nullable(),
  /** The attempt does not run there any more, and these are its last bytes. */
  isWhole: z.boolean(),
});
export type PartPushCall = z.output<typeof partPushSchema>;

export const partPushAnswerSchema = z.object({
  /** Where the next bytes are to begin. */
  wanted: count,
  /** False: nobody reads it any more. */
  isFollowed: z.boolean(),
});
export type PartPushAnswer = z.output<typeof partPushAnswerSchema>;

export const blobStateSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("absent"), bytes: z.literal(0) }),
  z.object({ kind: z.literal("begun"), bytes: count }),
  z.object({ kind: z.literal("whole"), bytes: count }),
]);
