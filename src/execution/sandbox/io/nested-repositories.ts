/**
 * Repositories deeper in a workspace: checkouts of dependencies, submodules. They are kept by their baseline alone, in
 * every mode: a read-only mount within one would keep a command from deleting it.
 */
import { type Dirent, readdirSync } from "node:fs";
import { join } from "node:path";
import { type GuardedRepository, protectionOf } from "./repository-layout.ts";

/** Folders from the workspace to the repository: `vendor/host/owner/name`, and some more. */
export const MAX_NESTED_DEPTH = 6;
/** Each costs two writes to disk before the first command, and some twenty looks at it before each. */
export const MAX_NESTED_REPOSITORIES = 32;
/** A tree of packages has tens of thousands; the nearest are seen first. */
const MAX_SEARCHED_FOLDERS = 20_000;
/** Once for each attempt; a slow disk must not hold it up. A single folder is read to its end. */
const MAX_SEARCH_MS = 250;

/** @returns the nearest ones first, as far as the limits reach. Folders that cannot be read are passed over. */
export function findNestedRepositories(workspace: string): readonly GuardedRepository[] {
  const found: GuardedRepository[] = [];
  const endMs = performance.now() + MAX_SEARCH_MS;
  let level: readonly string[] = [workspace];
  let searched = 0;
  for (let depth = 0; depth <= MAX_NESTED_DEPTH && level.length > 0; depth += 1) {
    const next: string[] = [];
    for (const folder of level) {
      searched += 1;
      if (searched > MAX_SEARCHED_FOLDERS || performance.now() > endMs) return found;
      const entries = entriesOf(folder);
      const git = depth === 0 ? undefined : entries.find(({ name }) => name === ".git");
      const nested = git === undefined ? undefined : guardedBy(git, folder, workspace);
      if (nested !== undefined) found.push(nested);
      if (found.length === MAX_NESTED_REPOSITORIES) return found;
      for (const entry of entries) {
        if (entry.isDirectory() && entry.name !== ".git") next.push(join(folder, entry.name));
      }
    }
    level = next;
  }
  return found;
}

/** A `.git` that is a file leads elsewhere, of a submodule to the workspace's own repository: the lead is what is kept. */
function guardedBy(git: Dirent, folder: string, workspace: string): GuardedRepository | undefined {
  const path = join(folder, ".git");
  if (git.isFile()) return { gitDir: null, watched: [path], nestedIn: workspace };
  if (!git.isDirectory()) return undefined;
  const { watched } = protectionOf({ kind: "folder", gitDir: path });
  return { gitDir: path, watched, nestedIn: workspace };
}

function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}
