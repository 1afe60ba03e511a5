/**
 * What steered git in one repository before a command, and how that is put back. Nothing here believes what the command
 * left: each path is looked at without following links, and what lies there now is removed, not written through.
 */
import {
  type BigIntStats,
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { errorCode } from "../../io/system-failure.ts";
import type { GuardedRepository } from "./repository-layout.ts";

export type Owner = { readonly mode: number; readonly uid: number; readonly gid: number };

export type Entry =
  | { readonly kind: "absent" }
  | { readonly kind: "file"; readonly signature: string; readonly bytes: Uint8Array; readonly owner: Owner }
  | { readonly kind: "link"; readonly signature: string; readonly target: string }
  | {
      readonly kind: "folder";
      readonly signature: string;
      readonly owner: Owner;
      readonly names: ReadonlySet<string>;
      /** Whether names that were not there before are removed. */
      readonly closed: boolean;
    };

export type RepositoryBaseline = GuardedRepository & { readonly entries: ReadonlyMap<string, Entry> };

/** @returns the paths that had been changed and are as before again; those that could not be put back, marked so. */
export function restoreBaseline({ gitDir, isNested, entries }: RepositoryBaseline): readonly string[] {
  const changed: string[] = [];
  const attempt = (path: string, action: () => boolean): void => {
    try {
      if (action()) changed.push(path);
    } catch (error) {
      changed.push(`${path} (could not be put back: ${error instanceof Error ? error.message : String(error)})`);
    }
  };
  if (gitDir !== null) {
    attempt(dirname(gitDir), () => becomePassable(dirname(gitDir)));
    // A command may delete or move a repository that lies in its workspace; then there is nothing to put back.
    if (isNested && isGone(gitDir)) return changed;
    attempt(gitDir, () => becomeFolder(gitDir));
  }
  for (const [path, entry] of entries) attempt(path, () => putBack(path, entry));
  return changed;
}

/** @returns whether something had to be done. */
function putBack(path: string, entry: Entry): boolean {
  const stat = statOf(path);
  if (entry.kind === "absent") {
    if (stat === undefined) return false;
    removeAll(path);
    return true;
  }
  if (stat !== undefined && signatureOf(stat) === entry.signature) return false;
  switch (entry.kind) {
    case "folder":
      return restoreFolder(path, entry, stat);
    case "link":
      removeAll(path);
      symlinkSync(entry.target, path);
      return true;
    case "file":
      return restoreFile(path, entry, stat);
  }
}

function restoreFolder(
  path: string,
  entry: Extract<Entry, { kind: "folder" }>,
  stat: BigIntStats | undefined,
): boolean {
  if (stat?.isDirectory() !== true) {
    removeAll(path);
    mkdirSync(path);
    adopt(path, entry.owner);
    return true;
  }
  // Before its names are read: without the right to read a folder git still runs the hooks in it.
  const isOtherMode = (Number(stat.mode) & 0o7777) !== (entry.owner.mode & 0o7777);
  if (isOtherMode) adopt(path, entry.owner);
  const extra = entry.closed ? readdirSync(path).filter((name) => !entry.names.has(name)) : [];
  for (const name of extra) removeAll(`${path}/${name}`);
  // Missing names have entries of their own. A changed time alone is no change.
  return isOtherMode || extra.length > 0;
}

function restoreFile(path: string, entry: Extract<Entry, { kind: "file" }>, stat: BigIntStats | undefined): boolean {
  const isSame =
    stat?.isFile() === true &&
    Number(stat.mode) === entry.owner.mode &&
    stat.size === BigInt(entry.bytes.length) &&
    Buffer.compare(readFileSync(path), entry.bytes) === 0;
  if (isSame) return false;
  // A new file under its own name, then renamed: never through what lies there now.
  const fresh = `${path}.drover-restored`;
  removeAll(fresh);
  writeFileSync(fresh, entry.bytes, { flag: "wx", mode: 0o600 });
  adopt(fresh, entry.owner);
  if (stat?.isDirectory() === true) removeAll(path);
  renameSync(fresh, path);
  return true;
}

function adopt(path: string, owner: Owner): void {
  if (process.getuid?.() === 0) chownSync(path, owner.uid, owner.gid);
  chmodSync(path, owner.mode & 0o7777);
}

/** A `.git` that was replaced by a link or a file would lead everything below elsewhere. */
function becomeFolder(path: string): boolean {
  const stat = statOf(path);
  if (stat?.isDirectory() === true) return becomePassable(path);
  const owner = statOf(dirname(path));
  rmSync(path, { force: true });
  mkdirSync(path);
  if (owner !== undefined && process.getuid?.() === 0) chownSync(path, Number(owner.uid), Number(owner.gid));
  return true;
}

/** Where commands have no user of their own they can take our rights to a folder away, and hide behind that. */
function becomePassable(folder: string): boolean {
  const stat = statOf(folder);
  if (stat?.isDirectory() !== true || (Number(stat.mode) & 0o700) === 0o700) return false;
  chmodSync(folder, (Number(stat.mode) & 0o7777) | 0o700);
  return true;
}

function removeAll(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    openUp(path);
    rmSync(path, { recursive: true, force: true });
  }
}

/** Gives this user the rights to a folder and all folders in it. */
export function openUp(folder: string): void {
  const waiting = [folder];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    chmodSync(path, 0o700);
    for (const name of readdirSync(path)) {
      if (lstatSync(`${path}/${name}`).isDirectory()) waiting.push(`${path}/${name}`);
    }
  }
}

function isGone(path: string): boolean {
  return statOf(path) === undefined;
}

/** @returns undefined where nothing is. */
export function statOf(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Changes with every write, replacement and change of rights: the change time cannot be set by a program. */
export function signatureOf(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}:${stat.mode}:${stat.size}:${stat.ctimeNs}`;
}

export function ownerOf(stat: BigIntStats): Owner {
  return { mode: Number(stat.mode), uid: Number(stat.uid), gid: Number(stat.gid) };
}
