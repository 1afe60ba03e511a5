import { err, type Failure, ok, type Result, retryable, terminal } from "#base";

/**
 * Faults of disk and file, as failures by what the caller can do.
 *
 * @returns undefined when `error` is no fault of the storage: a constraint, a bug.
 */
export function storageFailure(error: unknown, action: string): Failure | undefined {
  if (!(error instanceof Error)) return undefined;
  const message = `${action}: ${error.message}`;
  const code = errorCode(error);
  const base = /^SQLITE_[A-Z]+/.exec(code)?.[0] ?? code;
  switch (base) {
    case "SQLITE_FULL":
    case "ENOSPC":
    case "EDQUOT":
      return retryable(
        "disk_full",
        message,
        "Free space on the disk of the state directory; the work goes on by itself",
      );
    case "SQLITE_READONLY":
    case "EROFS":
    case "EACCES":
    case "EPERM":
      return terminal("read_only", message, "Make the state directory writable for the user that runs drover");
    case "SQLITE_CORRUPT":
    case "SQLITE_NOTADB":
      return terminal("corrupt", message, "Stop drover and restore a backup: drover restore FILE");
    case "SQLITE_BUSY":
    case "SQLITE_LOCKED":
    case "SQLITE_PROTOCOL":
      return retryable("unavailable", message, "Another program holds the database; close it");
    case "SQLITE_IOERR":
    case "EIO":
      return retryable("unavailable", message, "Check the disk of the state directory (dmesg, smartctl)");
    case "STORE_CLOSED":
      return retryable("unavailable", `${action}: the store is closed`, "Drover is stopping; try again when it runs");
    case "EEXIST":
    case "ENOTDIR":
    case "EISDIR":
      return terminal(
        "unavailable",
        message,
        "A file lies where a folder has to be, or the other way round: move it away",
      );
    case "SQLITE_NOMEM":
    case "SQLITE_CANTOPEN":
    case "ENOENT":
    case "EMFILE":
    case "ENFILE":
      return retryable("unavailable", message, "Check that the state directory exists and is readable");
    default:
      // The binding reports a file that it cannot open without a code.
      return error.message.includes("Unable to open connection")
        ? retryable("unavailable", message, "Check that the state directory exists and is writable")
        : undefined;
  }
}

function errorCode(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

/** Faults of file and disk become failures; anything else is a bug and goes on as an exception. */
export function onStorage<T>(action: string, act: () => T): Result<T> {
  try {
    return ok(act());
  } catch (cause) {
    const failure = storageFailure(cause, action);
    if (failure === undefined) throw cause;
    return err(failure);
  }
}
