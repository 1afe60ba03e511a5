import type { CapacityMonitor, EndpointState } from "#hw";

/**
 * @returns joules that a request took on this host, between two instants in epoch milliseconds: what cards and
 * processors used meanwhile, divided between it and those that ran beside it. Null where nothing was measured.
 */
export function energyOf(
  monitor: Pick<CapacityMonitor, "energyJoules">,
  state: EndpointState | undefined,
  fromMs: number,
  toMs: number,
): number | null {
  if (state === undefined || !state.endpoint.isLocal) return null;
  const { gpus, cpuJoules } = monitor.energyJoules(fromMs, toMs);
  const known = [...gpus.map(({ joules }) => joules), cpuJoules].filter((joules) => joules !== null);
  if (known.length === 0) return null;
  // Requests that ran beside it had their part in what was used.
  const together = Math.max(
    1,
    Object.values(state.inFlight).reduce((sum, count) => sum + count, 0),
  );
  return known.reduce((sum, joules) => sum + joules, 0) / together;
}
