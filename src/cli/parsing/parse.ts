/** argv → a command of the table and its texts. Pure. */
import { err, nearest, ok, type Result } from "#base";
import type { Command, RawInvocation, UsageFault } from "./command.ts";
import { GLOBAL_OPTIONS, readGlobals } from "./global-options.ts";
import { flagName, type Options } from "./option.ts";

export type Parsed =
  | { readonly kind: "run"; readonly command: Command; readonly raw: RawInvocation }
  /** Help was asked for; about the whole when `topic` is empty. */
  | { readonly kind: "help"; readonly topic: readonly string[]; readonly raw: RawInvocation }
  | { readonly kind: "version"; readonly raw: RawInvocation };

export type ParseFault = UsageFault & { readonly command?: Command };

/** A group without a word behind it means this command. */
const GROUP_DEFAULTS: Readonly<Record<string, string>> = { queue: "queue show", endpoints: "endpoints list" };

type Words = {
  readonly positionals: string[];
  readonly texts: Map<string, string[]>;
  rest: string[] | undefined;
  help: boolean;
  version: boolean;
};

export function parseArguments(
  argv: readonly string[],
  commands: readonly Command[],
  env: Readonly<Record<string, string | undefined>>,
): Result<Parsed, ParseFault> {
  const wanted = findCommand(argv, commands);
  const found = wanted.command;
  const words = readWords(argv, { ...found?.options, ...GLOBAL_OPTIONS }, found !== undefined);
  if (!words.ok) return err({ ...words.error, ...(found === undefined ? {} : { command: found }) });
  const { texts, rest, help, version } = words.value;
  const globals = readGlobals(texts, env);
  if (!globals.ok) return globals;
  const args = words.value.positionals.slice(wanted.words);
  const raw: RawInvocation = { texts, args, rest, globals: globals.value };

  if (version) return ok({ kind: "version", raw });
  if (help) return ok({ kind: "help", topic: topicOf(words.value.positionals, found), raw });
  if (found === undefined) {
    if (words.value.positionals.length === 0) return ok({ kind: "help", topic: [], raw });
    return err(unknownCommand(words.value.positionals, commands));
  }
  const fault = countFault(found, raw) ?? argumentFault(found, raw.args);
  if (fault !== undefined) return err({ ...fault, command: found });
  if (found.rest !== undefined || rest === undefined) return ok({ kind: "run", command: found, raw });
  return ok({ kind: "run", command: found, raw: { ...raw, args: [...args, ...rest], rest: undefined } });
}

function topicOf(positionals: readonly string[], found: Command | undefined): readonly string[] {
  return found === undefined ? positionals.slice(0, 2) : found.name.split(" ");
}

/** The command words are the first one or two positionals; only global options may stand between or before them. */
function findCommand(
  argv: readonly string[],
  commands: readonly Command[],
): { readonly command: Command | undefined; readonly words: number } {
  const positionals: string[] = [];
  for (let index = 0; index < argv.length && positionals.length < 2; index += 1) {
    const word = argv[index] ?? "";
    if (word === "--") break;
    if (!word.startsWith("-") || word === "-") positionals.push(word);
    else if (takesValue(word)) index += 1;
  }
  const [first = "", second] = positionals;
  const two = commands.find((one) => one.name === `${first} ${second ?? ""}`);
  if (two !== undefined) return { command: two, words: 2 };
  const one = commands.find(({ name }) => name === first);
  if (one !== undefined) return { command: one, words: 1 };
  const usual = second === undefined ? GROUP_DEFAULTS[first] : undefined;
  return { command: commands.find(({ name }) => name === usual), words: 1 };
}

function takesValue(word: string): boolean {
  const option = lookUp(word, GLOBAL_OPTIONS);
  return option !== undefined && option.option.valueName !== null && !word.includes("=");
}

function lookUp(
  word: string,
  options: Options,
): { readonly key: string; readonly option: Options[string] } | undefined {
  const name = word.split("=", 1)[0] ?? "";
  for (const [key, option] of Object.entries(options)) {
    if (name === flagName(key) || (option.short !== undefined && name === `-${option.short}`)) return { key, option };
  }
  return undefined;
}

