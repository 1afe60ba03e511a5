import type { Migration } from "../migration.ts";

/** What this node had accepted as a hub that was superseded, and what became of each thing under the new one. */
export const quarantineMigration: Migration = {
  number: 4,
  name: "quarantine",
  sql: [
    `CREATE TABLE quarantine (
      name TEXT PRIMARY KEY,
      at_ms INTEGER NOT NULL,
      -- The epoch that its database was written under; null until that was read.
      epoch INTEGER,
      -- Events up to this one are listed.
      read_seq INTEGER,
      state TEXT NOT NULL DEFAULT 'reading'
        CHECK (state = 'reading' OR state = 'sending' OR state = 'settled' OR state = 'foreign' OR state = 'unreadable'),
      note TEXT,
      CHECK ((epoch IS NULL) = (read_seq IS NULL))
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE quarantine_entry (
      name TEXT NOT NULL,
      n INTEGER NOT NULL,
      kind TEXT NOT NULL CHECK (kind = 'submission' OR kind = 'completion' OR kind = 'change'),
      task_id TEXT,
      attempt INTEGER,
      event TEXT NOT NULL,
      at_ms INTEGER NOT NULL,
      -- Under which it is sent; noted before the first try.
      command TEXT NOT NULL,
      outcome TEXT NOT NULL CHECK (outcome = 'waiting' OR outcome = 'accepted' OR outcome = 'superseded'
        OR outcome = 'left' OR outcome = 'refused'),
      reason TEXT,
      PRIMARY KEY (name, n)
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX quarantine_entry_waiting ON quarantine_entry (name, n) WHERE outcome = 'waiting'`,
    `CREATE INDEX quarantine_entry_task ON quarantine_entry (name, task_id)`,
  ],
};
