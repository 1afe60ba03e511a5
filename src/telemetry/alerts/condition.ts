/**
 * When a figure that is too high becomes an alert, and when that is over. Pure; time is monotonic.
 *
 * - AC1: it begins only when every look for `forMs` found the figure at or above the threshold.
 * - AC2: it ends only when every look for `clearForMs` found it at or below `clearAt`.
 * - AC3: in between nothing changes, and neither time goes on.
 * - AC4: what is not known, and a gap between two looks that is too long, neither begins nor ends anything.
 * - AC5: it may grow from warning to critical; it never falls back, it only ends.
 */
import type { Severity } from "./alert.ts";

export type Thresholds = {
  /** Null: never of this severity. Where both are set, `criticalAt` is not below `warnAt`. */
  readonly warnAt: number | null;
  readonly criticalAt: number | null;
  /** Below both. */
  readonly clearAt: number;
  readonly forMs: number;
  readonly clearForMs: number;
};

/** Since when the figure has been where it is; null when it is not there now. */
export type Condition = {
  readonly held: Severity | null;
  readonly warningSinceMs: number | null;
  readonly criticalSinceMs: number | null;
  readonly clearSinceMs: number | null;
  readonly lookedAtMs: number | null;
};

export const CALM: Condition = {
  held: null,
  warningSinceMs: null,
  criticalSinceMs: null,
  clearSinceMs: null,
  lookedAtMs: null,
};

/** Two looks that are further apart say nothing of the time between them; looks come four times a minute. */
export const MAX_GAP_MS = 60_000;

/** @param value null when the figure is not known now */
export function stepCondition(before: Condition, value: number | null, at: Thresholds, nowMs: number): Condition {
  const isGap = before.lookedAtMs === null || nowMs - before.lookedAtMs > MAX_GAP_MS || nowMs < before.lookedAtMs;
  const last: Condition = isGap ? { ...CALM, held: before.held } : before;
  if (value === null) return { ...CALM, held: last.held, lookedAtMs: nowMs };
  const since = (isThere: boolean, sinceMs: number | null): number | null => (isThere ? (sinceMs ?? nowMs) : null);
  const isCritical = at.criticalAt !== null && value >= at.criticalAt;
  const next: Condition = {
    held: last.held,
    criticalSinceMs: since(isCritical, last.criticalSinceMs),
    warningSinceMs: since(isCritical || (at.warnAt !== null && value >= at.warnAt), last.warningSinceMs),
    clearSinceMs: since(value <= at.clearAt, last.clearSinceMs),
    lookedAtMs: nowMs,
  };
  return { ...next, held: heldBy(next, at, nowMs) };
}

function heldBy(condition: Condition, { warnAt, forMs, clearForMs }: Thresholds, nowMs: number): Severity | null {
  const { held, warningSinceMs, criticalSinceMs, clearSinceMs } = condition;
  if (criticalSinceMs !== null && nowMs - criticalSinceMs >= forMs) return "critical";
  if (held !== null) return clearSinceMs !== null && nowMs - clearSinceMs >= clearForMs ? null : held;
  return warnAt !== null && warningSinceMs !== null && nowMs - warningSinceMs >= forMs ? "warning" : null;
}
