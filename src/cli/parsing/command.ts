import { err, ok, type Result } from "#base";
import type { CommandContext } from "../context.ts";
import type { GlobalOptions } from "../environment.ts";
import { flagName, type Options, type Values } from "./option.ts";

export type Argument = {
  readonly name: string;
  readonly description: string;
  readonly optional?: boolean;
  /** Takes all that follow; only the last may. */
  readonly variadic?: boolean;
  /** Everything else is refused; completion offers them. */
  readonly choices?: readonly string[];
  /** An empty text is a value of its own. */
  readonly mayBeEmpty?: boolean;
};

export type Example = { readonly line: string; readonly does: string };

/** What a handler is called with. */
export type Invocation<V> = {
  readonly options: V;
  readonly args: readonly string[];
  /** What followed `--`; undefined when there was no `--`. */
  readonly rest: readonly string[] | undefined;
  readonly globals: GlobalOptions;
};

export type Handler<V> = (invocation: Invocation<V>, context: CommandContext) => Promise<number>;

/** Headings of the command list, in its order. */
export const SECTIONS = [
  "Node",
  "Fleet",
  "Releases",
  "Goals",
  "Tasks",
  "Queue",
  "Mind",
  "Models",
  "Repositories",
  "Webhooks and notices",
  "Figures",
  "Alerts and decisions",
  "State and configuration",
  "This program",
] as const;
export type Section = (typeof SECTIONS)[number];

type Description<O extends Options> = {
  /** One or two words. */
  readonly name: string;
  readonly section: Section;
  /** One line, a verb first, without a full stop. */
  readonly summary: string;
  readonly arguments?: readonly Argument[];
  /** What may follow `--`; without it, `--` only ends the options. */
  readonly rest?: { readonly valueName: string; readonly description: string };
  readonly options?: O;
  /** Paragraphs below the summary. */
  readonly notes?: readonly string[];
  readonly examples?: readonly Example[];
  /** Works, but is not listed. */
  readonly hidden?: boolean;
  /** The handler's module is loaded only when the command runs, so that `help` and `--version` stay quick. */
  readonly load: () => Promise<Handler<Values<O>>>;
};

/** The texts of an invocation, sorted by option key, before they are understood. */
export type RawInvocation = {
  readonly texts: ReadonlyMap<string, readonly string[]>;
  readonly args: readonly string[];
  readonly rest: readonly string[] | undefined;
  readonly globals: GlobalOptions;
};

export type UsageFault = { readonly message: string; readonly remedy: string | undefined };

/** A row of the command table. */
export type Command = {
  readonly name: string;
  readonly section: Section;
  readonly summary: string;
  readonly arguments: readonly Argument[];
  readonly rest: { readonly valueName: string; readonly description: string } | undefined;
  readonly options: Options;
  readonly notes: readonly string[];
  readonly examples: readonly Example[];
  readonly hidden: boolean;
  /** Understands the texts. @returns the call, ready to be made. */
  readonly prepare: (raw: RawInvocation) => Result<(context: CommandContext) => Promise<number>, UsageFault>;
};

/** Makes a row of the table; the handler sees the options with their types. */
export function command<O extends Options>(description: Description<O>): Command {
  const { load, options, ...rest } = description;
  return {
    name: rest.name,
    section: rest.section,
    summary: rest.summary,
    arguments: rest.arguments ?? [],
    rest: rest.rest,
    options: options ?? {},
    notes: rest.notes ?? [],
    examples: rest.examples ?? [],
    hidden: rest.hidden ?? false,
    prepare: (raw) => {
      const values = readOptions(options ?? {}, raw.texts);
      if (!values.ok) return values;
      // `as`: readOptions puts under each key of O what the option under that key read.
      const invocation = { ...raw, options: values.value as Values<O> };
      return ok(async (context) => (await load())(invocation, context));
    },
  };
}

/** @returns the value of each option by its key, or the first fault. */
export function readOptions(
  options: Options,
  texts: ReadonlyMap<string, readonly string[]>,
): Result<Readonly<Record<string, unknown>>, UsageFault> {
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(options)) {
    const read = option.read(texts.get(key) ?? []);
    if (!read.ok) return err({ message: `${flagName(key)} ${read.error}`, remedy: undefined });
    values[key] = read.value;
  }
  return ok(values);
}
