import type { Migration } from "../migration.ts";

/** What a person has to know of, and what became of it. */
export const alertMigration: Migration = {
  number: 8,
  name: "alerts",
  sql: [
    `CREATE TABLE alert (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      key TEXT NOT NULL,
      severity TEXT NOT NULL CHECK (severity = 'warning' OR severity = 'critical'),
      state TEXT NOT NULL CHECK (state = 'firing' OR state = 'acknowledged' OR state = 'resolved'),
      title TEXT NOT NULL,
      message TEXT NOT NULL,
      source TEXT NOT NULL,
      raised_at_ms INTEGER NOT NULL,
      changed_at_ms INTEGER NOT NULL,
      seen_at_ms INTEGER NOT NULL,
      acknowledged_by TEXT,
      acknowledged_at_ms INTEGER,
      note TEXT,
      resolved_at_ms INTEGER,
      CHECK ((state = 'resolved') = (resolved_at_ms IS NOT NULL)),
      CHECK (state <> 'acknowledged' OR acknowledged_at_ms IS NOT NULL),
      CHECK ((acknowledged_by IS NULL) = (acknowledged_at_ms IS NULL))
    ) STRICT`,
    `CREATE UNIQUE INDEX alert_open ON alert (key) WHERE state <> 'resolved'`,
    `CREATE INDEX alert_resolved ON alert (resolved_at_ms) WHERE state = 'resolved'`,
  ],
};
