/** Commands about drover itself: help, version, completion. No node is needed. */
import { nearest } from "#base";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { completionScript, SHELLS } from "../help/completion.ts";
import { commandHelp, groupOverview, overview } from "../help/usage.ts";
import type { Handler } from "../parsing/command.ts";

export function showVersion({ console, environment }: CommandContext): number {
  const { version, commit, target } = environment;
  if (console.json) console.document({ version, commit, target });
  else console.line(`drover ${version} (${commit}, ${target})`);
  return EXIT.ok;
}

/** @param topic no word: all commands; one: a group or a command; two: a command. */
export function showHelp(topic: readonly string[], { console, commands }: CommandContext): number {
  const name = topic.join(" ");
  const found = commands.find((one) => one.name === name);
  const grouped = commands.some((one) => !one.hidden && one.name.startsWith(`${name} `));
  if (name === "") return print(overview(commands, console.out), console);
  if (found !== undefined) return print(commandHelp(found, console.out), console);
  if (grouped) return print(groupOverview(name, commands, console.out), console);
  const known = commands.filter(({ hidden }) => !hidden).flatMap((one) => [one.name, one.name.split(" ")[0] ?? ""]);
  const meant = nearest(name, [...new Set(known)]);
  console.fail({
    kind: "refused",
    code: "invalid",
    message: `there is no command ${name}`,
    remedy: meant === undefined ? "See: drover help" : `Did you mean ${meant}? (see: drover help ${meant})`,
  });
  return EXIT.usage;
}

function print(lines: readonly string[], console: CommandContext["console"]): number {
  for (const line of lines) console.line(line);
  return EXIT.ok;
}

export const help: Handler<object> = ({ args }, context) => Promise.resolve(showHelp(args, context));

export const version: Handler<object> = (_invocation, context) => Promise.resolve(showVersion(context));

export const completion: Handler<object> = ({ args }, { console, commands }) => {
  const [asked = ""] = args;
  const shell = SHELLS.find((one) => one === asked);
  if (shell === undefined) {
    console.fail({
      kind: "refused",
      code: "invalid",
      message: `there is no completion for "${asked}"`,
      remedy: `Use one of: ${SHELLS.join(", ")}`,
    });
    return Promise.resolve(EXIT.usage);
  }
  console.raw(completionScript(shell, commands));
  return Promise.resolve(EXIT.ok);
};
