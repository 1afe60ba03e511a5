import { createLogger, type LogFormat, type Logger, ok, type Result } from "#base";
import type { GlobalOptions } from "#cli";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import type { Config } from "../config/settings.ts";
import { realClock } from "../real-clock.ts";

/** The configuration as this process has it: file, environment, flags. */
export function settingsOf(options: Pick<GlobalOptions, "config">): Result<LoadedConfig> {
  return loadConfig({ file: options.config, env: process.env, cwd: process.cwd(), flags: {} });
}

/** `node.state_dir` of the configuration, for clients that look for the node's address and token. */
export async function configuredStateDir(file: string | undefined): Promise<Result<string | undefined>> {
  const loaded = settingsOf({ config: file });
  if (!loaded.ok) return loaded;
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
