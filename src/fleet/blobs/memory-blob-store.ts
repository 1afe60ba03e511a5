import { type Clock, err, ok, type Result } from "#base";
import {
  type BlobHash,
  type BlobLimits,
  type BlobPart,
  type BlobPiece,
  type BlobState,
  type BlobStore,
  damaged,
  joined,
  misfit,
  obstacleTo,
  otherHash,
  parseBlobHash,
  type StoredBlob,
} from "./blob-store.ts";

type Kept = { bytes: Uint8Array; isWhole: boolean; atMs: number };

/** Blobs for tests and simulations; nothing of them outlives its process. */
export class MemoryBlobStore implements BlobStore {
  readonly #limits: BlobLimits;
  readonly #clock: Clock;
  readonly #sha256: (bytes: Uint8Array) => string;
  readonly #blobs = new Map<BlobHash, Kept>();

  constructor(limits: BlobLimits, clock: Clock, sha256: (bytes: Uint8Array) => string) {
    this.#limits = limits;
    this.#clock = clock;
    this.#sha256 = sha256;
  }

  async state(hash: BlobHash): Promise<Result<BlobState>> {
    const kept = this.#blobs.get(hash);
    if (kept === undefined) return ok({ kind: "absent", bytes: 0 });
    return ok({ kind: kept.isWhole ? "whole" : "begun", bytes: kept.bytes.byteLength });
  }

  async append(hash: BlobHash, piece: BlobPiece): Promise<Result<BlobState>> {
    const fault = misfit(piece);
    if (fault !== undefined) return err(fault);
    const kept = this.#blobs.get(hash);
    const atBytes = kept?.bytes.byteLength ?? 0;
    if (kept?.isWhole === true || piece.offset !== atBytes) return this.state(hash);
    const obstacle = obstacleTo(
      { totalBytes: piece.totalBytes, bytes: piece.bytes.byteLength },
      this.bytes(),
      this.#limits,
    );
    if (obstacle !== undefined) return err(obstacle);
    const bytes = joined([kept?.bytes ?? new Uint8Array(), piece.bytes]);
    const isWhole = bytes.byteLength === piece.totalBytes;
    const found = isWhole ? this.#sha256(bytes) : hash;
    if (found !== hash) {
      this.#blobs.delete(hash);
      return err(otherHash(hash, found));
    }
    if (bytes.byteLength > 0 || isWhole) this.#blobs.set(hash, { bytes, isWhole, atMs: this.#clock.nowMs() });
    return this.state(hash);
  }

  async add(parts: AsyncIterable<Uint8Array>): Promise<Result<{ readonly hash: BlobHash; readonly bytes: number }>> {
    const read: Uint8Array[] = [];
    let size = 0;
    for await (const part of parts) {
      size += part.byteLength;
      const obstacle = obstacleTo({ totalBytes: size, bytes: size }, this.bytes(), this.#limits);
      if (obstacle !== undefined) return err(obstacle);
      read.push(part);
    }
    const bytes = joined(read);
    // `as`: what SHA-256 gives.
    const hash = parseBlobHash(this.#sha256(bytes)) as BlobHash;
    this.#blobs.set(hash, { bytes, isWhole: true, atMs: this.#clock.nowMs() });
    return ok({ hash, bytes: size });
  }

  async read(hash: BlobHash, offset: number, maxBytes: number): Promise<Result<BlobPart | undefined>> {
    const kept = this.#blobs.get(hash);
    if (kept === undefined || !kept.isWhole) return ok(undefined);
    if (this.#sha256(kept.bytes) !== hash) {
      this.#blobs.delete(hash);
      return err(damaged(hash));
    }
    return ok({ bytes: kept.bytes.slice(offset, offset + maxBytes), totalBytes: kept.bytes.byteLength });
  }

  async list(prefix: string): Promise<Result<readonly StoredBlob[]>> {
    const named = [...this.#blobs].filter(([hash]) => hash.startsWith(prefix));
    const all = named.map(([hash, { bytes, isWhole, atMs }]) => ({
      hash,
      bytes: bytes.byteLength,
      isWhole,
      atMs,
    }));
    return ok(all.sort((a, b) => (a.hash < b.hash ? -1 : 1)));
  }

  async remove(hash: BlobHash): Promise<Result<void>> {
    this.#blobs.delete(hash);
    return ok(undefined);
  }

  bytes(): number {
    return [...this.#blobs.values()].reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  }

  /** Changes a byte behind the store's back, as a failing disk does. */
  damage(hash: BlobHash): void {
    const kept = this.#blobs.get(hash);
    if (kept !== undefined) kept.bytes = kept.bytes.map((byte, index) => (index === 0 ? byte ^ 0xff : byte));
  }
}
