/** How this executable starts parts of itself, and where its state is. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { err, ok, type Result, refused } from "#base";
import { defaultStateDir } from "#cli";
import type { Config } from "./config/settings.ts";

/**
 * The command line of a part of this program. Compiled, the executable is the program; from source, Bun is, and the
 * first argument is the file.
 */
export function ownCommand(part: string): readonly string[] {
  const script = process.argv[1] ?? "";
  return script.startsWith("/$bunfs/") || script === "" ? [process.execPath, part] : [process.execPath, script, part];
}

/** `--state` or DROVER_STATE, then the configuration, then the usual place. */
export function stateDirOf(given: string | undefined, config: Config): Result<string> {
  if (given !== undefined && given !== "") return ok(resolve(given));
  const configured = config["node.state_dir"];
  if (configured !== "") return ok(resolve(configured));
  const usual = defaultStateDir(process.env, process.getuid?.() === 0, existsSync);
  if (usual !== undefined) return ok(usual);
  return err(
    refused(
      "invalid",
      "there is no place for the state: neither HOME nor XDG_STATE_HOME is set",
      "Name a folder with --state",
    ),
  );
}
