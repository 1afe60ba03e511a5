/**
 * What steered git in one repository before a command, and how that is put back. Nothing here believes what the command
 * left: each path is looked at without following links, and what lies there now is removed, not written through.
 */
import {
  type BigIntStats,
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, relative } from "node:path";
import { errorCode } from "../../io/system-failure.ts";
import { type GuardedRepository, placeOf } from "./repository-layout.ts";

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
export function restoreBaseline(baseline: RepositoryBaseline): readonly string[] {
  const { gitDir, nestedIn, entries } = baseline;
  const changed: string[] = [];
  const attempt: Attempt = (path, action) => {
    try {
      if (action()) changed.push(path);
    } catch (error) {
      changed.push(`${path} (could not be put back: ${error instanceof Error ? error.message : String(error)})`);
    }
  };
  if (nestedIn !== null) {
    // A command may delete or move a repository that lies in its workspace; then there is nothing to put back.
    if (entries.size === 0 || !isOnItsWay(placeOf(baseline), nestedIn, attempt)) return changed;
  } else if (gitDir !== null) {
    attempt(dirname(gitDir), () => becomePassable(dirname(gitDir)));
  }
  if (gitDir !== null) attempt(gitDir, () => becomeFolder(gitDir));
  for (const [path, entry] of entries) attempt(path, () => putBack(path, entry));
  return changed;
}

/** Of the owner: to read, write and pass a folder, or to pass it alone. */
const ALL_RIGHTS = 0o700;
const SEARCHABLE = 0o100;

type Attempt = (path: string, action: () => boolean) => void;

/**
 * Looks at every folder from the workspace to a nested repository, since a link among them leads elsewhere. A link that
 * leads to another repository is removed: it stands where a person expects the one that was there.
 * @returns whether something is there, with no link on the way
 */
function isOnItsWay(place: string, nestedIn: string, attempt: Attempt): boolean {
  for (const folder of foldersTo(place, nestedIn)) {
    const stat = statOf(folder);
    if (stat?.isSymbolicLink() === true && existsSync(place)) {
      attempt(folder, () => {
        unlinkSync(folder);
        return true;
      });
    }
    if (stat?.isDirectory() !== true) return false;
    attempt(folder, () => becomePassable(folder, SEARCHABLE));
  }
  return statOf(place) !== undefined;
}

/** @returns whether a nested repository can be read where it is: no link on the way, and of the kind that it was. */
export function liesInPlace(repository: GuardedRepository & { readonly nestedIn: string }): boolean {
  const { gitDir, nestedIn } = repository;
  const place = placeOf(repository);
  if (foldersTo(place, nestedIn).some((folder) => statOf(folder)?.isDirectory() !== true)) return false;
  const stat = statOf(place);
  return gitDir === null ? stat?.isFile() === true : stat?.isDirectory() === true;
}

/** @returns the workspace and every folder between it and the place, the outermost first. */
function foldersTo(place: string, nestedIn: string): readonly string[] {
  const steps = relative(nestedIn, dirname(place)).split("/");
  return [nestedIn, ...steps.map((_, index) => `${nestedIn}/${steps.slice(0, index + 1).join("/")}`)];
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
  becomePassable(dirname(path));
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
  becomePassable(dirname(path));
  const owner = statOf(dirname(path));
  rmSync(path, { force: true });
  mkdirSync(path);
  if (owner !== undefined && process.getuid?.() === 0) chownSync(path, Number(owner.uid), Number(owner.gid));
  return true;
}

/** Where commands have no user of their own they can take our rights to a folder away, and hide behind that. */
function becomePassable(folder: string, rights = ALL_RIGHTS): boolean {
  const stat = statOf(folder);
  if (stat?.isDirectory() !== true || (Number(stat.mode) & rights) === rights) return false;
  chmodSync(folder, (Number(stat.mode) & 0o7777) | rights);
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

/** Half of what Linux takes as one path (PATH_MAX): a name more always fits. */
const MAX_OPENED_PATH_BYTES = 2_048;

/**
 * Gives this user the rights to a folder that is about to be removed, and to all folders in it. What lies too deep for a
 * path is moved up: a command goes as deep as it likes, step by step.
 */
export function openUp(folder: string): void {
  const waiting = [folder];
  let moved = 0;
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    chmodSync(path, 0o700);
    let place = path;
    if (Buffer.byteLength(path) > MAX_OPENED_PATH_BYTES) {
      do {
        place = `${folder}/.drover-moved-${moved}`;
        moved += 1;
      } while (statOf(place) !== undefined);
      renameSync(path, place);
    }
    for (const name of readdirSync(place)) {
      if (lstatSync(`${place}/${name}`).isDirectory()) waiting.push(`${place}/${name}`);
    }
  }
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
