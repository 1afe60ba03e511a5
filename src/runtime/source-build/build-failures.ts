/** When builds have failed so often that none is begun for a while. Pure. */
import type { SourceBuild } from "#api";

/** A change that does not build is seldom right at the fourth try within the hour, and each takes minutes of all cores. */
export const MAX_FAILURES = 3;
export const FAILURES_WITHIN_MS = 60 * 60_000;

/** Ends of a swap that say that the release was bad; a refusal before it says something of this node. */
const BAD_SWAPS: readonly string[] = ["abandoned", "rolledBack"];

/** @param forgivenAtMs a person said that what failed until then counts no more */
export function recentFailures(builds: readonly SourceBuild[], nowMs: number, forgivenAtMs: number): number {
  const sinceMs = Math.max(nowMs - FAILURES_WITHIN_MS, forgivenAtMs);
  return builds.filter((build) => build.endedAtMs > sinceMs && build.endedAtMs <= nowMs && hasFailed(build)).length;
}

function hasFailed({ result, swap }: SourceBuild): boolean {
  return result === "failed" || (result === "built" && swap !== null && BAD_SWAPS.includes(swap));
}

/** What a watchdog's history says of one try. */
export type SwapRow = { readonly version: string; readonly result: string };

/** @returns the builds with the ends of their swaps, as far as they are known now; the same list when nothing is new. */
export function withSwaps(builds: readonly SourceBuild[], rows: readonly SwapRow[]): readonly SourceBuild[] {
  const settled = builds.map((build) => {
    const row = isOpen(build) ? rows.find(({ version }) => version === build.version) : undefined;
    return row === undefined ? build : { ...build, swap: row.result };
  });
  return settled.some((build, index) => build !== builds[index]) ? settled : builds;
}

/** Whether the watchdog has taken it, and its end is not known yet. */
export function isOpen({ result, swap }: SourceBuild): boolean {
  return result === "built" && swap === null;
}
