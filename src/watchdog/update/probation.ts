/** The time after a swap in which a fault returns to the previous release. A pure rule over what was seen. */

export type ProbationPolicy = {
  /** How long the new release must be healthy. */
  readonly windowMs: number;
  /** Starts of the node within the window, the first one included. */
  readonly maxBoots: number;
  /** Share of requests that the server failed. */
  readonly maxErrorRatio: number;
  /** Fewer requests than this say nothing about a ratio. */
  readonly minRequests: number;
};

/** A node that leaks or dies slowly shows it within minutes; greenboot waits 210 s, RAUC and Mender one boot. */
export const PROBATION: ProbationPolicy = { windowMs: 180_000, maxBoots: 3, maxErrorRatio: 0.05, minRequests: 50 };

/** What the node did since the new release was started. */
export type Health = {
  /** Whether it is ready and answers now. A node that is being started is not; that alone is no fault. */
  readonly ok: boolean;
  /** Why it will not become ready by itself: its restarts are used up, its heartbeat stopped for good. */
  readonly fault: string | null;
  readonly boots: number;
  readonly requests: number;
  readonly serverErrors: number;
};

export type ProbationVerdict =
  | { readonly kind: "goOn" }
  | { readonly kind: "commit" }
  | { readonly kind: "rollBack"; readonly reason: string };

/** @param elapsedMs monotonic time since the release was ready for the first time. */
export function judgeProbation(health: Health, elapsedMs: number, policy: ProbationPolicy): ProbationVerdict {
  if (health.fault !== null) return { kind: "rollBack", reason: health.fault };
  if (health.boots > policy.maxBoots) {
    return { kind: "rollBack", reason: `it was started ${health.boots} times, and ${policy.maxBoots} are allowed` };
  }
  const ratio = health.requests === 0 ? 0 : health.serverErrors / health.requests;
  if (health.requests >= policy.minRequests && ratio > policy.maxErrorRatio) {
    const percent = (ratio * 100).toFixed(1);
    return {
      kind: "rollBack",
      reason: `it failed ${health.serverErrors} of ${health.requests} requests (${percent} %, ${policy.maxErrorRatio * 100} % are allowed)`,
    };
  }
  if (elapsedMs < policy.windowMs) return { kind: "goOn" };
  // The window is over, and it is still not ready: it had all of the time there was.
  return health.ok ? { kind: "commit" } : { kind: "rollBack", reason: "it was not ready at the end of the window" };
}
