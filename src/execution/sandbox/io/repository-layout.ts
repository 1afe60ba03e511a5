/**
 * Where git keeps what belongs to a workspace. A workspace was perhaps written by a task, so nothing in it is believed:
 * a `.git` file leads somewhere only when that place names the workspace in return, which no task can arrange.
 */
import { lstatSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

export type RepositoryLayout =
  /** No repository, or one that is not used: a symbolic link, a broken file. */
  | { readonly kind: "none" }
  | { readonly kind: "folder"; readonly gitDir: string }
  /** A linked worktree: `gitDir` is its own part, `commonDir` the repository it belongs to. */
  | { readonly kind: "worktree"; readonly gitFile: string; readonly gitDir: string; readonly commonDir: string };

/** A path and a word before it. */
const MAX_POINTER_BYTES = 8_192;

/** @param workspace canonical */
export function findRepository(workspace: string): RepositoryLayout {
  const path = join(workspace, ".git");
  const kind = kindOf(path);
  if (kind === "folder") return { kind: "folder", gitDir: path };
  if (kind !== "file") return { kind: "none" };
  const gitDir = pointer(path, /^gitdir: (.+?)\s*$/, workspace);
  if (gitDir === undefined || gitDir.startsWith(`${workspace}/`)) return { kind: "none" };
  const backLink = pointer(join(gitDir, "gitdir"), /^(.+?)\s*$/, gitDir);
  const commonDir = pointer(join(gitDir, "commondir"), /^(.+?)\s*$/, gitDir);
  if (commonDir === undefined || backLink === undefined || backLink !== path) return { kind: "none" };
  return { kind: "worktree", gitFile: path, gitDir, commonDir };
}

/** @returns the canonical path that a small file names, or undefined. */
function pointer(file: string, form: RegExp, base: string): string | undefined {
  try {
    if (kindOf(file) !== "file" || lstatSync(file).size > MAX_POINTER_BYTES) return undefined;
    const target = form.exec(readFileSync(file, "utf8"))?.[1];
    if (target === undefined) return undefined;
    const path = resolve(base, target);
    // The last step stays as it is: for the link back it is the `.git` file itself.
    return join(realpathSync(dirname(path)), path.slice(dirname(path).length).replace(/^\//, ""));
  } catch {
    return undefined;
  }
}

function kindOf(path: string): "folder" | "file" | "other" {
  try {
    const stat = lstatSync(path);
    return stat.isDirectory() ? "folder" : stat.isFile() ? "file" : "other";
  } catch {
    return "other";
  }
}

/** Parts of a git folder that make git run programs, or lead it to a configuration elsewhere. */
const STEERING_PARTS = ["config", "config.worktree", "commondir", "hooks", "modules", "worktrees"];

export type RepositoryProtection = {
  /** Must not be renamed or replaced. */
  readonly pinned: readonly string[];
  /** Must not be written, as far as they exist. */
  readonly readOnly: readonly string[];
  /** Outside the workspace, and needed to read. */
  readonly readable: readonly string[];
  /** Outside the workspace, and needed to write: the worktree's own index and HEAD. */
  readonly writable: readonly string[];
  /** Compared after each command, whether they exist or not. */
  readonly watched: readonly string[];
};

/** A repository whose steering files are as before when a command has ended. */
export type GuardedRepository = {
  /** Its git folder, which is a folder again afterwards; null where that lies outside the workspace. */
  readonly gitDir: string | null;
  /** Absolute paths, whether they exist or not. */
  readonly watched: readonly string[];
  /** The workspace, of a repository deeper in it: that may be deleted, and folders on the way to it replaced. */
  readonly nestedIn: string | null;
};

/** @returns the path by which git finds the repository: its folder, or the file that leads to it. */
export function placeOf({ gitDir, watched }: GuardedRepository): string {
  return gitDir ?? watched[0] ?? "";
}

/** What to protect. In a worktree objects and references of the repository are readable only: no commit from inside. */
export function protectionOf(layout: RepositoryLayout): RepositoryProtection {
  switch (layout.kind) {
    case "none":
      return { pinned: [], readOnly: [], readable: [], writable: [], watched: [] };
    case "folder": {
      const parts = STEERING_PARTS.map((name) => join(layout.gitDir, name));
      return { pinned: [layout.gitDir], readOnly: parts, readable: [], writable: [], watched: parts };
    }
    case "worktree": {
      const own = ["commondir", "gitdir", "config.worktree"].map((name) => join(layout.gitDir, name));
      return {
        pinned: [],
        readOnly: [layout.gitFile, ...own],
        readable: [layout.commonDir],
        writable: [layout.gitDir],
        watched: [layout.gitFile, ...own],
      };
    }
  }
}
