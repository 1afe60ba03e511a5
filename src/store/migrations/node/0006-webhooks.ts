import type { Migration } from "../migration.ts";

/** Webhooks that were believed: what makes them known when they come again, and what came of them. */
export const webhookMigration: Migration = {
  number: 6,
  name: "webhooks",
  sql: [
    `CREATE TABLE webhook_delivery (
      n INTEGER PRIMARY KEY AUTOINCREMENT,
      source TEXT NOT NULL,
      delivery TEXT NOT NULL,
      digest TEXT NOT NULL,
      event TEXT NOT NULL,
      action TEXT,
      repository TEXT,
      sender TEXT,
      received_at_ms INTEGER NOT NULL,
      bytes INTEGER NOT NULL CHECK (bytes >= 0),
      outcome TEXT NOT NULL CHECK (outcome = 'wake' OR outcome = 'goal' OR outcome = 'ignored'),
      reason TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state = 'due' OR state = 'done' OR state = 'failed'),
      tries INTEGER NOT NULL DEFAULT 0,
      error TEXT,
      goal_id TEXT,
      repeats INTEGER NOT NULL DEFAULT 0,
      looked_at_ms INTEGER,
      body TEXT,
      -- WH1: known by either.
      UNIQUE (source, delivery),
      UNIQUE (source, digest),
      CHECK (error IS NULL OR state <> 'done')
    ) STRICT`,
    `CREATE INDEX webhook_delivery_due ON webhook_delivery (n) WHERE state = 'due'`,
    `CREATE INDEX webhook_delivery_unlooked ON webhook_delivery (n) WHERE looked_at_ms IS NULL AND outcome <> 'ignored'`,
    `CREATE INDEX webhook_delivery_body ON webhook_delivery (n) WHERE body IS NOT NULL`,
    `CREATE INDEX webhook_delivery_age ON webhook_delivery (received_at_ms)`,
  ],
};
