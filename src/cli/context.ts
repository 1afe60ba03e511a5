import type { Result } from "#base";
import type { Api } from "./connection/api.ts";
import type { CliEnvironment } from "./environment.ts";
import type { Console, Fault } from "./output/console.ts";
import type { Command } from "./parsing/command.ts";

/** What every command's handler is given. */
export type CommandContext = {
  readonly environment: CliEnvironment;
  readonly console: Console;
  readonly commands: readonly Command[];
  /** Finds the node and its token; makes no request yet. */
  readonly connect: () => Promise<Result<Api, Fault>>;
};
