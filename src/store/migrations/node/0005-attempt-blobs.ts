import type { Migration } from "../migration.ts";

/** Which blobs of this host are parts of which attempts, and what of its own it has yet to send to its hub. */
export const attemptBlobMigration: Migration = {
  number: 5,
  name: "attempt-blobs",
  sql: [
    `CREATE TABLE attempt_blob (
      n INTEGER PRIMARY KEY AUTOINCREMENT,
      task_id TEXT NOT NULL,
      attempt INTEGER NOT NULL CHECK (attempt > 0),
      part TEXT NOT NULL CHECK (part = 'output' OR part = 'steps' OR part = 'result'),
      -- The node that ran the attempt.
      node TEXT NOT NULL,
      -- Null until there is a blob, and again when a log's was sent: the log itself is still there.
      hash TEXT,
      bytes INTEGER,
      raw_bytes INTEGER,
      encoding TEXT CHECK (encoding = 'none' OR encoding = 'zstd'),
      -- Of this node, and for its hub.
      wanted INTEGER NOT NULL CHECK (wanted = 0 OR wanted = 1),
      -- Of the newest hub that has it.
      sent_epoch INTEGER,
      at_ms INTEGER NOT NULL,
      UNIQUE (task_id, attempt, part),
      CHECK ((hash IS NULL) = (bytes IS NULL)),
      CHECK ((hash IS NULL) = (raw_bytes IS NULL)),
      CHECK ((hash IS NULL) = (encoding IS NULL))
    ) STRICT`,
    `CREATE INDEX attempt_blob_hash ON attempt_blob (hash) WHERE hash IS NOT NULL`,
    `CREATE INDEX attempt_blob_wanted ON attempt_blob (n) WHERE wanted = 1`,
  ],
};
