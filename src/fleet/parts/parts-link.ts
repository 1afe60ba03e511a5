/** Parts of attempts between a node and its hub, over HTTP. */
import type { z } from "zod";
import { err, type JsonValue, type NodeId, ok, type Result, refused, retryable } from "#base";
import { BLOB_PIECE_BYTES, type BlobPiece, type BlobState, type BlobStore } from "../blobs/blob-store.ts";
import type { PartBlob } from "./part.ts";
import type { PartLink } from "./part-reader.ts";
import {
  blobStateSchema,
  type PartPushAnswer,
  type PartPushCall,
  partPushAnswerSchema,
  partReadAnswerSchema,
} from "./part-wire.ts";

/** The ways of a {@link HubClient} that parts travel by. */
export type PartTransport = {
  request(
    method: string,
    target: string,
    body: JsonValue,
    limits: { readonly deadlineMs: number },
  ): Promise<Result<JsonValue>>;
  send(target: string, bytes: Uint8Array, limits: { readonly deadlineMs: number }): Promise<Result<JsonValue>>;
  receive(target: string, maxBytes: number, limits: { readonly deadlineMs: number }): Promise<Result<Uint8Array>>;
};

export type HubParts = PartLink & {
  put(blob: PartBlob, piece: BlobPiece): Promise<Result<BlobState>>;
  push(call: PartPushCall): Promise<Result<PartPushAnswer>>;
};

/** A reader is answered after a second, and six where the hub has to ask a node first. */
const CALL_MS = 12_000;
/** A megabyte on a line of 30 KB a second. */
const PIECE_MS = 40_000;

/**
 * @param store where blobs of the hub are brought to
 * @param self this node, where it may also offer blobs of others
 */
export function hubParts(transport: PartTransport, store: BlobStore, self?: NodeId): HubParts {
  const call = async <S extends z.ZodType>(path: string, body: object, schema: S): Promise<Result<z.output<S>>> =>
    // `as`: what is sent is JSON throughout.
    parsed(await transport.request("POST", path, body as JsonValue, { deadlineMs: CALL_MS }), path, schema);
  return {
    read: (read) => call("/api/fleet/parts/read", read, partReadAnswerSchema),
    push: (push) => call("/api/fleet/parts/push", push, partPushAnswerSchema),
    put: async (blob, piece) => {
      const target = `${pathOf(blob)}?${queryOf(blob, piece, self).toString()}`;
      return parsed(await transport.send(target, piece.bytes, { deadlineMs: PIECE_MS }), target, blobStateSchema);
    },
    bring: (blob) => bringBlob(transport, store, blob),
  };
}

/** Goes on where an earlier try ended. */
async function bringBlob(transport: PartTransport, store: BlobStore, blob: PartBlob): Promise<Result<boolean>> {
  const { hash, bytes: totalBytes } = blob;
  let state = await store.state(hash);
  while (state.ok && state.value.kind !== "whole") {
    const offset = state.value.bytes;
    const limits = { deadlineMs: PIECE_MS };
    const target = `${pathOf(blob)}?offset=${offset}`;
    const bytes =
      offset < totalBytes ? await transport.receive(target, BLOB_PIECE_BYTES, limits) : ok(new Uint8Array());
    if (!bytes.ok) return bytes.error.code === "not_found" ? ok(false) : bytes;
    if (bytes.value.byteLength === 0 && totalBytes > 0)
      return err(retryable("unavailable", `the hub has no more of blob ${hash}`));
    state = await store.append(hash, { offset, totalBytes, bytes: bytes.value });
  }
  if (state.ok) return ok(true);
  // It is begun anew with the next try: something on the way altered it, or the hub's disk did.
  if (state.error.code === "invalid") return err(retryable("unavailable", state.error.message));
  return state;
}

function pathOf({ hash }: PartBlob): string {
  return `/api/fleet/blobs/${hash}`;
}

function queryOf(
  { taskId, attempt, part, encoding, rawBytes, bytes, node }: PartBlob,
  { offset }: BlobPiece,
  self: NodeId | undefined,
): URLSearchParams {
  return new URLSearchParams({
    taskId,
    attempt: String(attempt),
    part,
    encoding,
    rawBytes: String(rawBytes),
    bytes: String(bytes),
    offset: String(offset),
    ...(self === undefined || self === node ? {} : { node }),
  });
}

function parsed<S extends z.ZodType>(answer: Result<JsonValue>, path: string, schema: S): Result<z.output<S>> {
  if (!answer.ok) return answer;
  const read = schema.safeParse(answer.value);
  if (read.success) return ok(read.data);
  return err(refused("unsupported", `${path}: the hub's answer cannot be read`, "Update this node"));
}