function readWords(argv: readonly string[], options: Options, known: boolean): Result<Words, UsageFault> {
  const words: Words = { positionals: [], texts: new Map(), rest: undefined, help: false, version: false };
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? "";
    if (word === "--") {
      words.rest = argv.slice(index + 1);
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      words.positionals.push(word);
      continue;
    }
    if (word === "--help" || word === "-h") {
      words.help = true;
      continue;
    }
    if (word === "--version" || word === "-V") {
      words.version = true;
      continue;
    }
    const found = lookUp(word, options);
    if (found === undefined) {
      // Without a command nobody knows which options there are; the unknown command is the better message.
      if (!known && words.positionals.length > 0) continue;
      return err(unknownOption(word, options));
    }
    const text = valueOf(word, argv[index + 1], found);
    if (!text.ok) return text;
    if (found.option.valueName !== null && !word.includes("=")) index += 1;
    const earlier = words.texts.get(found.key) ?? [];
    if (earlier.length > 0 && found.option.valueName !== null && !found.option.repeatable) {
      return err({ message: `${flagName(found.key)} is given twice`, remedy: "Give it once" });
    }
    words.texts.set(found.key, [...earlier, text.value]);
  }
  return ok(words);
}

function valueOf(
  word: string,
  next: string | undefined,
  { key, option }: { readonly key: string; readonly option: Options[string] },
): Result<string, UsageFault> {
  const cut = word.indexOf("=");
  if (option.valueName === null) {
    return cut < 0
      ? ok("true")
      : err({ message: `${flagName(key)} takes no value`, remedy: `Write ${flagName(key)} alone` });
  }
  if (cut >= 0) return ok(word.slice(cut + 1));
  // A value that begins with a dash is far more often a forgotten value; `--name=-x` says it plainly.
  if (next === undefined || (next.startsWith("-") && next !== "-")) {
    return err({ message: `${flagName(key)} needs a value`, remedy: `Write ${flagName(key)} ${option.valueName}` });
  }
  return ok(next);
}

function unknownOption(word: string, options: Options): UsageFault {
  const name = word.split("=", 1)[0] ?? word;
  const meant = nearest(name, [...Object.keys(options).map(flagName), "--help", "--version"]);
  return {
    message: `unknown option ${name}`,
    remedy: meant === undefined ? undefined : `Did you mean ${meant}?`,
  };
}

function unknownCommand(positionals: readonly string[], commands: readonly Command[]): UsageFault {
  const [first = "", second] = positionals;
  const shown = commands.filter(({ hidden }) => !hidden);
  const group = shown
    .filter(({ name }) => name.startsWith(`${first} `))
    .map(({ name }) => name.slice(first.length + 1));
  if (group.length > 0) {
    const meant = second === undefined ? undefined : nearest(second, group);
    return {
      message: second === undefined ? `${first} needs a second word` : `unknown command ${first} ${second}`,
      remedy: meant === undefined ? `Use one of: ${group.join(", ")}` : `Did you mean ${first} ${meant}?`,
    };
  }
  const firsts = [...new Set(shown.flatMap(({ name }) => [name, name.split(" ")[0] ?? ""]))];
  const meant = nearest(first, firsts);
  return { message: `unknown command ${first}`, remedy: meant === undefined ? undefined : `Did you mean ${meant}?` };
}

function countFault(found: Command, raw: RawInvocation): UsageFault | undefined {
  const given = found.rest === undefined ? [...raw.args, ...(raw.rest ?? [])] : raw.args;
  const needed = found.arguments.filter(({ optional }) => optional !== true);
  const missing = needed[given.length];
  if (missing !== undefined) return { message: `${found.name} needs ${missing.name}`, remedy: missing.description };
  const unlimited = found.arguments.some(({ variadic }) => variadic === true);
  if (unlimited || given.length <= found.arguments.length) return undefined;
  const extra = given[found.arguments.length] ?? "";
  return {
    message: `${found.name} does not take "${extra}"`,
    remedy: found.rest === undefined ? undefined : `Put -- in front of ${found.rest.valueName}`,
  };
}

/** What stands in a path of the API must be something: an empty id would ask for the list instead. */
function argumentFault(found: Command, args: readonly string[]): UsageFault | undefined {
  for (const [index, given] of args.entries()) {
    const argument = found.arguments[index] ?? found.arguments.at(-1);
    if (argument === undefined) return undefined;
    const { name, description, choices, mayBeEmpty } = argument;
    if (given === "" && mayBeEmpty !== true) return { message: `${name} must not be empty`, remedy: description };
    if (choices === undefined || choices.includes(given)) continue;
    const meant = nearest(given, choices);
    return {
      message: `${name} must be one of ${choices.join(", ")}, not "${given}"`,
      remedy: meant === undefined ? undefined : `Did you mean ${meant}?`,
    };
  }
  return undefined;
}
