import { closeSync, linkSync, openSync, readSync, unlinkSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCode } from "./system-failure.ts";

/**
 * Writes a file so that a reader finds all of it or none. With `durable` it also survives a power failure once this
 * resolves: the file is synced before it gets its name, and the folder after (rename(2) alone promises neither).
 * Throws system errors.
 */
export async function writeAtomic(path: string, text: string, options: { readonly durable: boolean }): Promise<void> {
  const draft = `${path}.${process.pid}.tmp`;
  const file = await open(draft, "w", 0o600);
  try {
    await file.writeFile(text);
    if (options.durable) await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  if (options.durable) await syncFolder(dirname(path));
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Creates a file that must not exist yet, whole or not at all.
 * @returns false when it exists already: somebody else was first. Throws other system errors.
 */
export async function createOnce(path: string, text: string): Promise<boolean> {
  const draft = `${path}.${process.pid}.new`;
  const file = await open(draft, "w", 0o600);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  } finally {
    unlinkSync(draft);
  }
}

/** @returns the text of a file, or undefined when there is none or it is longer than `maxBytes`. */
export function readBounded(path: string, maxBytes: number): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const bytes = readUpTo(fd, maxBytes + 1);
    return bytes.length > maxBytes ? undefined : new TextDecoder().decode(bytes);
  } finally {
    closeSync(fd);
  }
}

/** Reads from the start of an open file, at most `maxBytes`. */
export function readUpTo(fd: number, maxBytes: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let total = 0;
  while (total < maxBytes) {
    const chunk = new Uint8Array(Math.min(256 * 1024, maxBytes - total));
    const got = readSync(fd, chunk, 0, chunk.length, total);
    if (got === 0) break;
    chunks.push(chunk.subarray(0, got));
    total += got;
  }
  return Buffer.concat(chunks);
}
