import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { type Clock, err, ok, type Result, refused, sleep, terminal } from "#base";
import { libc } from "./libc.ts";

export type InstanceLock = {
  readonly release: () => void;
};

const LIMIT_MS = 300;
const POLL_MS = 10;

/**
 * As {@link takeInstanceLock}, once more for a moment: a child of a watchdog that was just killed has its lock for some
 * milliseconds, until it has become its program.
 */
export async function awaitInstanceLock(path: string, clock: Clock): Promise<Result<InstanceLock>> {
  const endMs = clock.monotonicMs() + LIMIT_MS;
  for (;;) {
    const lock = takeInstanceLock(path);
    if (lock.ok || lock.error.code !== "in_use" || clock.monotonicMs() > endMs) return lock;
    await sleep(clock, POLL_MS);
  }
}

/**
 * One watchdog per state folder. The lock (flock(2)) belongs to the open file: it ends with its owner, however that
 * ends, and no child has it (close-on-exec). The file holds the owner's pid, for whoever is refused.
 *
 * @param path of the lock file; it stays, because removing it would let two hold locks on two files of one name
 */
export function takeInstanceLock(path: string): Result<InstanceLock> {
  if (libc === undefined) {
    return err(terminal("unsupported", `lock ${path}: this system offers no flock`, "Run the watchdog on Linux"));
  }
  const { lockFile, closeOnExec } = libc;
  try {
    const descriptor = openSync(path, "a+", 0o600);
    if (!lockFile(descriptor)) {
      const owner = readFileSync(path, "latin1").trim();
      closeSync(descriptor);
      const message = `another watchdog runs on this state folder${owner === "" ? "" : ` (pid ${owner})`}`;
      return err(refused("in_use", message, "Stop it with drover down, or name another folder with --state"));
    }
    closeOnExec(descriptor, true);
    ftruncateSync(descriptor);
    writeSync(descriptor, `${process.pid}\n`);
    return ok({ release: () => closeSync(descriptor) });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return err(terminal("unavailable", `lock ${path}: ${reason}`, "Make the state folder writable for this user"));
  }
}
