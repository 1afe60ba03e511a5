/** Notes of work that was put off, in comments. */
import type { Token } from "./tokens.ts";

export type Note = { readonly line: number; readonly word: string; readonly text: string };

// Put together from halves, so that this file does not hold what it looks for.
const WORDS = [
  ["TO", "DO"],
  ["FIX", "ME"],
  ["HA", "CK"],
  ["X", "XX"],
].map((halves) => halves.join(""));
/** At the start of a comment or of one of its lines, in capitals: prose that only speaks of such notes is none. */
const NOTE = new RegExp(`^[\\s/*#<!;-]*@?(?<word>${WORDS.join("|")})\\b(?!['"\`])[\\s:(]*(?<text>.*)$`);
const MAX_NOTES = 200;

/** @returns the notes of one file, in order. */
export function notesOf(tokens: readonly Token[]): readonly Note[] {
  const notes: Note[] = [];
  for (const token of tokens) {
    if (token.kind !== "comment") continue;
    for (const [offset, line] of token.text.split("\n").entries()) {
      const found = NOTE.exec(line)?.groups;
      if (found === undefined) continue;
      const text = (found["text"] ?? "").replace(/\s*(?:\*\/|-->)\s*$/, "").trim();
      notes.push({ line: token.line + offset, word: found["word"] ?? "", text });
      if (notes.length >= MAX_NOTES) return notes;
    }
  }
  return notes;
}

/** Of these a person said that something is wrong, of the others that something is missing. */
export function isDefect(word: string): boolean {
  return word === WORDS[1] || word === WORDS[3];
}
