/**
 * Contents that are too large for the fleet's database, by what they are: the name of a blob is the SHA-256 of its bytes.
 *
 * B1: what is read under a name has that hash. Bytes that have not are taken away and answered as `corrupt`.
 * B2: a blob is there whole or not at all, also after a power failure; what has only begun is known as such.
 * B3: a piece is taken at the end of what is there alone; one of another place changes nothing and is told the place.
 * B4: neither one blob nor all of them together pass their limits, and nothing is written while there is no room.
 */
import { err, type Failure, ok, type Result, refused, retryable } from "#base";

declare const brand: unique symbol;
/** SHA-256 in lower-case hexadecimal. */
export type BlobHash = string & { readonly [brand]: "BlobHash" };

export function parseBlobHash(text: string): BlobHash | undefined {
  // `as`: the one constructor of the brand.
  return /^[0-9a-f]{64}$/.test(text) ? (text as BlobHash) : undefined;
}

/** `bytes` of one that has begun is where its next piece goes. */
export type BlobState =
  | { readonly kind: "absent"; readonly bytes: 0 }
  | { readonly kind: "begun"; readonly bytes: number }
  | { readonly kind: "whole"; readonly bytes: number };

export type BlobPiece = { readonly offset: number; readonly totalBytes: number; readonly bytes: Uint8Array };

export type BlobPart = { readonly bytes: Uint8Array; readonly totalBytes: number };

export type StoredBlob = {
  readonly hash: BlobHash;
  readonly bytes: number;
  readonly isWhole: boolean;
  /** When something was last written of it. */
  readonly atMs: number;
};

/** Every failure that is `retryable` changed nothing that a repetition could harm. */
export interface BlobStore {
  state(hash: BlobHash): Promise<Result<BlobState>>;
  /**
   * Takes the next piece of a blob. @returns the state after it; for a piece of another place the state as it is (B3).
   * `too_large` for one that may never be kept, `limit` and `disk_full` (retryable) for one that may not now, `invalid`
   * when all bytes are there and have another hash: they are dropped then, and it begins anew.
   */
  append(hash: BlobHash, piece: BlobPiece): Promise<Result<BlobState>>;
  /** Keeps a content of this host under its hash. */
  add(parts: AsyncIterable<Uint8Array>): Promise<Result<{ readonly hash: BlobHash; readonly bytes: number }>>;
  /** @returns undefined when it is not there whole; `corrupt` when it was, and its bytes had changed (B1). */
  read(hash: BlobHash, offset: number, maxBytes: number): Promise<Result<BlobPart | undefined>>;
  /** What is there, begun or whole, of which the hash begins with `prefix`; by hash. */
  list(prefix: string): Promise<Result<readonly StoredBlob[]>>;
  remove(hash: BlobHash): Promise<Result<void>>;
  /** Of all that is there, begun or whole. */
  bytes(): number;
}

export type BlobLimits = {
  /** One blob. */
  readonly maxBlobBytes: number;
  /** All together. */
  readonly maxBytes: number;
  /** Why nothing may be written now; undefined when something may. */
  readonly held: () => Failure | undefined;
};

/** What one request carries: small enough that a slow line brings it within its deadline, large enough to need few. */
export const BLOB_PIECE_BYTES = 1024 * 1024;

/** B4. @returns why a blob of `totalBytes` may not grow by `bytes` when `kept` bytes are there. */
export function obstacleTo(
  { totalBytes, bytes }: { readonly totalBytes: number; readonly bytes: number },
  kept: number,
  limits: BlobLimits,
): Failure | undefined {
  if (totalBytes > limits.maxBlobBytes) {
    const message = `a blob of ${totalBytes} bytes is longer than the ${limits.maxBlobBytes} that are kept of one`;
    return refused("too_large", message, "Raise blobs.max_blob_bytes where it is kept");
  }
  const held = limits.held();
  if (held !== undefined) return held;
  if (kept + bytes <= limits.maxBytes) return undefined;
  const message = `${kept} bytes of blobs are kept, and ${limits.maxBytes} may be`;
  return retryable("limit", message, "Raise blobs.max_bytes, or wait until older ones are removed");
}

/** @returns where a piece does not fit what it says of its blob. */
export function misfit({ offset, totalBytes, bytes }: BlobPiece): Failure | undefined {
  if (offset + bytes.byteLength <= totalBytes) return undefined;
  return refused("invalid", `a piece up to ${offset + bytes.byteLength} of a blob of ${totalBytes} bytes`);
}

export function otherHash(hash: BlobHash, found: string): Failure {
  const message = `the bytes that arrived for blob ${hash} have the hash ${found}; they were dropped`;
  return refused("invalid", message, "Send it anew from the beginning");
}

export function damaged(hash: BlobHash): Failure {
  const message = `blob ${hash} was damaged on the disk and has been removed`;
  return { kind: "terminal", code: "corrupt", message, remedy: "Check the disk of the state folder (dmesg, smartctl)" };
}

/** Reads a whole blob. @returns undefined when it is not there. */
export async function readWholeBlob(store: BlobStore, hash: BlobHash): Promise<Result<Uint8Array | undefined>> {
  const parts: Uint8Array[] = [];
  for (let offset = 0; ; ) {
    const part = await store.read(hash, offset, BLOB_PIECE_BYTES);
    if (!part.ok) return part;
    if (part.value === undefined) return ok(undefined);
    parts.push(part.value.bytes);
    offset += part.value.bytes.byteLength;
    if (offset >= part.value.totalBytes) return ok(joined(parts));
    if (part.value.bytes.byteLength === 0) return err(damaged(hash));
  }
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.byteLength;
  }
  return whole;
}
