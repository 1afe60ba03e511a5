import { existsSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseTaskId, type TaskId } from "#base";
import type { WorkspacePlan } from "../workspace.ts";
import { readBounded } from "./atomic-file.ts";

/** Looked at in one call; the next goes on after them. */
const MAX_LISTED = 200;
/** A path, and a word before it. */
const MAX_LINK_BYTES = 8_192;

export type OwnWorkspace = { readonly taskId: TaskId; readonly plan: WorkspacePlan };

/**
 * Some of the workspaces that drover made below this state folder, the oldest first.
 * @param after where the call before ended, so that those that stay do not hide younger ones
 */
export function ownWorkspaces(stateDir: string, after: TaskId | undefined): readonly OwnWorkspace[] {
  const folder = join(stateDir, "workspaces");
  if (!existsSync(folder)) return [];
  const found: OwnWorkspace[] = [];
  for (const name of readdirSync(folder).sort()) {
    const taskId = parseTaskId(name);
    if (taskId !== undefined && (after === undefined || taskId > after))
      found.push({ taskId, plan: planOf(join(folder, name)) });
    if (found.length >= MAX_LISTED) break;
  }
  return found;
}

/** A worktree has a file `.git` that says where in its repository it is listed: `gitdir: <repo>/.git/worktrees/<name>`. */
function planOf(path: string): WorkspacePlan {
  const repo = /^gitdir: (.+?)(?:\/\.git)?\/worktrees\/[^/]+\s*$/.exec(linkText(join(path, ".git")))?.[1];
  return repo === undefined ? { kind: "private", path } : { kind: "worktree", path, repo };
}

/** A task may have put anything there: links in a circle, a pipe, a file without rights. Then it is no worktree. */
function linkText(path: string): string {
  try {
    if (!lstatSync(path).isFile()) return "";
    return readBounded(path, MAX_LINK_BYTES) ?? "";
  } catch {
    return "";
  }
}
