import { type Failure, retryable, terminal } from "#base";

/** @returns the errno name of a system error (`ENOENT`), or undefined. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Turns a system error into the failure its consequence asks for; `action` says what was being done. */
export function systemFailure(error: unknown, action: string): Failure {
  const code = errorCode(error);
  const message = `${action}: ${error instanceof Error ? error.message : String(error)}`;
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return retryable("disk_full", message, "Free space on that disk");
    case "EROFS":
      return terminal("read_only", message, "Mount it writable or choose another folder");
    case "EACCES":
    case "EPERM":
      return terminal("unavailable", message, "Give the user that runs drover access to it");
    case "ENOENT":
    case "ENOTDIR":
      return terminal("not_found", message, "Check the path");
    case "EMFILE":
    case "ENFILE":
    case "EAGAIN":
    case "ENOMEM":
      return retryable("limit", message, "Raise the limits of open files, processes or memory, or run fewer tasks");
    case undefined:
    default:
      return retryable("internal", message);
  }
}
