/** Whether the state folder can be used, is drover's own, and has room. */
import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Finding } from "#cli";
import { finding } from "./finding.ts";

export type StateFolderFacts = {
  readonly dir: string;
  /** The folder, or the nearest above it that is there. */
  readonly place: string;
  readonly isFolder: boolean;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  readonly owner: number;
  /** Undefined on systems without users. */
  readonly user: number | undefined;
  readonly freeBytes: number;
};

/** Enough for databases, logs and a few worktrees. */
const LITTLE_DISK_BYTES = 1024 * 1024 * 1024;
/** Below it the node itself refuses work. */
const NO_DISK_BYTES = 32 * 1024 * 1024;
const ANOTHER = "choose another with --state";

export function stateFolderFindings(facts: StateFolderFacts): readonly Finding[] {
  const { dir, place, isFolder, isWritable, owner, user, freeBytes } = facts;
  if (!isFolder) return [finding("state", "fail", `${place} is not a folder`, `Move it away, or ${ANOTHER}`)];
  const isForeign = place === dir && user !== undefined && owner !== user;
  if (isForeign) {
    const detail = `${dir} belongs to user ${owner}, and this is user ${user}`;
    // Root may write it, and would leave files there that its owner cannot use.
    const remedy = `Run drover as its owner (sudo -u '#${owner}' drover …), or ${ANOTHER}`;
    return [finding("state", isWritable ? "warn" : "fail", detail, remedy)];
  }
  if (!isWritable) {
    return [finding("state", "fail", `${place} cannot be written`, `Give it to this user, or ${ANOTHER}`)];
  }
  const freeMiB = Math.floor(freeBytes / 1024 / 1024);
  if (freeBytes >= LITTLE_DISK_BYTES) return [finding("state", "ok", `${dir}: ${freeMiB} MiB free`)];
  const level = freeBytes < NO_DISK_BYTES ? "fail" : "warn";
  return [finding("state", level, `${dir}: only ${freeMiB} MiB are free`, `Free some space, or ${ANOTHER}`)];
}

export function lookAtStateFolder(dir: string): StateFolderFacts {
  const place = nearestExisting(dir);
  const status = statSync(place);
  const disk = statfsSync(place);
  return {
    dir,
    place,
    isFolder: status.isDirectory(),
    isReadable: may(place, constants.R_OK | constants.X_OK),
    isWritable: may(place, constants.W_OK | constants.X_OK),
    owner: status.uid,
    user: process.getuid?.(),
    freeBytes: disk.bavail * disk.bsize,
  };
}

function may(place: string, mode: number): boolean {
  try {
    accessSync(place, mode);
    return true;
  } catch {
    return false;
  }
}

function nearestExisting(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestExisting(dirname(path));
}
