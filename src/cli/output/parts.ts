import { paint, type Terminal, type Tone } from "./terminal.ts";
import { oneLine, truncate, widthOf } from "./text.ts";

/** A piece of a line in one colour. */
export type Part = { readonly text: string; readonly tone?: Tone | undefined };

/** @returns one safe line of the pieces, cut to the terminal. Colours are put on last, for they take no room. */
export function lineOf(parts: readonly Part[], terminal: Terminal): string {
  let left = terminal.columns ?? Number.POSITIVE_INFINITY;
  let line = "";
  for (const { text, tone } of parts) {
    const safe = oneLine(text);
    const cut = widthOf(safe) <= left ? safe : truncate(safe, left, terminal.unicode);
    line += paint(terminal, tone, cut);
    left -= widthOf(safe);
    if (left <= 0) break;
  }
  return line;
}
