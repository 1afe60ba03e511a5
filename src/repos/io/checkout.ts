/** A commit's files in a folder of their own, for commands that look at them. */
import { rmSync } from "node:fs";
import type { Result } from "#base";
import { filtersOff } from "./filters.ts";
import { git } from "./git.ts";

/** The folder must not exist. No hook and no filter runs. */
export async function checkOut(gitDir: string, commit: string, folder: string): Promise<Result<void>> {
  const filters = await filtersOff(gitDir);
  if (!filters.ok) return filters;
  const added = await git(gitDir, [...filters.value, "worktree", "add", "--quiet", "--detach", folder, commit], {
    timeoutMs: 10 * 60_000,
  });
  return added.ok ? { ok: true, value: undefined } : added;
}

/** Twice is no fault. */
export async function removeCheckout(gitDir: string, folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  await git(gitDir, ["worktree", "prune"]);
}
