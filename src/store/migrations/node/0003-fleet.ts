import type { Migration } from "../migration.ts";

/** What this node keeps for itself of a fleet: commands that wait for the hub, and the invitations that it gave out. */
export const outboxMigration: Migration = {
  number: 3,
  name: "outbox",
  sql: [
    `CREATE TABLE outbox (
      n INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      kind TEXT NOT NULL,
      args TEXT NOT NULL CHECK (json_valid(args)),
      created_at_ms INTEGER NOT NULL,
      -- The epoch of the hub that answered, with its answer; null while it waits.
      answered_epoch INTEGER,
      result TEXT,
      -- The replica shows it. It is kept for a while longer: a replica that is behind may become the hub's database.
      settled INTEGER NOT NULL DEFAULT 0 CHECK (settled = 0 OR settled = 1),
      CHECK ((answered_epoch IS NULL) = (result IS NULL)),
      CHECK (settled = 0 OR answered_epoch IS NOT NULL)
    ) STRICT`,
    `CREATE INDEX outbox_waiting ON outbox (n) WHERE answered_epoch IS NULL`,
    `CREATE INDEX outbox_unsettled ON outbox (n) WHERE answered_epoch IS NOT NULL AND settled = 0`,
    `CREATE INDEX outbox_settled ON outbox (n) WHERE settled = 1`,

    `CREATE TABLE join_token (
      id TEXT PRIMARY KEY,
      -- SHA-256; the token itself is shown once.
      secret_hash TEXT NOT NULL,
      role TEXT NOT NULL CHECK (role = 'reader' OR role = 'member' OR role = 'operator'),
      uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
      expires_at_ms INTEGER NOT NULL,
      created_at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`,
    // Who used one, so that a node whose answer was lost may ask again without a further use.
    `CREATE TABLE join_token_use (
      token TEXT NOT NULL REFERENCES join_token (id) ON DELETE CASCADE,
      node TEXT NOT NULL,
      public_key TEXT NOT NULL,
      PRIMARY KEY (token, node, public_key)
    ) STRICT, WITHOUT ROWID`,
  ],
};
