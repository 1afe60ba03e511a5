import { createLogger, err, type Failure, type LogFormat, type Logger, ok, type Result } from "#base";
import { EXIT, type Fault, type GlobalOptions } from "#cli";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import type { Config } from "../config/settings.ts";
import { realClock } from "../real-clock.ts";

/**
 * The configuration as this process has it: file, environment, flags.
 * @returns what is wrong with it ends a command as a wrong command line does: nothing was done, and to start it again
 * as things are would be in vain. The units of install.sh go by that exit code.
 */
export function settingsOf(options: Pick<GlobalOptions, "config">): Result<LoadedConfig, Fault> {
  const loaded = loadConfig({ file: options.config, env: process.env, cwd: process.cwd(), flags: {} });
  return loaded.ok ? loaded : err({ failure: loaded.error, exit: EXIT.usage });
}

/** What is found wrong with a value of the configuration only once it is used ends a command in the same way. */
export function asUsage(failure: Failure): Failure | Fault {
  return failure.code === "invalid" ? { failure, exit: EXIT.usage } : failure;
}

/** `node.state_dir` of the configuration, for clients that look for the node's address and token. */
export async function configuredStateDir(file: string | undefined): Promise<Result<string | undefined>> {
  const loaded = settingsOf({ config: file });
  if (!loaded.ok) return err(loaded.error.failure);
  const dir = loaded.value.config["node.state_dir"];
  return ok(dir === "" ? undefined : dir);
}

/** A log on the standard error: for people on a terminal, JSON lines for machines. */
export function processLogger(config: Config): Logger {
  const asked = config["log.format"];
  const format: LogFormat = asked === "auto" ? (process.stderr.isTTY ? "human" : "json") : asked;
  return createLogger({
    level: config["log.level"],
    format,
    clock: realClock,
    write: (line) => process.stderr.write(`${line}\n`),
  });
}
