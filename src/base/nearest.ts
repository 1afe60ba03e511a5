/** Words longer than this are not compared: the table grows with the product of both lengths. */
const MAX_COMPARED_CHARS = 64;

/**
 * What somebody who mistyped a word may have meant.
 *
 * @returns the known word that begins with `given` if it is the only one, else the one that is fewest edits away
 * (without regard to case, dashes and underscores) when that is at most a third of it; undefined when none is near.
 */
export function nearest(given: string, known: readonly string[]): string | undefined {
  const wanted = plain(given);
  if (wanted.length === 0 || wanted.length > MAX_COMPARED_CHARS) return undefined;
  const beginning = wanted.length >= 2 ? known.filter((word) => plain(word).startsWith(wanted)) : [];
  if (beginning.length === 1) return beginning[0];
  let best: string | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const word of known) {
    const candidate = plain(word);
    const edits = editDistance(wanted, candidate);
    const allowed = Math.max(1, Math.floor(Math.max(candidate.length, wanted.length) / 3));
    if (edits <= allowed && edits < fewest) {
      fewest = edits;
      best = word;
    }
  }
  return best;
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[-_\s]/g, "");
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      }
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
