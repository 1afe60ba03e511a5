/**
 * Whose child a child is. Orphans among the descendants come to this process once it is their subreaper, or when it is
 * PID 1 of a container. Nobody else takes their exit status, and that of Bun's own children must be left to Bun.
 */
import type { Clock, Timer } from "#base";
import { libc } from "./libc.ts";
import { childrenOf, entryOf } from "./process-table.ts";

/** Zombies cost nothing but their place in the process table; a look costs a fraction of a millisecond. */
const REAP_EVERY_MS = 5_000;

/** Started by this process through Bun, which takes their status. */
const own = new Set<number>();
/** Zombies seen in the last look that are not known as Bun's. */
let suspected: ReadonlySet<number> = new Set();
let isSubreaper = false;

/** Every child that the watchdog starts is told here at once, or it is taken for an orphan: reaped, or ended. */
export function registerOwn(child: { readonly pid: number; readonly exited: Promise<unknown> }): void {
  own.add(child.pid);
  const forget = (): void => void own.delete(child.pid);
  void child.exited.then(forget, forget);
}

export function isOwn(pid: number): boolean {
  return own.has(pid);
}

/**
 * Adopts every orphan among the descendants from now on. To be called once, by a process whose children are all
 * registered. @returns undefined, or in words what will be missed.
 */
export function adoptOrphans(): string | undefined {
  isSubreaper = process.pid === 1 || libc?.becomeSubreaper() === true;
  return isSubreaper
    ? undefined
    : "this system is not Linux: orphans go to its init, so that one which leaves session, group and environment outlives a stop; what processes write is not kept";
}

export function adoptsOrphans(): boolean {
  return isSubreaper;
}

/**
 * Takes the status of orphans that ended. One pid at a time, never waitpid(−1), which would take the status of Bun's
 * children from it. One that nobody registered must be seen twice: Bun takes the status of its own within a turn.
 */
export function reapOrphans(): void {
  const zombies = childrenOf(process.pid).filter((pid) => !own.has(pid) && entryOf(pid)?.isZombie === true);
  for (const pid of zombies) if (suspected.has(pid)) libc?.reap(pid);
  suspected = new Set(zombies);
}

/** @returns what ends it. */
export function startReaper(clock: Clock): () => void {
  let timer: Timer | undefined;
  const look = (): void => {
    reapOrphans();
    timer = clock.after(REAP_EVERY_MS, look);
  };
  look();
  return () => timer?.cancel();
}
