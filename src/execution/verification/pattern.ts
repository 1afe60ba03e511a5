import { err, ok, type Result } from "#base";

/** What `file_contains` looks for: plain text, or a regular expression. */
export type Pattern =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "regex"; readonly source: string; readonly flags: string };

/** `g` and `y` only move a cursor, `d` only adds positions: none changes whether a pattern occurs. */
const REGEX_FORM = /^\/(.+)\/([imsu]*)$/s;

/**
 * Reads a pattern: `/regex/flags` (flags i, m, s, u) is a regular expression, everything else plain text to be found
 * as it stands.
 * @returns the pattern, or why it is not one.
 */
export function parsePattern(text: string): Result<Pattern, string> {
  const match = REGEX_FORM.exec(text);
  if (match === null) return ok({ kind: "text", text });
  const source = match[1] ?? "";
  const flags = match[2] ?? "";
  try {
    new RegExp(source, flags);
  } catch (error) {
    return err(`is not a regular expression: ${error instanceof Error ? error.message : String(error)}`);
  }
  return ok({ kind: "regex", source, flags });
}
