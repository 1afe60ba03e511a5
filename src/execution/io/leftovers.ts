import type { Clock } from "#base";
import { type AttemptFolder, markerOf } from "./attempt-folder.ts";
import { isRunning, type ProcessIdentity } from "./process-identity.ts";
import { endTree } from "./process-tree.ts";

/** Kills that very process, if it still runs. */
export function killProcess(identity: ProcessIdentity): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, "SIGKILL");
  } catch {
    // It ended between the two calls.
  }
}

/**
 * Ends what an attempt left when its worker died: the worker, if only its socket is gone, and everything that its
 * command started. @returns how many processes could not be ended.
 */
export async function endLeftovers(
  attempt: { readonly folder: AttemptFolder; readonly token: string; readonly identity: ProcessIdentity | undefined },
  clock: Clock,
): Promise<number> {
  const { folder, token, identity } = attempt;
  const claim = folder.readClaim();
  const worker = identity ?? (claim?.token === token ? claim : undefined);
  if (worker !== undefined) killProcess(worker);
  const command = folder.readCommand();
  // Its pid alone would be another process by now, if it ended; the marker finds the rest.
  const leader = command !== undefined && isRunning(command) ? command.pid : undefined;
  return endTree({ leader, marker: markerOf(token), adoptsOrphans: false }, clock);
}

/** A worker whose result was taken has nothing to do any more; five seconds are plenty to exit. */
const LEAVE_TICKS = 5;

/** Workers that were answered and should exit by themselves; those that do not are killed. */
export class Departures {
  #leaving: { readonly identity: ProcessIdentity; ticks: number }[] = [];

  add(identity: ProcessIdentity | undefined): void {
    if (identity !== undefined) this.#leaving.push({ identity, ticks: 0 });
  }

  tick(): void {
    this.#leaving = this.#leaving.filter((leaving) => {
      leaving.ticks += 1;
      if (!isRunning(leaving.identity)) return false;
      if (leaving.ticks > LEAVE_TICKS) killProcess(leaving.identity);
      return true;
    });
  }
}
