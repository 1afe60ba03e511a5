import { closeSync, fchmodSync, fdatasyncSync, fstatSync, fsyncSync, openSync } from "node:fs";
import { err, ok, type Result } from "#base";
import { EXECUTABLE_HEADER_BYTES, type ExecutableCheck } from "../executable.ts";
import type { ReleaseFile } from "../manifest.ts";
import type { Refusal } from "../refusal.ts";
import { type ByteSource, checkedSource } from "./byte-source.ts";
import { writeAll } from "./durable-file.ts";
import { releaseFailure } from "./release-failure.ts";

/** Handed to the disk at once: so no call of fsync keeps the watchdog from its other work for long. */
const SYNC_EVERY_BYTES = 16 * 1024 * 1024;

/**
 * Writes what `source` holds to the new file `path`, if it is exactly `file` and a program for its target. It becomes
 * executable only after all of it was checked, and is on the disk when this resolves.
 * @returns the time of last change that the file has, in whole milliseconds.
 */
export async function writeCandidate(
  source: ByteSource,
  path: string,
  file: ReleaseFile,
  check: ExecutableCheck,
): Promise<Result<number, Refusal>> {
  const checked = checkedSource(source, file);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, "wx", 0o600);
    const refusal = await copy(checked, descriptor, file, check);
    if (refusal !== undefined) return err(refusal);
    fchmodSync(descriptor, 0o755);
    fsyncSync(descriptor);
    return ok(Math.trunc(fstatSync(descriptor).mtimeMs));
  } catch (error) {
    return err(releaseFailure(error, `write ${path}`));
  } finally {
    checked.close();
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

async function copy(
  source: ByteSource,
  descriptor: number,
  file: ReleaseFile,
  check: ExecutableCheck,
): Promise<Refusal | undefined> {
  const header = new Uint8Array(Math.min(EXECUTABLE_HEADER_BYTES, file.bytes));
  let bytes = 0;
  let unsynced = 0;
  for (;;) {
    const next = await source.read();
    if (!next.ok) return next.error;
    // Only now: of a file that is not what was signed, its form says nothing.
    if (next.value === null) return check(header, file.target);
    if (bytes < header.length) header.set(next.value.subarray(0, header.length - bytes), bytes);
    bytes += next.value.length;
    writeAll(descriptor, next.value);
    unsynced += next.value.length;
    if (unsynced >= SYNC_EVERY_BYTES) {
      fdatasyncSync(descriptor);
      unsynced = 0;
    }
    await new Promise<void>((resolve) => setImmediate(resolve)); // The watchdog has other work to do meanwhile.
  }
}
