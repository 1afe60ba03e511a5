/**
 * Files and links that are there whole or not at all, also after a power failure: each is made under another name,
 * synced, renamed over the old one, and then the folder is synced (rename(2) alone promises no order). They throw
 * system errors.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { errnoOf } from "./release-failure.ts";

export function syncFolder(path: string): void {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

export function writeDurably(path: string, text: string): void {
  const draft = `${path}.new`;
  removeIfThere(draft);
  const descriptor = openSync(draft, "wx", 0o600);
  try {
    writeAll(descriptor, new TextEncoder().encode(text));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(draft, path);
  syncFolder(dirname(path));
}

/** Adds a line. One that a crash cut off before is ended first, so that it spoils no other. */
export function appendDurably(path: string, line: string): void {
  const descriptor = openSync(
    path,
    constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    const { size } = fstatSync(descriptor);
    const last = new Uint8Array(1);
    const isCut = size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
    writeAll(descriptor, new TextEncoder().encode(`${isCut ? "\n" : ""}${line}\n`));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  syncFolder(dirname(path));
}

/** A full disk may take a part of what is written without an error. */
export function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done, bytes.length - done);
}

/** Lets the link `path` lead to `target`, in one step for everybody who looks. */
export function replaceLink(path: string, target: string): void {
  const draft = `${path}.new`;
  removeIfThere(draft);
  symlinkSync(target, draft);
  renameSync(draft, path);
  syncFolder(dirname(path));
}

/** Looks first: on a read-only disk even removing what is not there fails. */
export function removeIfThere(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) unlinkSync(path);
}

export function removeDurably(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  syncFolder(dirname(path));
}

/** @returns where a link leads; undefined when there is nothing. Throws when something else is in its place. */
export function readLink(path: string): string | undefined {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  return readlinkSync(path);
}

/**
 * Opens a file to read it, if it is a regular one and no link. Never waits, as opening a pipe would.
 * Throws; the code of a link is ELOOP.
 */
export function openRegular(path: string): { readonly descriptor: number; readonly bytes: number } {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw new Error(`${path} is no regular file`);
    return { descriptor, bytes: status.size };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** @returns the content; undefined when there is no such file. Throws when it is longer than `maxBytes`. */
export function readBounded(path: string, maxBytes: number): Uint8Array | undefined {
  let opened: ReturnType<typeof openRegular>;
  try {
    opened = openRegular(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const content = new Uint8Array(Math.min(opened.bytes, maxBytes) + 1);
    let total = 0;
    while (total < content.length) {
      const got = readSync(opened.descriptor, content, total, content.length - total, total);
      if (got === 0) break;
      total += got;
    }
    if (total > maxBytes) throw new Error(`${path} is longer than ${maxBytes} bytes`);
    return content.subarray(0, total);
  } finally {
    closeSync(opened.descriptor);
  }
}
