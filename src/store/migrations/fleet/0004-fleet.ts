import type { Migration } from "../migration.ts";

/** What makes a database that of several machines: its nodes, what their commands were answered, and one count of commits. */
export const fleetMigration: Migration = {
  number: 4,
  name: "fleet",
  sql: [
    // One row. The server refuses a commit that does not name the epoch, count and batch it has, so a second writer, or
    // one that has missed something, changes nothing; and a replica that shows a count shows everything up to it.
    // The batch is a random name of the latest commit: by it a hub that got no answer sees whether its own took effect.
    `CREATE TABLE fleet_commit (
      only INTEGER PRIMARY KEY CHECK (only = 1),
      epoch INTEGER NOT NULL,
      seq INTEGER NOT NULL,
      batch TEXT NOT NULL DEFAULT ''
    ) STRICT`,
    `INSERT INTO fleet_commit (only, epoch, seq) VALUES (1, 0, 0)`,

    `CREATE TABLE command (
      id TEXT PRIMARY KEY,
      node TEXT NOT NULL,
      kind TEXT NOT NULL,
      result TEXT NOT NULL,
      at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX command_at ON command (at_ms)`,

    `CREATE TABLE fleet_node (
      id TEXT PRIMARY KEY,
      name TEXT NOT NULL,
      role TEXT NOT NULL CHECK (role = 'reader' OR role = 'member' OR role = 'operator'),
      -- Ed25519, SPKI in base64url. The private part never leaves its host.
      public_key TEXT NOT NULL UNIQUE,
      -- Where the other nodes reach it; null while it can only call.
      url TEXT,
      version TEXT NOT NULL,
      feature_level INTEGER NOT NULL,
      -- active: works; cordoned: takes nothing new; removed: its key opens nothing any more.
      state TEXT NOT NULL CHECK (state = 'active' OR state = 'cordoned' OR state = 'removed'),
      lease_class TEXT NOT NULL CHECK (lease_class = 'strict' OR lease_class = 'hold'),
      joined_at_ms INTEGER NOT NULL,
      seen_at_ms INTEGER NOT NULL,
      -- What it announced last: offer, capacity, endpoints, load. JSON.
      announced TEXT NOT NULL CHECK (json_valid(announced))
    ) STRICT, WITHOUT ROWID`,

    // Which node writes, by epoch. The newest row is the hub; the others are how it came to be.
    `CREATE TABLE fleet_hub (
      epoch INTEGER PRIMARY KEY,
      node TEXT NOT NULL,
      url TEXT NOT NULL,
      at_ms INTEGER NOT NULL,
      why TEXT NOT NULL
    ) STRICT`,
  ],
};
