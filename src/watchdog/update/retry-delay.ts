import type { HistoryRow } from "./history.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { instant } from "./trust.ts";
import type { Version } from "./version.ts";

/** A fault that passes (a full disk, a model server that was away) has often passed by then. */
export const FIRST_RETRY_MS = 10 * 60_000;
/** A release that fails for days is still tried once a day, because the host may have changed. */
export const MAX_RETRY_MS = 24 * 60 * 60_000;
/** 2^8 × ten minutes is more than a day. */
const MAX_EXPONENT = 8;

/**
 * Whether a version that failed here may be tried again. Refusals do not count: they cost nothing and never touch
 * the node. A success of that version wipes out what failed before it.
 * @param rows oldest first.
 */
export function refuseEarlyRetry(version: Version, rows: readonly HistoryRow[], nowMs: number): Refusal | undefined {
  const tries = rows.filter((row) => row.version === version && row.kind === "update" && row.result !== "refused");
  const lastGood = tries.findLastIndex((row) => row.result === "committed");
  const failures = tries.slice(lastGood + 1);
  const last = failures.at(-1);
  if (last === undefined) return undefined;
  const waitMs = Math.min(FIRST_RETRY_MS * 2 ** Math.min(failures.length - 1, MAX_EXPONENT), MAX_RETRY_MS);
  const againAtMs = last.endedAtMs + waitMs;
  // A row from the future was written under a wall clock that was wrong; it must not keep anybody waiting.
  if (nowMs >= againAtMs || nowMs < last.endedAtMs) return undefined;
  const times = failures.length === 1 ? "once" : `${failures.length} times`;
  return refuse(
    "backing_off",
    `release ${version} failed here ${times}, last with: ${last.reason ?? "no reason"}; it is tried again from ${instant(againAtMs)} on`,
  );
}
