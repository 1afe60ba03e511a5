import { EXIT } from "../exit-codes.ts";
import { type Command, SECTIONS } from "../parsing/command.ts";
import { GLOBAL_OPTIONS } from "../parsing/global-options.ts";
import type { Options } from "../parsing/option.ts";
import { optionTerm, optionText, synopsis } from "./usage.ts";

const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: "done as asked",
  failed: "it could not be done, or a task did not end well",
  usage: "the command line or the configuration is wrong; nothing was done",
  unreachable: "no node answers",
  unhealthy: "the node answers, and says that it is not ready",
  timedOut: "it did not come to its end in the time given",
};

/** @returns the command reference as Markdown, from the table; `docs/operations/commands.md` is this text. */
export function renderCommandReference(commands: readonly Command[]): string {
  const shown = commands.filter(({ hidden }) => !hidden);
  const lines = [
    "# Commands",
    "",
    "<!-- Written by `renderCommandReference()` from the command table; a test compares the two. -->",
    "",
    "`drover COMMAND [OPTIONS]`. Results go to the standard output; progress, hints and errors go to the standard error.",
    "With `--json` the result is one JSON document with the field names of the API, or one document per line for",
    "streams; an error is then one problem document (RFC 9457) on the standard error.",
    "",
    "## Options of every command",
    "",
    ...optionTable(GLOBAL_OPTIONS),
    "",
    "Colour appears on a terminal only. `NO_COLOR` turns it off, `CLICOLOR_FORCE` turns it on anywhere. The token that",
    "opens the API is read from `DROVER_TOKEN`, else from the file `token` in the state directory. The state directory is",
    "the one given, else that of the configuration file, else `/var/lib/drover` for root where it exists, else",
    "`$XDG_STATE_HOME/drover` or `~/.local/state/drover`.",
    "",
    "## Exit codes",
    "",
    "| code | meaning |",
    "|---|---|",
    ...Object.entries(EXIT_MEANINGS).map(([key, meaning]) => `| ${EXIT[key as keyof typeof EXIT]} | ${meaning} |`), // `as`: keys of a record over keyof EXIT
  ];
  for (const section of SECTIONS) {
    const members = shown.filter((one) => one.section === section);
    if (members.length > 0) lines.push("", `## ${section}`, ...members.flatMap(commandEntry));
  }
  return `${lines.join("\n")}\n`;
}

function commandEntry(command: Command): readonly string[] {
  const lines = ["", `### ${command.name}`, "", `${command.summary}.`, "", "```", synopsis(command), "```"];
  for (const note of command.notes) lines.push("", note);
  const words = [
    ...command.arguments.map(({ name, description }) => `| \`${name}\` | ${cell(description)} |`),
    ...(command.rest === undefined ? [] : [`| \`${command.rest.valueName}\` | ${cell(command.rest.description)} |`]),
  ];
  if (words.length > 0) lines.push("", "| argument | |", "|---|---|", ...words);
  if (Object.values(command.options).some(({ hidden }) => hidden !== true))
    lines.push("", ...optionTable(command.options));
  if (command.examples.length > 0) {
    lines.push("", "```sh", ...command.examples.flatMap(({ line, does }) => [`# ${does}`, line]), "```");
  }
  return lines;
}

function optionTable(options: Options): readonly string[] {
  return [
    "| option | |",
    "|---|---|",
    ...Object.entries(options)
      .filter(([, option]) => option.hidden !== true)
      .map(([key, option]) => `| \`${cell(optionTerm(key, option))}\` | ${cell(optionText(option))} |`),
  ];
}

/** A bar would end the cell of a Markdown table. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
