/** The files of a folder as they lie there: for a look inside a task's workspace, where no git may be had. */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result, refused } from "#base";
import type { TrackedContents, TrackedFile } from "../scan-repository.ts";

/** What tools make, which no repository tracks. */
const SKIPPED = new Set([
  ".git",
  "node_modules",
  ".venv",
  "venv",
  "__pycache__",
  "target",
  "dist",
  "coverage",
  ".cache",
]);
const MAX_FILES = 50_000;
const MAX_DEPTH = 40;

export type FolderState = { readonly files: readonly TrackedFile[]; readonly contents: TrackedContents };

/** Links are not followed. Refused when there are too many files. */
export function folderState(root: string): Result<FolderState> {
  const files: TrackedFile[] = [];
  const waiting: { readonly path: string; readonly depth: number }[] = [{ path: "", depth: 0 }];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    for (const entry of readdirSync(join(root, folder.path), { withFileTypes: true })) {
      const path = folder.path === "" ? entry.name : `${folder.path}/${entry.name}`;
      if (entry.isDirectory() && !SKIPPED.has(entry.name) && folder.depth < MAX_DEPTH) {
        waiting.push({ path, depth: folder.depth + 1 });
      } else if (entry.isFile()) {
        const { size } = lstatSync(join(root, path));
        files.push({ path, blob: createHash("sha256").update(path).digest("hex"), bytes: size });
      }
      if (files.length > MAX_FILES) {
        return err(refused("limit", `${root} has more than ${MAX_FILES} files`, "Name a folder with fewer"));
      }
    }
  }
  return ok({ files, contents: { text: async ({ path }) => ok(textOf(readFileSync(join(root, path)))) } });
}

function textOf(bytes: Buffer): string | undefined {
  return bytes.includes(0) ? undefined : bytes.toString("utf8");
}
