import { createLogger, err, type Failure, type LogFormat, type Logger, ok, type Result } from "#base";
import { EXIT, type Fault, type GlobalOptions } from "#cli";
import { readFleetSettings } from "../config/fleet-settings-file.ts";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import type { Config, SettingPath } from "../config/settings.ts";
import { stateDirOf } from "../program.ts";
import { realClock } from "../real-clock.ts";

/**
 * The configuration as this process has it: file, environment, flags.
 * @returns what is wrong with it ends a command as a wrong command line does: nothing was done, and to start it again
 * as things are would be in vain. The units of install.sh go by that exit code.
 */
export function settingsOf(options: Pick<GlobalOptions, "config" | "state">): Result<LoadedConfig, Fault> {
  const sources = { file: options.config, env: process.env, cwd: process.cwd(), flags: {} };
  const own = loadConfig(sources);
  if (!own.ok) return err({ failure: own.error, exit: EXIT.usage });
  // Where the state lies is a matter of the node alone, and what its fleet says lies there.
  const stateDir = stateDirOf(options.state, own.value.config);
  const fleet = stateDir.ok ? readFleetSettings(stateDir.value) : new Map<SettingPath, unknown>();
  const loaded = fleet.size === 0 ? own : loadConfig({ ...sources, fleet });
  return loaded.ok ? loaded : err({ failure: loaded.error, exit: EXIT.usage });
}

/** What is found wrong with a value of the configuration only once it is used ends a command in the same way. */
export function asUsage(failure: Failure): Failure | Fault {
  return failure.code === "invalid" ? { failure, exit: EXIT.usage } : failure;
}

/** `node.state_dir` of the configuration, for clients that look for the node's address and token. */
export async function configuredStateDir(file: string | undefined): Promise<Result<string | undefined>> {
  const loaded = settingsOf({ config: file, state: undefined });
  if (!loaded.ok) return err(loaded.error.failure);
  const dir = loaded.value.config["node.state_dir"];
  return ok(dir === "" ? undefined : dir);
}

/** A log on the standard error: for people on a terminal, JSON lines for machines. */
export function processLogger(config: Config, write = toStandardError): Logger {
  const asked = config["log.format"];
  const format: LogFormat = asked === "auto" ? (process.stderr.isTTY ? "human" : "json") : asked;
  return createLogger({
    get level() {
      return config["log.level"];
    },
    format,
    clock: realClock,
    write,
  });
}

function toStandardError(line: string): void {
  process.stderr.write(`${line}\n`);
}
