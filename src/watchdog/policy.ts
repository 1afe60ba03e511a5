/** When a supervised process counts as hung, how it is ended, and how often it is started again. */
export type SupervisionPolicy = {
  /** From its start until it must be ready. */
  readonly startLimitMs: number;
  /** Silence after which it counts as hung; null for a process that sends no heartbeats. */
  readonly heartbeatLimitMs: number | null;
  readonly probeEveryMs: number;
  /** Probes that must fail in a row before it counts as hung. */
  readonly probeFailures: number;
  /** From SIGTERM to SIGKILL. */
  readonly termGraceMs: number;
  /** From SIGTERM until nothing of it may be left: SIGTERM, grace and SIGKILL together. */
  readonly killLimitMs: number;
  readonly backoff: Backoff;
  /** Faults within `withinMs` that are answered with a restart; the next one is answered with `held`. */
  readonly budget: { readonly restarts: number; readonly withinMs: number };
  readonly memoryLimitBytes: number | null;
};

export type Backoff = {
  readonly firstMs: number;
  readonly maxMs: number;
  /** It must have been ready for so long before its next fault counts as the first one again. */
  readonly healthyAfterMs: number;
};

/** The policy together with what says that the process is ready, and whether it is probed. */
export type SupervisionRules = SupervisionPolicy & {
  readonly readyBy: "message" | "probe" | "start";
  readonly probes: boolean;
};

/** A process that sends heartbeats says by itself when it is ready; another is ready when its probe first passes. */
export function rulesOf(policy: SupervisionPolicy, usesHeartbeat: boolean, probes: boolean): SupervisionRules {
  const other = probes ? "probe" : "start";
  return usesHeartbeat
    ? { ...policy, readyBy: "message", probes }
    : { ...policy, heartbeatLimitMs: null, readyBy: other, probes };
}

/**
 * Exponential with equal jitter: half of `firstMs · 2^(failures−1)`, capped, is kept and the other half drawn, so that
 * delays grow for certain and processes that failed together do not come back together.
 * (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.)
 *
 * @param failures faults since the last healthy window, 1 or more
 * @param draw uniform in [0, 1)
 */
export function restartDelayMs(failures: number, backoff: Backoff, draw: number): number {
  const exponent = Math.min(failures - 1, 40); // 2^40 · 1 ms is past any cap and still exact
  const ceilingMs = Math.min(backoff.maxMs, backoff.firstMs * 2 ** exponent);
  return Math.round(ceilingMs / 2 + (ceilingMs / 2) * draw);
}
