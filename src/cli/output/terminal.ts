import type { TextOutput } from "../environment.ts";

/** What the place a text is written to can show. */
export type Terminal = {
  readonly isTerminal: boolean;
  /** Width that lines must fit; undefined when they may be of any length (a file, a pipe). */
  readonly columns: number | undefined;
  readonly colour: boolean;
  /** Whether characters beyond ASCII may be used for lines and bars. */
  readonly unicode: boolean;
};

/** What a colour says, so that themes change in one place. */
export type Tone = "strong" | "faint" | "good" | "warn" | "bad" | "busy";

const CODES: Readonly<Record<Tone, string>> = {
  strong: "1",
  faint: "2",
  good: "32",
  warn: "33",
  bad: "31",
  busy: "36",
};

/** A terminal whose width nobody knows. */
const USUAL_COLUMNS = 80;

/**
 * Colour: `--no-color` and NO_COLOR (no-color.org: any value but the empty one) turn it off, CLICOLOR_FORCE turns it
 * on anywhere, otherwise only a terminal that is not dumb has it.
 */
export function describeTerminal(
  output: Pick<TextOutput, "isTerminal" | "columns">,
  env: Readonly<Record<string, string | undefined>>,
  noColor: boolean,
): Terminal {
  const set = (name: string): boolean => (env[name] ?? "") !== "";
  const forced = set("CLICOLOR_FORCE") && env["CLICOLOR_FORCE"] !== "0";
  const capable = output.isTerminal && env["TERM"] !== "dumb" && env["CLICOLOR"] !== "0";
  const given = Number.parseInt(env["COLUMNS"] ?? "", 10);
  return {
    isTerminal: output.isTerminal,
    columns: output.isTerminal ? (output.columns ?? (given > 0 ? given : USUAL_COLUMNS)) : undefined,
    colour: !noColor && !set("NO_COLOR") && (forced || capable),
    unicode: output.isTerminal && isUtf8(env),
  };
}

/** The first of LC_ALL, LC_CTYPE, LANG that is set decides (POSIX.1-2024, 8.2). */
function isUtf8(env: Readonly<Record<string, string | undefined>>): boolean {
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find((value) => value !== undefined && value !== "");
  return locale !== undefined && /utf-?8/i.test(locale);
}

export function paint(terminal: Terminal, tone: Tone | undefined, text: string): string {
  if (!terminal.colour || tone === undefined || text === "") return text;
  return `\u001b[${CODES[tone]}m${text}\u001b[0m`;
}
