import type { Result } from "#base";
import type { GlobalOptions } from "../environment.ts";
import { readOptions, type UsageFault } from "./command.ts";
import { flag, type Options, text } from "./option.ts";

/** Options that stand before or after any command. */
export const GLOBAL_OPTIONS = {
  json: flag("Print one JSON document, or one per line for streams, as the API gives it"),
  config: text("FILE", "Configuration file", { env: "DROVER_CONFIG" }),
  state: text("DIR", "State directory of the node", { env: "DROVER_STATE" }),
  url: text("URL", "Address of the node's API", { env: "DROVER_URL", shownDefault: "from the state directory" }),
  noColor: flag("Do not colour the output; NO_COLOR does the same"),
  quiet: flag("Do not print progress and hints", { short: "q" }),
} as const satisfies Options;

/** Variables whose option is absent stand in; an empty variable counts as absent. */
export function readGlobals(
  texts: ReadonlyMap<string, readonly string[]>,
  env: Readonly<Record<string, string | undefined>>,
): Result<GlobalOptions, UsageFault> {
  const filled = new Map(texts);
  for (const [key, option] of Object.entries<Options[string]>(GLOBAL_OPTIONS)) {
    const fallback = option.env === undefined ? undefined : env[option.env];
    if (!filled.has(key) && fallback !== undefined && fallback !== "") filled.set(key, [fallback]);
  }
  // `as`: GLOBAL_OPTIONS has exactly the fields of GlobalOptions, and readOptions keeps each option's type.
  return readOptions(GLOBAL_OPTIONS, filled) as Result<GlobalOptions, UsageFault>;
}
