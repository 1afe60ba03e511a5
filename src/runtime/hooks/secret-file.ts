import { readFileSync, statSync } from "node:fs";
import { err, ok, type Result, refused } from "#base";

const MAX_BYTES = 16 * 1024;
/** The new secret and the old one while senders change over, and some room. */
const MAX_SECRETS = 4;
/** 16 random bytes in hexadecimal are 32 characters; fewer than these can be guessed. */
const MIN_CHARS = 16;

/** @returns the secrets in a file, one a line. Read at each use, so that a new one counts at once. */
export function readSecrets(path: string): Result<readonly string[]> {
  const lines = readPrivate(path);
  if (!lines.ok) return lines;
  if (lines.value.length <= MAX_SECRETS && lines.value.every((line) => line.length >= MIN_CHARS)) return lines;
  const what = `${path} must hold at most ${MAX_SECRETS} secrets of ${MIN_CHARS} characters or more, one a line`;
  return err(refused("invalid", what, `Make one: openssl rand -hex 32 > ${path}`));
}

/** @returns the lines of a file that its owner alone may read; a refusal that never says what is in it. */
export function readPrivate(path: string): Result<readonly string[]> {
  try {
    const status = statSync(path);
    if (!status.isFile())
      return err(refused("invalid", `${path} is not a file`, "Name the file that holds the secret"));
    if ((status.mode & 0o077) !== 0) {
      return err(refused("invalid", `${path} can be read by others`, `Make it private: chmod 600 ${path}`));
    }
    const text = status.size > MAX_BYTES ? "" : readFileSync(path, "utf8");
    const lines = text.split("\n").map((line) => line.trim());
    const filled = lines.filter((line) => line !== "");
    if (filled.length > 0) return ok(filled);
    return err(refused("invalid", `${path} holds no secret`, "Put it alone into the file, on one line"));
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown fault";
    return err(refused("not_found", `cannot read ${path} (${code})`, "Check the path and who owns the file"));
  }
}
