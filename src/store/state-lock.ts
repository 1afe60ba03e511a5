import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result, refused } from "#base";
import { openBare } from "./connection.ts";
import { storageFailure } from "./storage-failure.ts";

const LOCK_FILE = "drover.lock";
/** Apart from the lock: reading the locked file itself would drop the lock of the process that reads it. */
const OWNER_FILE = "drover.pid";

export type StateLock = { readonly release: () => void };

/**
 * Takes a state directory for this process alone. The lock is SQLite's own exclusive lock on an empty file: the
 * kernel drops it when the process ends, however it ends, and no child inherits it. (An advisory `flock` would be
 * kept by every worker that inherits the descriptor.)
 */
export function lockStateDirectory(dir: string): Result<StateLock> {
  try {
    const lock = openBare(join(dir, LOCK_FILE));
    try {
      lock.exec("PRAGMA locking_mode = EXCLUSIVE");
      lock.exec("BEGIN EXCLUSIVE");
    } catch (cause) {
      lock.close();
      throw cause;
    }
    writeFileSync(join(dir, OWNER_FILE), `${process.pid}\n`);
    return ok({
      release: () => {
        rmSync(join(dir, OWNER_FILE), { force: true });
        lock.close();
      },
    });
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && String(cause.code).startsWith("SQLITE_BUSY")) {
      return err(
        refused(
          "in_use",
          `the state directory ${dir} is used by another drover${ownerText(dir)}`,
          "Stop it first (drover down), or choose another directory with --state DIR",
        ),
      );
    }
    const failure = storageFailure(cause, `lock ${dir}`);
    if (failure === undefined) throw cause;
    return err(failure);
  }
}

function ownerText(dir: string): string {
  try {
    const pid = Number.parseInt(readFileSync(join(dir, OWNER_FILE), "utf8"), 10);
    return Number.isSafeInteger(pid) ? ` (process ${pid})` : "";
  } catch {
    return ""; // it took the lock this very moment and has not written its number yet
  }
}
