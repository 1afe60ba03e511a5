/**
 * Percentiles by nearest rank: the p-th percentile of n sorted values is the value at rank ⌈p/100 · n⌉. It is always
 * a value that was measured, never one in between (NIST/SEMATECH e-Handbook, section 7.2.6.2, names the variants).
 */
export type Distribution = {
  /** How many values; with 0 all other figures are 0. */
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
};

const EMPTY: Distribution = { count: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 };

/**
 * @param sorted ascending, not empty
 * @param percent in (0, 100]
 */
export function nearestRank(sorted: readonly number[], percent: number): number {
  const rank = Math.ceil((percent / 100) * sorted.length);
  return sorted[Math.min(Math.max(rank, 1), sorted.length) - 1] ?? 0;
}

/** Values that are not finite are left out: one broken sample must not blind the rest. */
export function distributionOf(values: readonly number[]): Distribution {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return EMPTY;
  const sum = sorted.reduce((total, value) => total + value, 0);
  return {
    count: sorted.length,
    mean: sum / sorted.length,
    p50: nearestRank(sorted, 50),
    p95: nearestRank(sorted, 95),
    p99: nearestRank(sorted, 99),
    max: sorted.at(-1) ?? 0,
  };
}
