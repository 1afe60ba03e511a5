import type { Migration } from "../migration.ts";

/** Repositories that were registered at run time, what became of deliveries, and what is broken. */
export const repositoriesMigration: Migration = {
  number: 8,
  name: "repositories",
  sql: [
    `CREATE TABLE repository (
      name TEXT PRIMARY KEY,
      -- JSON; null for one that stands in the configuration and was only paused or resumed.
      definition TEXT CHECK (definition IS NULL OR json_valid(definition)),
      -- Null: as the definition says.
      paused INTEGER CHECK (paused IN (0, 1)),
      at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE delivery (
      id TEXT PRIMARY KEY,
      repository TEXT NOT NULL,
      goal TEXT NOT NULL,
      branch TEXT NOT NULL,
      base_commit TEXT NOT NULL,
      head_commit TEXT NOT NULL,
      outcome TEXT NOT NULL CHECK (outcome IN ('merged', 'pullRequest', 'patch', 'asks', 'blocked')),
      detail TEXT NOT NULL,
      link TEXT,
      report TEXT NOT NULL CHECK (json_valid(report)),
      at_ms INTEGER NOT NULL,
      -- JSON of when, by what and why it was taken back.
      reverted TEXT CHECK (reverted IS NULL OR json_valid(reverted))
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX delivery_by_repository ON delivery (repository, goal, at_ms)`,
    `CREATE TABLE repository_condition (
      repository TEXT NOT NULL,
      kind TEXT NOT NULL CHECK (kind IN ('checks', 'conflict')),
      subject TEXT NOT NULL,
      -- JSON: checks that failed, or files in conflict.
      failing TEXT NOT NULL CHECK (json_valid(failing)),
      detail TEXT NOT NULL,
      commit_id TEXT NOT NULL,
      at_ms INTEGER NOT NULL,
      PRIMARY KEY (repository, kind, subject)
    ) STRICT, WITHOUT ROWID`,
  ],
};
