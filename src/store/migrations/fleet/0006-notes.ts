import type { Migration } from "../migration.ts";

/** What the hub keeps for all nodes beside the queue: settings that hold everywhere, and how an update of the fleet goes. */
export const notesMigration: Migration = {
  number: 6,
  name: "notes",
  sql: [
    `CREATE TABLE fleet_note (
      kind TEXT NOT NULL CHECK (kind = 'setting' OR kind = 'rollout'),
      name TEXT NOT NULL,
      value TEXT NOT NULL CHECK (json_valid(value)),
      at_ms INTEGER NOT NULL,
      -- On which node it was asked for.
      node TEXT NOT NULL,
      PRIMARY KEY (kind, name)
    ) STRICT, WITHOUT ROWID`,
  ],
};
