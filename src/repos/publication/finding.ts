/** What must be looked at before a text leaves its host. */

/**
 * - `secret`: whoever reads it can act as somebody else.
 * - `address`: a host or address that means nothing outside, and tells how the inside is built.
 * - `person`: a name, an e-mail address or a home folder of somebody.
 * - `file`: a file that belongs to a workspace and not to what is published.
 */
export type FindingKind = "secret" | "address" | "person" | "file";

/** `block`: nothing is published while it stands. `advise`: a person should look at it. */
export type Severity = "block" | "advise";

/** A part of one text. `start` and `end` count UTF-16 units. */
export type Span = { readonly start: number; readonly end: number };

/** What a rule saw, before anybody decided about it. */
export type Sighting = Span & {
  readonly kind: FindingKind;
  readonly rule: string;
  readonly severity: Severity;
  /** What may stand there instead; undefined when only its author can say. */
  readonly replacement?: string;
};

export type Finding = {
  readonly kind: FindingKind;
  readonly rule: string;
  readonly severity: Severity;
  /** Relative to the repository, with "/". */
  readonly path: string;
  /** From 1; null when the whole file is meant. */
  readonly line: number | null;
  readonly column: number | null;
  /** The beginning and the length of what was found; never a whole secret. */
  readonly shown: string;
  /** Names this very content in an allow-list, without saying it. */
  readonly fingerprint: string;
};

/** Of a secret so much is shown that its owner recognises it. */
const SHOWN_CHARS = 4;
const MAX_SHOWN_CHARS = 80;

/** @returns what a report may show of `text`. */
export function shownAs(kind: FindingKind, text: string): string {
  const flat = text.replaceAll(/\s+/g, " ").slice(0, MAX_SHOWN_CHARS);
  return kind === "secret" ? `${flat.slice(0, SHOWN_CHARS)}… (${text.length} characters)` : flat;
}
