/**
 * Exponential backoff with equal jitter: half of `base · 2^(attempts−1)`, capped, is kept and the other half is
 * drawn, so that delays grow for certain and tasks that failed together do not come back together.
 * (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.)
 *
 * @param attempts attempts that have failed so far, 1 or more
 * @param draw uniform in [0, 1)
 */
export function backoffMs(attempts: number, baseMs: number, maxMs: number, draw: number): number {
  const exponent = Math.min(attempts - 1, 40); // 2^40 · 1 ms is past any cap and still exact
  const ceilingMs = Math.min(maxMs, baseMs * 2 ** exponent);
  return Math.round(ceilingMs / 2 + (ceilingMs / 2) * draw);
}
