import { type Refusal, refuse } from "../refusal.ts";

/** @returns the errno name of a system error (`ENOENT`), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Turns a system error into the refusal its consequence asks for; `action` says what was being done. */
export function releaseFailure(error: unknown, action: string): Refusal {
  const message = `${action}: ${error instanceof Error ? error.message : String(error)}`;
  switch (errnoOf(error)) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return refuse("no_space", message);
    case "EROFS":
    case "EACCES":
    case "EPERM":
      return refuse("folder_read_only", message);
    case "ELOOP":
      return refuse("link_in_the_way", message);
    case "ENOENT":
      return refuse("file_missing", message);
    case undefined:
    default:
      return refuse("unusable", message);
  }
}
