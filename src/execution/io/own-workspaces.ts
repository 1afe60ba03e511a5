import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseTaskId, type TaskId } from "#base";
import type { WorkspacePlan } from "../workspace.ts";

/** Looked at in one call; a later call finds the rest once these are gone. */
const MAX_LISTED = 200;

export type OwnWorkspace = { readonly taskId: TaskId; readonly plan: WorkspacePlan };

/** The workspaces that drover made below this state folder, the oldest first. */
export function ownWorkspaces(stateDir: string): readonly OwnWorkspace[] {
  const folder = join(stateDir, "workspaces");
  if (!existsSync(folder)) return [];
  const found: OwnWorkspace[] = [];
  for (const name of readdirSync(folder).sort()) {
    const taskId = parseTaskId(name);
    if (taskId !== undefined) found.push({ taskId, plan: planOf(join(folder, name)) });
    if (found.length >= MAX_LISTED) break;
  }
  return found;
}

/** A worktree has a file `.git` that says where in its repository it is listed: `gitdir: <repo>/.git/worktrees/<name>`. */
function planOf(path: string): WorkspacePlan {
  const link = join(path, ".git");
  if (statSync(link, { throwIfNoEntry: false })?.isFile() !== true) return { kind: "private", path };
  const repo = /^gitdir: (.+?)(?:\/\.git)?\/worktrees\/[^/]+\s*$/.exec(readFileSync(link, "utf8"))?.[1];
  return repo === undefined ? { kind: "private", path } : { kind: "worktree", path, repo };
}
