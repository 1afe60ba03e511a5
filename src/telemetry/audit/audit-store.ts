/** What keeps the chain. Every call returns at once, and an entry that was taken is durable. */
import type { Result } from "#base";
import type { AuditEntry, AuditPlace, AuditRow } from "./chain.ts";
import type { Verification } from "./verification.ts";

export type AuditQuery = {
  /** Rows below this number; the newest first. */
  readonly below?: number;
  readonly limit: number;
  readonly actor?: string | undefined;
  /** The action itself, or what it begins with up to a dot: "mind" finds "mind.changed". */
  readonly action?: string | undefined;
  readonly subject?: string | undefined;
  readonly sinceMs?: number;
};

export type AuditBounds = {
  /** The last row; number 0 while there is none. */
  readonly head: AuditPlace;
  /** The last row that retention removed; number 0 while it removed none. */
  readonly cut: AuditPlace;
};

export interface AuditStore {
  append(entry: AuditEntry, atMs: number): Result<AuditRow>;
  bounds(): Result<AuditBounds>;
  /** The newest first. */
  list(query: AuditQuery): Result<readonly AuditRow[]>;
  /** In their order, from the one after `seq` on. */
  after(seq: number, limit: number): Result<readonly AuditRow[]>;
  /**
   * Removes rows that were written before `beforeMs`, and those beyond the newest `maxRows`, from the old end; a new row
   * vouches for the place (AU5). Few rows are left for a later call. @returns how many were removed.
   */
  cut(before: { readonly beforeMs: number; readonly maxRows: number }, nowMs: number): Result<number>;
  /** Looks at every row, in a thread or in steps: the caller's own turn is not held up. */
  verify(expected: AuditPlace | undefined): Promise<Result<Verification>>;
}

/** How many rows retention removes at once. */
export type CutSteps = { readonly least: number; readonly most: number };
/** Its own rows stay few, and each step takes some milliseconds. */
export const CUT_STEPS: CutSteps = { least: 500, most: 5_000 };

/** @returns up to which row to cut; undefined when it is not worth it yet. */
export function cutAt(
  { head, cut }: AuditBounds,
  maxRows: number,
  /** The newest of the oldest rows that are all too old; 0 when there is none. */
  oldUpTo: number,
  steps: CutSteps,
): number | undefined {
  const due = Math.min(Math.max(oldUpTo, head.seq - maxRows), head.seq - 1, cut.seq + steps.most);
  return due - cut.seq >= steps.least ? due : undefined;
}
