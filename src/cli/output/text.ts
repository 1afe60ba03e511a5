/** Text that came from elsewhere, made fit for a terminal; and how wide text is there. */

/** Made when first needed: making one takes 2 ms, an eighth of what a short command may take in all. */
let graphemes: Intl.Segmenter | undefined;

/**
 * Control characters, and the marks that reorder text: a task's title could otherwise move the cursor, change the
 * colours or hide what follows ("Trojan Source", CVE-2021-42574).
 */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/** @returns one safe line: line breaks and tabs become spaces, other control characters a dot. */
export function oneLine(text: string): string {
  return text.replace(/[\r\n\t]+/g, " ").replace(UNSAFE, "·");
}

/** @returns safe text of several lines: line breaks and tabs stay. */
export function manyLines(text: string): string {
  return text
    .replace(/\r\n/g, "\n")
    .split(/([\n\t])/)
    .map((part) => (part === "\n" || part === "\t" ? part : part.replace(UNSAFE, "·")))
    .join("");
}

/**
 * Output of a command, as a person would have seen it: colours (SGR sequences) and carriage returns stay, every
 * other escape sequence goes, so that a log cannot rewrite the screen or talk to the terminal.
 */
export function safeLog(text: string): string {
  return text
    .replace(/\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g, "")
    .replace(/\u001b\[[0-?]*[ -/]*[@-ln-~]/g, "")
    .replace(/\u001b(?!\[[0-9;:]*m)/g, "")
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001a\u001c-\u001f\u007f-\u009f]/g, "");
}

/** Columns that `text` takes; escape sequences take none, wide characters two. */
export function widthOf(text: string): number {
  return Bun.stringWidth(text);
}

/** @returns `text` cut to `columns`, with an ellipsis where something is missing. */
export function truncate(text: string, columns: number, unicode: boolean): string {
  if (widthOf(text) <= columns) return text;
  const mark = unicode ? "…" : "~";
  let kept = "";
  let width = 0;
  graphemes ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  for (const { segment } of graphemes.segment(text)) {
    width += widthOf(segment);
    if (width > columns - 1) break;
    kept += segment;
  }
  return columns <= 0 ? "" : `${kept}${mark}`;
}

export function padEnd(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - widthOf(text)));
}

export function padStart(text: string, columns: number): string {
  return " ".repeat(Math.max(0, columns - widthOf(text))) + text;
}
