/** Whether two texts mean the same, by the words they share. */

/** Words that say nothing of the matter. */
const EMPTY = new Set(
  "a an and are as at be been but by can could do does for from has have if in into is it its more most much no not of on or per should so such than that the their them then there these they this to too up very was were what when which while who will with would".split(
    " ",
  ),
);

/** Share of words that both have, of all that either has (Jaccard), above which two proposals are one. */
export const SAME_MATTER = 0.5;

/** @returns 0 for texts without a word in common, 1 for the same words. Symmetric. */
export function similarity(left: string, right: string): number {
  const a = stemsOf(left);
  const b = stemsOf(right);
  if (a.size === 0 || b.size === 0) return 0;
  let shared = 0;
  for (const word of a) if (b.has(word)) shared += 1;
  return shared / (a.size + b.size - shared);
}

function stemsOf(text: string): ReadonlySet<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}][\p{L}\p{N}_./:-]*/gu) ?? [];
  // Figures move from day to day, and the matter stays.
  return new Set(words.filter((word) => !EMPTY.has(word) && !/^[\d.,:%-]+[a-z]{0,3}$/.test(word)).map(stem));
}

function stem(word: string): string {
  return word
    .replace(/[./:-]+$/, "")
    .replace(/(?:ing|ed|es|s)$/, "")
    .replace(/e$/, "");
}
