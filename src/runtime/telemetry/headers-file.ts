import { readFileSync, statSync } from "node:fs";
import { err, ok, type Result, refused } from "#base";

const MAX_BYTES = 16 * 1024;
const MAX_HEADERS = 20;
const LINE = /^([A-Za-z0-9-]{1,64}):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)$/;

/** Headers, one on a line, as in a request; read for each one, so that a new key is taken without a restart. */
export function readHeadersFile(path: string): Result<Readonly<Record<string, string>>> {
  if (path === "") return ok({});
  const what = `telemetry.otlp.headers_file ${path}`;
  try {
    const status = statSync(path);
    if (!status.isFile())
      return err(refused("invalid", `${what} is not a file`, "Name the file that holds the headers"));
    if ((status.mode & 0o077) !== 0) {
      return err(refused("invalid", `${what} can be read by others`, `Make it private: chmod 600 ${path}`));
    }
    const text = status.size > MAX_BYTES ? "?" : readFileSync(path, "utf8");
    const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
    const pairs = lines.slice(0, MAX_HEADERS).map((line) => LINE.exec(line));
    if (pairs.length === 0 || lines.length > MAX_HEADERS || pairs.some((pair) => pair === null)) {
      return err(refused("invalid", `${what} holds no headers`, "Write one on a line: Authorization: Basic …"));
    }
    return ok(Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? "", pair?.[2] ?? ""])));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return err(refused("not_found", `cannot read ${what}: ${reason}`, "Check the path and who owns the file"));
  }
}
