/**
 * What may stand in a copy of a source. Pure: entries in, the first fault out.
 *
 * S1: nothing in the copy leads out of it, whatever links lead to each other.
 * S2: it has an end: files, bytes, depth.
 * S3: changes name files below the copy, and none of git's own or of the dependencies.
 */
import { type Failure, refused } from "#base";

/** Ten times drover's own source, and a copy within seconds. */
export const MAX_TREE_FILES = 20_000;
export const MAX_TREE_BYTES = 512 * 1024 * 1024;
export const MAX_TREE_DEPTH = 40;
/** Folders that are not copied: dependencies are linked, and what git and builds keep is not source. */
const LEFT_OUT = new Set([".git", "node_modules"]);
const LEFT_OUT_ON_TOP = new Set(["dist", ".cache"]);

export type TreeEntry = {
  /** Below the root, with `/` between its parts. */
  readonly path: string;
  readonly kind: "file" | "folder" | "link" | "other";
  readonly bytes: number;
  /** Of a link, as it is written. */
  readonly target?: string;
};

export type TreeTotals = { readonly files: number; readonly bytes: number };
export const EMPTY_TREE: TreeTotals = { files: 0, bytes: 0 };

export function isLeftOut(path: string): boolean {
  const parts = path.split("/");
  return LEFT_OUT.has(parts.at(-1) ?? "") || (parts.length === 1 && LEFT_OUT_ON_TOP.has(path));
}

/** @returns the totals with this entry, or why the tree is not taken. */
export function judgeEntry(
  totals: TreeTotals,
  entry: TreeEntry,
): { readonly ok: true; readonly value: TreeTotals } | { readonly ok: false; readonly error: Failure } {
  const fault = entryFault(entry);
  if (fault !== undefined) return { ok: false, error: refused("invalid", `the source: ${entry.path} ${fault}`) };
  const value = { files: totals.files + 1, bytes: totals.bytes + entry.bytes };
  if (value.files > MAX_TREE_FILES || value.bytes > MAX_TREE_BYTES) {
    const message = `the source has more than ${MAX_TREE_FILES} files or ${MAX_TREE_BYTES / 1024 / 1024} MiB`;
    return { ok: false, error: refused("too_large", message, "Name the folder of drover's source alone") };
  }
  return { ok: true, value };
}

function entryFault({ path, kind, target = "" }: TreeEntry): string | undefined {
  if (path.split("/").length > MAX_TREE_DEPTH) return `lies deeper than ${MAX_TREE_DEPTH} folders`;
  if (kind === "other") return "is neither file nor folder nor link";
  return kind === "link" && leadsOut(path, target) ? `is a link that leads out of it, to ${target}` : undefined;
}

/**
 * S1. A `..` behind a name is refused whatever it amounts to: the name may be a link, and then `..` is somewhere else
 * than it seems. Those at the beginning are counted from the folder of the link itself, which is none.
 */
export function leadsOut(path: string, target: string): boolean {
  if (target.startsWith("/")) return true;
  let above = path.split("/").length - 1;
  let hasName = false;
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") hasName = true;
    else if (hasName || above === 0) return true;
    else above -= 1;
  }
  return false;
}

/** S3. @returns what is wrong with the path of a change; undefined when nothing is. */
export function pathFault(path: string): string | undefined {
  const parts = path.split("/");
  if (path.startsWith("/") || path.includes("\\") || path.includes("\0")) return "is no path below the source";
  if (parts.some((part) => part === "" || part === "." || part === "..")) return "is no path below the source";
  if (parts.some((part) => LEFT_OUT.has(part.toLowerCase()))) return "is git's, or a dependency's";
  return parts.length > MAX_TREE_DEPTH ? `lies deeper than ${MAX_TREE_DEPTH} folders` : undefined;
}
