import { err, InvariantBroken, ok } from "#base";
import { COMMANDS } from "./commands.ts";
import type { CommandContext } from "./context.ts";
import type { CliEnvironment, GlobalOptions } from "./environment.ts";
import { EXIT } from "./exit-codes.ts";
import { Console } from "./output/console.ts";
import type { Command, UsageFault } from "./parsing/command.ts";
import { type Parsed, parseArguments } from "./parsing/parse.ts";

/** Carries out one command line. @returns the exit code; expected faults are printed, never thrown. */
export async function runCli(argv: readonly string[], environment: CliEnvironment): Promise<number> {
  const parsed = parseArguments(argv, COMMANDS, environment.env);
  if (!parsed.ok) return usageFault(parsed.error, environment, argv);
  const { globals } = parsed.value.raw;
  const console = consoleOf(environment, globals);
  const context: CommandContext = {
    environment,
    console,
    commands: COMMANDS,
    connect: async () => {
      const { locate } = await import("./connection/locate.ts");
      const location = await locate(environment, globals);
      if (!location.ok) return err(location.error);
      const { Api } = await import("./connection/api.ts");
      return ok(new Api(environment, location.value));
    },
  };
  return perform(parsed.value, context);
}

/** Field by field: spreading the environment would read `interrupted`, and with that take the signals from `up`. */
function consoleOf(
  { stdout, stderr, env }: CliEnvironment,
  { json, quiet, noColor }: Pick<GlobalOptions, "json" | "quiet" | "noColor">,
): Console {
  return new Console({ stdout, stderr, env, json, quiet, noColor });
}

async function perform(parsed: Parsed, context: CommandContext): Promise<number> {
  switch (parsed.kind) {
    case "version": {
      const { showVersion } = await import("./commands/this-program.ts");
      return showVersion(context);
    }
    case "help": {
      const { showHelp } = await import("./commands/this-program.ts");
      return showHelp(parsed.topic, context);
    }
    case "run": {
      const call = parsed.command.prepare(parsed.raw);
      if (!call.ok)
        return usageFault({ ...call.error, command: parsed.command }, context.environment, [], context.console);
      return guarded(() => call.value(context), context.console);
    }
  }
}

/** The service boundary: a bug is reported once, as a bug, and ends this command alone. */
async function guarded(call: () => Promise<number>, console: Console): Promise<number> {
  try {
    return await call();
  } catch (cause) {
    const what = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    const broken = cause instanceof InvariantBroken ? "a rule of its own was broken" : "an unexpected error";
    return console.fail({
      kind: "terminal",
      code: "internal",
      message: `${broken}: ${what}`,
      remedy: "This is a fault in drover; report it with the text above",
    });
  }
}

function usageFault(
  fault: UsageFault & { readonly command?: Command },
  environment: CliEnvironment,
  argv: readonly string[],
  known?: Console,
): number {
  const console =
    known ??
    consoleOf(environment, { json: argv.includes("--json"), quiet: false, noColor: argv.includes("--no-color") });
  const group = COMMANDS.some(({ name }) => name.startsWith(`${argv[0]} `)) ? ` ${argv[0]}` : "";
  const topic = fault.command === undefined ? `drover help${group}` : `drover help ${fault.command.name}`;
  console.fail({
    kind: "refused",
    code: "invalid",
    message: fault.message,
    remedy: fault.remedy === undefined ? `See: ${topic}` : `${fault.remedy} (see: ${topic})`,
  });
  return EXIT.usage;
}
