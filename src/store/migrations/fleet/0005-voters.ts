import type { Migration } from "../migration.ts";

/** Who elects the hub when it is lost, as the hub has published it; no row while no hub ever did. */
export const votersMigration: Migration = {
  number: 5,
  name: "voters",
  sql: [
    `CREATE TABLE fleet_voters (
      only INTEGER PRIMARY KEY CHECK (only = 1),
      epoch INTEGER NOT NULL,
      -- Grows by one with each set, whatever the epoch.
      version INTEGER NOT NULL CHECK (version > 0),
      mode TEXT NOT NULL CHECK (mode = 'manual' OR mode = 'automatic'),
      lease_ms INTEGER NOT NULL CHECK (lease_ms > 0),
      -- Ids of nodes, a JSON array.
      nodes TEXT NOT NULL CHECK (json_valid(nodes)),
      -- 1: the set before could elect a hub, and the hub keeps to its lease until a majority has this one.
      is_handover INTEGER NOT NULL CHECK (is_handover = 0 OR is_handover = 1)
    ) STRICT`,
  ],
};
