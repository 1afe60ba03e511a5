/**
 * The folder that the commands of an attempt have for themselves, `<state>/private/<task>-<attempt>/`. Its worker makes
 * it and removes it; of a worker that was killed the node removes it, before the attempt's own folder goes: so a node
 * that dies in between finds it again.
 */
import { existsSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "#base";
import type { AttemptRef } from "../attempt.ts";
import { removePrivateFolder } from "../sandbox/io/private-folder.ts";
import { restoreBaseline } from "../sandbox/io/repository-baseline.ts";
import { readBaselines } from "../sandbox/io/repository-baseline-file.ts";
import { AttemptFolder } from "./attempt-folder.ts";
import { systemFailure } from "./system-failure.ts";

type Attempt = Pick<AttemptRef, "taskId" | "attempt">;

export function privateFolderOf(stateDir: string, { taskId, attempt }: Attempt): string {
  return join(privateRoot(stateDir), `${taskId}-${attempt}`);
}

/**
 * Puts back what steers git in the workspace of an attempt whose worker was killed: to be called when none of its
 * processes runs any more, and before the attempt is reported, so that nothing uses the workspace in between. Never
 * throws: failing to is logged.
 */
export function restoreRepositories(stateDir: string, attempt: Attempt, logger: Logger): void {
  const folder = privateFolderOf(stateDir, attempt);
  try {
    const paths = readBaselines(folder).flatMap(restoreBaseline);
    if (paths.length > 0)
      logger.warn("a command of a lost attempt changed what steers git; that was undone", { ...attempt, paths });
  } catch (error) {
    logger.error("put back what steers git", { error: systemFailure(error, `read baselines in ${folder}`).message });
  }
}

/** Removes what is left of an attempt none of whose processes run any more. Never throws: failing to is logged. */
export function removePrivateLeftovers(stateDir: string, attempt: Attempt, logger: Logger): Promise<void> {
  return removeSlowly(privateFolderOf(stateDir, attempt), logger);
}

/** Removes private folders without an attempt: of a copied state folder, or that could not be removed before. */
export async function sweepPrivateFolders(stateDir: string, logger: Logger): Promise<void> {
  const root = privateRoot(stateDir);
  for (const name of namesIn(root, logger)) {
    // A worker makes its private folder after its attempt folder is there: without that one nobody uses it.
    if (!existsSync(join(AttemptFolder.root(stateDir), name))) await removeSlowly(join(root, name), logger);
  }
}

function privateRoot(stateDir: string): string {
  return join(stateDir, "private");
}

function namesIn(folder: string, logger: Logger): readonly string[] {
  try {
    return existsSync(folder) ? readdirSync(folder) : [];
  } catch (error) {
    logger.error("list private folders", { error: systemFailure(error, `list ${folder}`).message });
    return [];
  }
}

/** Off the node's own thread: a command may have left hundreds of thousands of files. */
async function removeSlowly(path: string, logger: Logger): Promise<void> {
  if (!existsSync(path)) return;
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    // Where commands have no user of their own, one may have taken the rights to its folders away from us too.
    const removed = removePrivateFolder(path);
    if (!removed.ok) logger.error("remove what an attempt left", { error: removed.error.message });
  }
}
