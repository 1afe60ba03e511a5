/** Help texts, from the command table. Pure. */
import type { Terminal } from "../output/terminal.ts";
import { paint } from "../output/terminal.ts";
import { padEnd, widthOf } from "../output/text.ts";
import { type Command, SECTIONS } from "../parsing/command.ts";
import { GLOBAL_OPTIONS } from "../parsing/global-options.ts";
import { flagName, type Options } from "../parsing/option.ts";

/** Text is wrapped here even on a wider terminal: longer lines are hard to read. */
const WIDEST = 100;

/** `drover task add [OPTIONS] [-- COMMAND ARG…]`. */
export function synopsis(command: Command): string {
  const words = command.arguments.map((argument) => {
    const name = argument.variadic === true ? `${argument.name}…` : argument.name;
    return argument.optional === true ? `[${name}]` : name;
  });
  const options = Object.values(command.options).some(({ hidden }) => hidden !== true) ? ["[OPTIONS]"] : [];
  const rest = command.rest === undefined ? [] : [`[-- ${command.rest.valueName}]`];
  return ["drover", command.name, ...options, ...words, ...rest].join(" ");
}

/** `-q, --quiet` or `--state DIR`; a repeatable one ends in an ellipsis. */
export function optionTerm(key: string, option: Options[string]): string {
  const short = option.short === undefined ? "" : `-${option.short}, `;
  const value = option.valueName === null ? "" : ` ${option.valueName}`;
  return `${short}${flagName(key)}${value}${option.repeatable ? " …" : ""}`;
}

/** The description, then what stands in when the option is absent. */
export function optionText(option: Options[string]): string {
  const extras = [
    ...(option.shownDefault === undefined ? [] : [`default: ${option.shownDefault}`]),
    ...(option.env === undefined ? [] : [`or ${option.env}`]),
  ];
  return extras.length === 0 ? option.description : `${option.description} (${extras.join("; ")})`;
}

/** @returns the lines of `drover help`. */
export function overview(commands: readonly Command[], terminal: Terminal): readonly string[] {
  const shown = commands.filter(({ hidden }) => !hidden);
  const width = Math.max(...shown.map(({ name }) => widthOf(name)));
  const lines = [
    "drover takes tasks, runs them and proves each result.",
    "",
    heading("Usage", terminal),
    "  drover COMMAND [OPTIONS]",
  ];
  for (const section of SECTIONS) {
    const members = shown.filter((one) => one.section === section);
    if (members.length === 0) continue;
    lines.push(
      "",
      heading(section, terminal),
      ...members.flatMap(({ name, summary }) => entry(name, summary, width, terminal)),
    );
  }
  lines.push("", heading("Options of every command", terminal), ...optionLines(GLOBAL_OPTIONS, terminal));
  lines.push("", "More about one of them: drover help COMMAND");
  return lines;
}

/** @returns the lines of `drover help GROUP`: the commands that begin with this word. */
export function groupOverview(group: string, commands: readonly Command[], terminal: Terminal): readonly string[] {
  const members = commands.filter(({ name, hidden }) => !hidden && name.startsWith(`${group} `));
  const width = Math.max(...members.map(({ name }) => widthOf(name)));
  return [
    heading("Usage", terminal),
    `  drover ${group} COMMAND [OPTIONS]`,
    "",
    heading("Commands", terminal),
    ...members.flatMap(({ name, summary }) => entry(name, summary, width, terminal)),
    "",
    `More about one of them: drover help ${group} COMMAND`,
  ];
}

/** @returns the lines of `drover help COMMAND`. */
export function commandHelp(command: Command, terminal: Terminal): readonly string[] {
  const lines = [...wrap(`${command.summary}.`, "", terminal)];
  for (const note of command.notes) lines.push("", ...wrap(note, "", terminal));
  lines.push("", heading("Usage", terminal), `  ${synopsis(command)}`);
  const words = [
    ...command.arguments.map(({ name, description }) => [name, description] as const),
    ...(command.rest === undefined ? [] : [[command.rest.valueName, command.rest.description] as const]),
  ];
  if (words.length > 0) {
    const width = Math.max(...words.map(([name]) => widthOf(name)));
    lines.push(
      "",
      heading("Arguments", terminal),
      ...words.flatMap(([name, text]) => entry(name, text, width, terminal)),
    );
  }
  const own = optionLines(command.options, terminal);
  if (own.length > 0) lines.push("", heading("Options", terminal), ...own);
  lines.push("", heading("Options of every command", terminal), ...optionLines(GLOBAL_OPTIONS, terminal));
  if (command.examples.length > 0) lines.push("", heading("Examples", terminal));
  for (const { line, does } of command.examples) lines.push(`  ${line}`, ...wrap(does, "      ", terminal));
  return lines;
}

function heading(text: string, terminal: Terminal): string {
  return paint(terminal, "strong", text);
}

function optionLines(options: Options, terminal: Terminal): readonly string[] {
  const shown = Object.entries(options).filter(([, option]) => option.hidden !== true);
  const width = Math.min(34, Math.max(0, ...shown.map(([key, option]) => widthOf(optionTerm(key, option)))));
  return shown.flatMap(([key, option]) => entry(optionTerm(key, option), optionText(option), width, terminal));
}

/** A term and its text beside it, or below it when the term is too long. */
function entry(term: string, text: string, width: number, terminal: Terminal): readonly string[] {
  const indent = " ".repeat(width + 4);
  const [first = "", ...more] = wrap(text, indent, terminal);
  if (widthOf(term) > width) return [`  ${term}`, first, ...more];
  return [`  ${padEnd(term, width)}  ${first.trimStart()}`, ...more];
}

function wrap(text: string, indent: string, terminal: Terminal): readonly string[] {
  const columns = Math.max(40, Math.min(WIDEST, terminal.columns ?? WIDEST));
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(" ")) {
    if (line.trim() !== "" && widthOf(line) + 1 + widthOf(word) > columns) {
      lines.push(line);
      line = indent;
    }
    line += line === indent ? word : ` ${word}`;
  }
  return [...lines, line];
}
