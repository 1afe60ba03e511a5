/** The keys that releases are trusted by. Compiled in by the build (build/compile.ts); run from source there are none. */
import { err, ok, type Result, terminal } from "#base";
import { parseRootKeys, type RootKey } from "#watchdog";
import type { Config } from "./config/settings.ts";

declare const DROVER_ROOT_KEYS: string;

/** Compiled in and configured; a configured one that is none is left out, which `drover up` refuses and doctor tells. */
export function trustedRoots(config: Pick<Config, "update.public_keys">): readonly RootKey[] {
  const [compiled, configured] = [compiledRootKeys(), parseRootKeys(config["update.public_keys"])];
  return [...(compiled.ok ? compiled.value : []), ...(configured.ok ? configured.value : [])];
}

export function compiledRootKeys(): Result<readonly RootKey[]> {
  const text = typeof DROVER_ROOT_KEYS === "string" ? DROVER_ROOT_KEYS : "";
  const parsed = parseRootKeys(text.split(" ").filter((key) => key !== ""));
  return parsed.ok
    ? ok(parsed.value)
    : err(terminal("internal", `compiled in as a root key, but none: ${parsed.error}`));
}
