import type { Migration } from "../migration.ts";

/** What people and other programs are told, channel by channel, and how often the API may be asked. */
export const noticeMigration: Migration = {
  number: 10,
  name: "notices",
  sql: [
    `CREATE TABLE notice (
      n INTEGER PRIMARY KEY AUTOINCREMENT,
      channel TEXT NOT NULL,
      kind TEXT NOT NULL,
      severity TEXT NOT NULL CHECK (severity = 'info' OR severity = 'warning' OR severity = 'critical'),
      title TEXT NOT NULL,
      message TEXT NOT NULL,
      subject TEXT NOT NULL,
      at_ms INTEGER NOT NULL,
      key TEXT,
      state TEXT NOT NULL CHECK (state = 'waiting' OR state = 'sent' OR state = 'failed' OR state = 'left'),
      tries INTEGER NOT NULL DEFAULT 0,
      next_at_ms INTEGER NOT NULL,
      error TEXT,
      sent_as TEXT,
      ended_at_ms INTEGER,
      CHECK ((state = 'waiting') = (ended_at_ms IS NULL))
    ) STRICT`,
    `CREATE UNIQUE INDEX notice_key ON notice (channel, key) WHERE key IS NOT NULL`,
    `CREATE INDEX notice_waiting ON notice (channel, n) WHERE state = 'waiting'`,
    `CREATE INDEX notice_sent ON notice (channel, ended_at_ms) WHERE state = 'sent'`,
    `CREATE INDEX notice_ended ON notice (n) WHERE state <> 'waiting'`,
    `CREATE TABLE notice_position (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT`,
    `CREATE TABLE rate_limit (
      tier TEXT PRIMARY KEY,
      per_second REAL NOT NULL CHECK (per_second > 0),
      burst REAL NOT NULL CHECK (burst >= 1),
      at_ms INTEGER NOT NULL
    ) STRICT`,
  ],
};
