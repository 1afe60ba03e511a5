/**
 * Opens files of a workspace that must not lead out of it. Checking a path and opening it afterwards loses against a
 * link that is exchanged in between; so the file is opened first, and where it really lies is asked of the open
 * descriptor (/proc/self/fd on Linux; elsewhere the path is resolved, which leaves that window).
 */
import { closeSync, constants, fstatSync, openSync, readlinkSync, realpathSync, type Stats } from "node:fs";
import { relative, resolve, sep } from "node:path";
import { err, ok, type Result } from "#base";
import { errorCode } from "./system-failure.ts";

const onLinux = process.platform === "linux";
/** Only a place, no right to read (open(2)); Linux has it, node's constants do not. */
const O_PATH = 0o10000000;

export type ConfinedFile = { readonly fd: number; readonly stat: Stats };

/**
 * Opens `path` inside `workspace` for reading, or with `placeOnly` just to see that it is there.
 * @returns the open file, to be closed by the caller, or why not, naming the path as it was given.
 */
export function openConfined(
  workspace: string,
  path: string,
  placeOnly: boolean,
): Result<ConfinedFile, { readonly missing: boolean; readonly reason: string }> {
  const target = resolve(workspace, path);
  if (!isWithin(resolve(workspace), target)) return denied(`${path} is outside the workspace`);
  // NONBLOCK: opening a FIFO must not wait for its writer.
  const mode = placeOnly && onLinux ? O_PATH : constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
  let fd: number;
  try {
    fd = openSync(target, mode);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return err({ missing: true, reason: `${path} does not exist` });
    return denied(`${path} cannot be opened: ${code ?? String(error)}`);
  }
  const real = onLinux ? readlinkSync(`/proc/self/fd/${fd}`) : realpathSync(target);
  if (!isWithin(realpathSync(workspace), real)) {
    closeSync(fd);
    return denied(`${path} leads out of the workspace through a symbolic link`);
  }
  return ok({ fd, stat: fstatSync(fd) });
}

function denied(reason: string): Result<never, { readonly missing: boolean; readonly reason: string }> {
  return err({ missing: false, reason });
}

function isWithin(folder: string, target: string): boolean {
  const path = relative(folder, target);
  return path === "" || !(path === ".." || path.startsWith(`..${sep}`));
}
