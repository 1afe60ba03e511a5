/**
 * Whether a text was drawn at random or written by somebody. Shannon's entropy alone cannot tell for short texts (it is at
 * most log2 of the length), so it is compared with what random text of the same length and alphabet would have.
 */

/** @returns bits per character by the frequencies in `text` itself (Shannon 1948); 0 for an empty text. */
export function entropyBits(text: string): number {
  const counts = new Map<string, number>();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

const CLASSES: readonly (readonly [pattern: RegExp, size: number])[] = [
  [/[a-z]/, 26],
  [/[A-Z]/, 26],
  [/[0-9]/, 10],
  [/[^a-zA-Z0-9]/, 8], // of these a token uses few: + / = _ - . ~ !
];

/** @returns how many characters the text seems to be drawn from. */
function alphabetSize(text: string): number {
  if (/^[0-9a-f]+$/.test(text) || /^[0-9A-F]+$/.test(text)) return 16;
  return CLASSES.reduce((size, [pattern, of]) => size + (pattern.test(text) ? of : 0), 0);
}

/** What random text of this length and alphabet has: distinct characters are few while it is short. */
function expectedBits(length: number, alphabet: number): number {
  const distinct = alphabet * (1 - (1 - 1 / alphabet) ** length);
  return Math.log2(Math.max(2, distinct));
}

/** Measured on the labelled set of test/bench/secrets: words joined by _ or - stay below, random text above. */
const RANDOM_RATIO = 0.85;
/** Changes between letters, digits and case per character: words have few, random text of mixed classes many. */
const RANDOM_TURNS = 0.3;

function classOf(char: string): number {
  return CLASSES.findIndex(([pattern]) => pattern.test(char));
}

function turns(text: string): number {
  let count = 0;
  for (let index = 1; index < text.length; index += 1) {
    if (classOf(text.charAt(index)) !== classOf(text.charAt(index - 1))) count += 1;
  }
  return count / Math.max(1, text.length - 1);
}

/** @returns whether `text` (8 characters or more) looks drawn at random. */
export function looksRandom(text: string): boolean {
  const alphabet = alphabetSize(text);
  if (alphabet < 16) return false;
  if (entropyBits(text) < RANDOM_RATIO * expectedBits(text.length, alphabet)) return false;
  return turns(text) >= RANDOM_TURNS || (alphabet <= 26 && text.length >= 20 && !hasWords(text));
}

/** Vowels come every second or third letter in words of most languages; in random letters 5 of 26 are. */
function hasWords(text: string): boolean {
  const letters = text.match(/[a-z]/gi)?.length ?? 0;
  const vowels = text.match(/[aeiou]/gi)?.length ?? 0;
  return letters === text.length && vowels / Math.max(1, letters) > 0.3;
}
