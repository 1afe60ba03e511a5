/** When a replica asks its hub again. */

/** Under load a sync brings many commits at once; without this pause each would bring one. */
const MIN_PAUSE_MS = 50;
const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 30_000;
/** The hub is looked at even if nothing was heard of it. */
const IDLE_MS = 15_000;
const MAX_DOUBLINGS = 10;

export type PaceFacts = {
  /** Syncs that failed in a row. */
  readonly failures: number;
  /** Whether the hub is known to have more than the replica shows. */
  readonly isBehind: boolean;
  /** Whether the hub was heard of since the last sync. */
  readonly isHeard: boolean;
  readonly sinceSyncMs: number;
  readonly backoffMaxMs: number | undefined;
  /** Uniform in [0, 1). */
  readonly chance: number;
};

/** @returns how long from now the next sync is due. */
export function pauseMs(facts: PaceFacts): number {
  const { failures, isBehind, isHeard, sinceSyncMs, chance, backoffMaxMs = BACKOFF_MAX_MS } = facts;
  if (failures === 0) return Math.max(0, (isBehind ? MIN_PAUSE_MS : IDLE_MS) - sinceSyncMs);
  // A hub that is heard of again is asked soon, however long it was away.
  const doublings = isHeard ? 1 : Math.min(failures, MAX_DOUBLINGS);
  const ceilingMs = Math.min(backoffMaxMs, BACKOFF_MIN_MS * 2 ** doublings);
  return Math.max(0, ceilingMs / 2 + (chance * ceilingMs) / 2 - sinceSyncMs);
}

/** A copy that was just made anew and still does not fit will not fit the next time either. */
const REMAKE_MIN_MS = 30_000;
const REMAKE_MAX_MS = 60 * 60_000;

/** @returns how long after the `times`-th making in a row the copy may be made anew again. */
export function remakePauseMs(times: number): number {
  return Math.min(REMAKE_MAX_MS, REMAKE_MIN_MS * 2 ** Math.min(times, MAX_DOUBLINGS));
}
