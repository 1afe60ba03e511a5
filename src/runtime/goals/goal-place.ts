/** Whether a goal can be worked on where it is to be worked on; said when it is handed in, and not at its first task. */
import { statSync } from "node:fs";
import { err, ok, type Result, refused } from "#base";
import type { FleetNode } from "#fleet";
import type { GoalOrder } from "#goals";
import { findRepository, type Registered } from "#repos";

type PlaceParts = {
  readonly repositories: () => Result<readonly Registered[]>;
  readonly nodes: { all(): readonly Pick<FleetNode, "state">[] };
};

/** On the node that writes goals. @returns a refusal for a place that no node of the fleet can have */
export function checkPlace(
  { repository, workspace }: Pick<GoalOrder, "repository" | "workspace">,
  { repositories, nodes }: PlaceParts,
): Result<void> {
  if (repository !== null) {
    const all = repositories();
    const found = all.ok ? findRepository(all.value, repository) : all;
    return found.ok ? ok(undefined) : found;
  }
  if (workspace === null || isFolder(workspace)) return ok(undefined);
  // Another node may have the folder; which ones do nobody knows here.
  if (nodes.all().filter(({ state }) => state !== "removed").length > 1) return ok(undefined);
  const message = `the workspace ${workspace} is no folder on this node, and there is no other node that could have it`;
  const remedy = "Make the folder, name another one, or leave it out: drover makes one for the goal then";
  return err(refused("invalid", message, remedy));
}

function isFolder(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch {
    return false; // It may not be looked at, or lies below a file.
  }
}
