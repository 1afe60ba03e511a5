/** Folders in which goals work that have no repository. */
import { chownSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { err, type GoalId, ok, parseGoalId, type Result, retryable } from "#base";
import { resolveUser } from "#execution";
import type { GoalStore } from "#goals";

/** Looked at in one round; the rest follows with the next. */
const MAX_LOOKED = 1_000;

export function goalFolder(stateDir: string, id: GoalId): string {
  return join(stateDir, "goals", id);
}

/**
 * Of a node that runs as root it belongs to the user of its commands, which never run as root.
 * @param user `sandbox.user`
 * @returns its path. Making it twice is no fault.
 */
export function makeGoalFolder(stateDir: string, id: GoalId, user: string): Result<string> {
  const path = goalFolder(stateDir, id);
  const isRoot = process.getuid?.() === 0;
  const owner = isRoot ? resolveUser(user) : undefined;
  if (owner?.ok === false) return owner;
  try {
    // Passable for others, who see nothing of what is in it.
    mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (owner !== undefined) chownSync(path, owner.value.uid, owner.value.gid);
    return ok(path);
  } catch (cause) {
    return err(retryable("disk_full", `make ${path}: ${String(cause)}`, "Free some space, or check its rights"));
  }
}

/** Removes the folders of goals that are not kept any more. */
export async function removeFoldersOfRemovedGoals(stateDir: string, goals: Pick<GoalStore, "find">): Promise<void> {
  for (const id of idsIn(join(stateDir, "goals"))) {
    const goal = await goals.find(id);
    if (!goal.ok || goal.value !== undefined) continue;
    rmSync(goalFolder(stateDir, id), { recursive: true, force: true });
  }
}

function idsIn(folder: string): readonly GoalId[] {
  try {
    return readdirSync(folder)
      .slice(0, MAX_LOOKED)
      .flatMap((name) => parseGoalId(name) ?? []);
  } catch {
    // None was ever made.
    return [];
  }
}
