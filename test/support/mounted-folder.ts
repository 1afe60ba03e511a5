import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type MountedFolder = {
  readonly path: string;
  /** Root is not stopped by file modes, only by the mount itself. */
  readonly makeReadOnly: () => void;
  readonly makeWritable: () => void;
  readonly remove: () => void;
};

/** @returns a file system of its own with that many bytes, or undefined where this process may not mount one. */
export function mountedFolder(bytes: number): MountedFolder | undefined {
  const path = mkdtempSync(join(tmpdir(), "drover-mount-"));
  const mount = (...args: readonly string[]): boolean => spawnSync("mount", args, { stdio: "ignore" }).status === 0;
  if (!mount("-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", path)) {
    rmSync(path, { recursive: true, force: true });
    return undefined;
  }
  const remount = (mode: string): void => {
    if (!mount("-o", `remount,${mode}`, path)) throw new Error(`cannot remount ${path} as ${mode}`);
  };
  return {
    path,
    makeReadOnly: () => remount("ro"),
    makeWritable: () => remount("rw"),
    remove: () => {
      spawnSync("umount", ["-l", path]);
      rmSync(path, { recursive: true, force: true });
    },
  };
}
