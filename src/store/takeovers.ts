import type { Promotion } from "#fleet";
import { type Connection, number } from "./connection.ts";
import { writeMeta } from "./meta.ts";

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

/** That `node` is the hub from now on, in the fleet's own tables. Inside a transaction. */
export function noteTakeover(fleet: Connection, { epoch, node, url, atMs, why }: Promotion): void {
  const last = number(fleet.prepare("SELECT coalesce(max(seq), 0) FROM event").get([]) ?? [0], 0);
  writeMeta(fleet, "epoch", String(epoch));
  writeMeta(fleet, `${TAKEOVER}${epoch}`, String(last));
  fleet
    .prepare("INSERT INTO fleet_hub (epoch, node, url, at_ms, why) VALUES (?, ?, ?, ?, ?)")
    .run([epoch, node, url, atMs, why]);
  fleet.prepare("UPDATE fleet_node SET url = ?, role = 'operator', state = 'active' WHERE id = ?").run([url, node]);
}
