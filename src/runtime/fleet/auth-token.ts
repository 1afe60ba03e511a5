import { readFileSync, statSync } from "node:fs";
import { err, ok, type Result, refused } from "#base";

/** A JSON web token has some hundred bytes. */
const MAX_BYTES = 16 * 1024;

/** Reads the token for store.url. Read for each connection, so that a new one is taken without a restart. */
export function readAuthToken(path: string): Result<string> {
  const what = `store.auth_token_file ${path}`;
  try {
    const status = statSync(path);
    if (!status.isFile()) return err(refused("invalid", `${what} is not a file`, "Name the file that holds the token"));
    if ((status.mode & 0o077) !== 0) {
      return err(refused("invalid", `${what} can be read by others`, `Make it private: chmod 600 ${path}`));
    }
    const text = status.size > MAX_BYTES ? "" : readFileSync(path, "utf8").trim();
    return /^[\x21-\x7e]+$/.test(text)
      ? ok(text)
      : err(refused("invalid", `${what} holds no token`, "Put the token alone into it, on one line"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return err(refused("not_found", `cannot read ${what}: ${reason}`, "Check the path and who owns the file"));
  }
}
