/** In the fleet's notes, by epoch: the last event that the hub of that epoch found when it took over. */
export const TAKEOVER = "takeover_";

/**
 * Where the histories of two databases of one fleet part: everything up to that event is in both. An epoch that only one
 * of them knows began after it.
 * @returns undefined while neither knows an epoch that the other does not
 */
export function forkOf(one: ReadonlyMap<number, number>, other: ReadonlyMap<number, number>): number | undefined {
  const parted = [
    ...[...one].filter(([epoch]) => !other.has(epoch)),
    ...[...other].filter(([epoch]) => !one.has(epoch)),
  ].map(([, seq]) => seq);
  return parted.length === 0 ? undefined : Math.min(...parted);
}
