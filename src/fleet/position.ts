/**
 * How far a database is: which epoch of the fleet wrote it, and how many commits it has. A replica that shows a position
 * shows everything that was answered with it or an earlier one of the same epoch.
 */
export type Position = { readonly epoch: number; readonly seq: number };

/** @returns whether `have` shows what was answered with `want`, unless a promotion lost it in between. */
export function hasReached(have: Position, want: Position): boolean {
  return have.epoch > want.epoch || (have.epoch === want.epoch && have.seq >= want.seq);
}
