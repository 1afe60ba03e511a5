import type { Migration } from "../migration.ts";

/** The mind of this node: its journal, what the journal came to at some entry, and what healing has to undo later. */
export const mindMigration: Migration = {
  number: 9,
  name: "mind",
  sql: [
    `CREATE TABLE mind_entry (
      seq INTEGER PRIMARY KEY CHECK (seq > 0),
      line TEXT NOT NULL
    ) STRICT`,
    `CREATE TABLE mind_snapshot (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      seq INTEGER NOT NULL CHECK (seq >= 0),
      line TEXT NOT NULL
    ) STRICT`,
    // One of the mind's time: it lived then.
    `CREATE TABLE mind_life (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      at_ms INTEGER NOT NULL
    ) STRICT`,
    `CREATE TABLE mind_care (
      kind TEXT NOT NULL CHECK (kind = 'pausedKey' OR kind = 'fallback' OR kind = 'claude'),
      target TEXT NOT NULL,
      until_ms INTEGER NOT NULL,
      PRIMARY KEY (kind, target)
    ) STRICT, WITHOUT ROWID`,
    // What could not be read, for whoever wants to look.
    `CREATE TABLE mind_unread (
      n INTEGER PRIMARY KEY AUTOINCREMENT,
      line TEXT NOT NULL
    ) STRICT`,
  ],
};
