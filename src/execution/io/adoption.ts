import type { AttemptRef } from "../attempt.ts";
import type { PoolEntry } from "./pool-entry.ts";
import { identify, isRunning } from "./process-identity.ts";

/** What a node found of the attempts that an earlier one launched. */
export type Adoption = {
  readonly adopted: readonly AttemptRef[];
  readonly finished: readonly AttemptRef[];
  readonly lost: readonly AttemptRef[];
};

/** What became of an attempt that an earlier node launched. Of an adopted one, the entry learns its process. */
export async function fateOf(entry: PoolEntry): Promise<keyof Adoption> {
  if (entry.folder.readResult() !== undefined) return "finished";
  const node = identify(process.pid);
  // Where no worker has claimed the attempt yet, this claim keeps one that comes late from executing it.
  if (node !== undefined && (await entry.folder.claim(node, ""))) return "lost";
  const claim = entry.folder.readClaim();
  if (claim === undefined || claim.token !== entry.token || !isRunning(claim)) {
    // It may have written its result between our two looks, and ended.
    return entry.folder.readResult() === undefined ? "lost" : "finished";
  }
  entry.identity = { pid: claim.pid, startTicks: claim.startTicks, bootId: claim.bootId };
  return "adopted";
}
