/** Bytes that come from a file or the network, pulled piece by piece, and checked while they pass. */
import { createHash } from "node:crypto";
import { closeSync, readSync } from "node:fs";
import { err, ok, type Result } from "#base";
import type { StoredFile } from "../manifest.ts";
import { type Refusal, refuse } from "../refusal.ts";
import { openRegular } from "./durable-file.ts";
import { releaseFailure } from "./release-failure.ts";

/** Read and written at once: small enough that the watchdog answers in between, large enough to be quick. */
export const SLICE_BYTES = 1024 * 1024;

export interface ByteSource {
  /** The next bytes, null at the end. After the end or a refusal it is not asked again. */
  read(): Promise<Result<Uint8Array | null, Refusal>>;
  /** Lets go of file or connection; may be called at any time, also twice. */
  close(): void;
}

/** Links are refused, and so is what is no regular file. */
export function fileSource(path: string): Result<ByteSource, Refusal> {
  let descriptor: number | undefined;
  try {
    descriptor = openRegular(path).descriptor;
  } catch (error) {
    return err(releaseFailure(error, `open ${path}`));
  }
  const close = (): void => {
    if (descriptor !== undefined) closeSync(descriptor);
    descriptor = undefined;
  };
  const read = async (): Promise<Result<Uint8Array | null, Refusal>> => {
    if (descriptor === undefined) return ok(null);
    try {
      const slice = new Uint8Array(SLICE_BYTES);
      const got = readSync(descriptor, slice, 0, slice.length, null);
      return ok(got === 0 ? null : slice.subarray(0, got));
    } catch (error) {
      return err(releaseFailure(error, `read ${path}`));
    }
  };
  return ok({ read, close });
}

/** Lets bytes pass and refuses as soon as they cannot be `expected` any more; the hash is checked before the end. */
export function checkedSource(source: ByteSource, expected: StoredFile): ByteSource {
  const hash = createHash("sha256");
  let bytes = 0;
  return {
    close: () => source.close(),
    read: async () => {
      const next = await source.read();
      if (!next.ok) return next;
      if (next.value === null) return atEnd(expected, bytes, () => hash.digest("hex"));
      bytes += next.value.length;
      if (bytes > expected.bytes) {
        return err(
          refuse("size_wrong", `${expected.file} is longer than the ${expected.bytes} bytes that were signed`),
        );
      }
      hash.update(next.value);
      return next;
    },
  };
}

function atEnd(expected: StoredFile, bytes: number, digest: () => string): Result<null, Refusal> {
  if (bytes < expected.bytes) {
    return err(refuse("truncated", `${expected.file} ends after ${bytes} of ${expected.bytes} bytes`));
  }
  const sha256 = digest();
  if (sha256 === expected.sha256) return ok(null);
  return err(refuse("hash_wrong", `${expected.file} has sha256 ${sha256}, and ${expected.sha256} was signed`));
}

/** The bytes that `source` holds in compressed form. What they may become is bounded by whoever reads them. */
export function gunzipSource(source: ByteSource, file: string): ByteSource {
  let refusal: Refusal | undefined;
  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      const next = await source.read();
      if (!next.ok) {
        refusal = next.error;
        return controller.error(new Error(next.error.message));
      }
      return next.value === null ? controller.close() : controller.enqueue(new Uint8Array(next.value));
    },
  });
  const reader = packed.pipeThrough(new DecompressionStream("gzip")).getReader();
  return {
    close: () => {
      source.close();
      reader.cancel().catch(() => undefined); // It may have failed already, which read() has told.
    },
    read: async () => {
      try {
        const { value, done } = await reader.read();
        return ok(done ? null : value);
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        return err(refusal ?? refuse("hash_wrong", `${file} cannot be unpacked: ${message}`));
      }
    },
  };
}
