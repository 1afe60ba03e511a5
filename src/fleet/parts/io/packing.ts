/** Parts of attempts as blobs: compressed where that is worth it. */
import { createReadStream, createWriteStream } from "node:fs";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createZstdCompress, createZstdDecompress } from "node:zlib";
import { err, ok, type Result, refused } from "#base";
import { BLOB_PIECE_BYTES, type BlobStore } from "../../blobs/blob-store.ts";
import { onDisk } from "../../blobs/io/disk-blob-store.ts";
import type { Encoding, PartBlob } from "../part.ts";

/** Below it the head of a compressed file is a good part of it, and one request carries it either way. */
const COMPRESS_FROM_BYTES = 4_096;

export function encodingFor(rawBytes: number): Encoding {
  return rawBytes < COMPRESS_FROM_BYTES ? "none" : "zstd";
}

/** The first `rawBytes` of a file, as its blob has them. */
export function packedFile(path: string, rawBytes: number): AsyncIterable<Uint8Array> {
  if (rawBytes === 0) return Readable.from([]);
  const file = createReadStream(path, { end: rawBytes - 1, highWaterMark: BLOB_PIECE_BYTES });
  if (encodingFor(rawBytes) === "none") return file;
  const zstd = createZstdCompress();
  file.once("error", (cause) => zstd.destroy(cause));
  return file.pipe(zstd);
}

/**
 * Writes the part that a blob holds to a file, which is whole when this resolves, or not to be used. A blob that would
 * become longer than it says is given up: whoever made it says what it costs.
 */
export async function unpackTo(path: string, store: BlobStore, blob: PartBlob): Promise<Result<boolean>> {
  const first = await store.read(blob.hash, 0, BLOB_PIECE_BYTES);
  if (!first.ok) return first;
  if (first.value === undefined) return ok(false);
  let written = 0;
  const bounded = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      written += chunk.byteLength;
      if (written > blob.rawBytes) done(new TooLong());
      else done(null, chunk);
    },
  });
  const target = createWriteStream(path, { mode: 0o600 });
  try {
    const packed = pieces(store, blob);
    const done = await onDisk(`unpack blob ${blob.hash}`, () =>
      blob.encoding === "zstd"
        ? pipeline(packed, createZstdDecompress(), bounded, target)
        : pipeline(packed, bounded, target),
    );
    if (!done.ok) return done;
  } catch (cause) {
    // Not of the disk: what is in the blob is no such part, though its hash is right.
    return err(
      refused("corrupt", `unpack blob ${blob.hash}: ${cause instanceof Error ? cause.message : String(cause)}`),
    );
  }
  if (written === blob.rawBytes) return ok(true);
  return err(refused("corrupt", `blob ${blob.hash} holds ${written} bytes and not ${blob.rawBytes}`));
}

class TooLong extends Error {
  constructor() {
    super("it is longer than it says");
  }
}

function pieces(store: BlobStore, { hash }: PartBlob): Readable {
  async function* read(): AsyncIterable<Uint8Array> {
    for (let offset = 0; ; ) {
      const part = await store.read(hash, offset, BLOB_PIECE_BYTES);
      if (!part.ok) throw new Error(part.error.message);
      if (part.value === undefined || part.value.bytes.byteLength === 0) return;
      yield part.value.bytes;
      offset += part.value.bytes.byteLength;
    }
  }
  return Readable.from(read());
}
