/** The keys that releases are trusted by. Compiled in by the build (build/compile.ts); run from source there are none. */
import { err, ok, type Result, terminal } from "#base";
import { parseRootKeys, type RootKey } from "#watchdog";

declare const DROVER_ROOT_KEYS: string;

export function compiledRootKeys(): Result<readonly RootKey[]> {
  const text = typeof DROVER_ROOT_KEYS === "string" ? DROVER_ROOT_KEYS : "";
  const parsed = parseRootKeys(text.split(" ").filter((key) => key !== ""));
  return parsed.ok
    ? ok(parsed.value)
    : err(terminal("internal", `compiled in as a root key, but none: ${parsed.error}`));
}
