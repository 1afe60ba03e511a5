/** How the rows of a screen are shared between tables. Pure. */

/** What a table needs: rows, and lines around them. */
export type Wish = { readonly rows: number; readonly overhead: number };

/** A table that is cut has a row that says so, so one row alone shows nothing. */
const LEAST_ROWS = 2;

/**
 * @param wishes the most important first
 * @param available lines; undefined when there may be any number
 * @returns rows for each table, 0 for one that has no place. Small tables get all they need; what they leave goes to the
 * larger ones in equal parts.
 */
export function shareRows(wishes: readonly Wish[], available: number | undefined): readonly number[] {
  if (available === undefined) return wishes.map(({ rows }) => rows);
  const kept: number[] = [];
  let left = available;
  for (const [index, { rows, overhead }] of wishes.entries()) {
    const least = overhead + Math.min(rows, LEAST_ROWS);
    if (rows === 0 || least > left) continue;
    kept.push(index);
    left -= least;
  }
  const given = wishes.map(({ rows }, index) => (kept.includes(index) ? Math.min(rows, LEAST_ROWS) : 0));
  while (left > 0) {
    // Row by row, so that no table is whole before the others have as much.
    const hungry = kept.filter((index) => (given[index] ?? 0) < (wishes[index]?.rows ?? 0));
    const [least] = hungry.toSorted((a, b) => (given[a] ?? 0) - (given[b] ?? 0));
    if (least === undefined) break;
    given[least] = (given[least] ?? 0) + 1;
    left -= 1;
  }
  return given;
}
