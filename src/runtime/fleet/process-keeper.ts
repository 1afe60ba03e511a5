/** Who keeps the processes of a node alive: its watchdog, or the node itself where it stands alone. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Clock, type Logger, ok, type Random, type Result } from "#base";
import { awaitInstanceLock, KeptProcesses } from "#watchdog";
import type { WatchdogLink } from "../watchdog-link.ts";
import type { ProcessKeeper } from "./server.ts";
import { dataFolderOf } from "./server-process.ts";

/** They get this long to end, with this node. */
const STOP_LIMIT_MS = 15_000;

const KEEPS_NOTHING: ProcessKeeper = { keep: () => undefined, close: () => Promise.resolve() };

/** What the watchdog keeps outlives this node, and the watchdog ends it after the last one. */
export function watchdogKeeper(link: WatchdogLink): ProcessKeeper {
  return { keep: (processes, listener) => link.keep(processes, listener), close: () => Promise.resolve() };
}

/**
 * With the same rules as the watchdog's, and under its lock: what an earlier node left behind is taken over, or ended,
 * and what another drover keeps on this folder is not touched.
 */
export async function ownKeeper(parts: {
  readonly stateDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly isHub: boolean;
}): Promise<Result<ProcessKeeper>> {
  // A node that never was a hub has nothing to look for.
  if (!parts.isHub && !existsSync(dataFolderOf(parts.stateDir))) return ok(KEEPS_NOTHING);
  const lock = await awaitInstanceLock(join(parts.stateDir, "watchdog.lock"), parts.clock);
  if (!lock.ok) return lock;
  const kept = new KeptProcesses(parts);
  return ok({
    keep: (processes, listener) => kept.want(processes, listener),
    close: async () => {
      await kept.stop(STOP_LIMIT_MS);
      lock.value.release();
    },
  });
}
