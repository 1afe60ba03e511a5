/** What the fleet set, as this node saw it last: read at the next start, before a database is open. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { JsonValue } from "#base";
import { writeDurably } from "../state-folder.ts";
import { type FleetValues, usableSettings } from "./fleet-settings.ts";

const FILE = "fleet-settings.json";

/** @returns none when there are none, or they cannot be read: they are written anew when the fleet's database is open. */
export function readFleetSettings(stateDir: string): FleetValues {
  try {
    const path = join(stateDir, FILE);
    if (!existsSync(path)) return new Map();
    // `as`: written below; each value is checked.
    const said = JSON.parse(readFileSync(path, "utf8")) as Readonly<Record<string, JsonValue>>;
    return usableSettings(Object.entries(said).map(([key, value]) => ({ key, value })));
  } catch {
    return new Map();
  }
}

/** Throws what the storage throws. */
export function writeFleetSettings(stateDir: string, values: FleetValues): void {
  const path = join(stateDir, FILE);
  if (values.size === 0) rmSync(path, { force: true });
  else writeDurably(path, `${JSON.stringify(Object.fromEntries(values), null, 2)}\n`);
}
