import type { Migration } from "../migration.ts";

/** What could be better in repositories and in the fleet, what was tried about it, and what is asked for that. */
export const improvementsMigration: Migration = {
  number: 9,
  name: "improvements",
  sql: [
    `CREATE TABLE repository_scan (
      repository TEXT PRIMARY KEY,
      revision TEXT NOT NULL,
      at_ms INTEGER NOT NULL,
      files INTEGER NOT NULL CHECK (files >= 0),
      files_read INTEGER NOT NULL CHECK (files_read >= 0),
      findings INTEGER NOT NULL CHECK (findings >= 0),
      left_out TEXT NOT NULL CHECK (json_valid(left_out))
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE finding (
      repository TEXT NOT NULL,
      fingerprint TEXT NOT NULL,
      kind TEXT NOT NULL,
      rule TEXT NOT NULL,
      path TEXT NOT NULL,
      line INTEGER,
      severity TEXT NOT NULL CHECK (severity IN ('critical', 'high', 'medium', 'low')),
      effort TEXT NOT NULL CHECK (effort IN ('small', 'medium', 'large')),
      title TEXT NOT NULL,
      evidence TEXT NOT NULL,
      source TEXT NOT NULL CHECK (source IN ('scan', 'tool', 'model')),
      state TEXT NOT NULL CHECK (state IN ('open', 'gone', 'dismissed')),
      first_seen_ms INTEGER NOT NULL,
      last_seen_ms INTEGER NOT NULL,
      -- How often it came back after it was gone.
      returns INTEGER NOT NULL DEFAULT 0 CHECK (returns >= 0),
      reason TEXT,
      PRIMARY KEY (repository, fingerprint),
      CHECK ((state = 'dismissed') = (reason IS NOT NULL))
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX finding_by_name ON finding (fingerprint)`,
    `CREATE TABLE finding_try (
      repository TEXT NOT NULL,
      fingerprint TEXT NOT NULL,
      n INTEGER NOT NULL CHECK (n >= 1),
      kind TEXT NOT NULL,
      rule TEXT NOT NULL,
      path TEXT NOT NULL,
      files TEXT NOT NULL CHECK (json_valid(files)),
      state TEXT NOT NULL CHECK (state IN ('chosen', 'working', 'done', 'failed', 'reverted', 'cancelled')),
      goal TEXT,
      why TEXT NOT NULL,
      chosen_at_ms INTEGER NOT NULL,
      ended_at_ms INTEGER,
      PRIMARY KEY (repository, fingerprint, n),
      CHECK ((state IN ('chosen', 'working')) = (ended_at_ms IS NULL)),
      CHECK (state <> 'working' OR goal IS NOT NULL)
    ) STRICT, WITHOUT ROWID`,
    // At most one try of a finding is open.
    `CREATE UNIQUE INDEX finding_try_open ON finding_try (repository, fingerprint) WHERE ended_at_ms IS NULL`,
    `CREATE TABLE mind_question (
      key TEXT PRIMARY KEY,
      kind TEXT NOT NULL CHECK (kind IN ('model-scan', 'tool-scan', 'propose')),
      subject TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('asked', 'answered', 'given-up')),
      asks INTEGER NOT NULL CHECK (asks >= 1),
      task_id TEXT,
      about TEXT NOT NULL CHECK (json_valid(about)),
      note TEXT,
      at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE proposal (
      id TEXT PRIMARY KEY,
      fingerprint TEXT NOT NULL UNIQUE,
      state TEXT NOT NULL CHECK (state IN ('open', 'approved', 'rejected')),
      -- Title, problem, evidence and the rest, as JSON.
      body TEXT NOT NULL CHECK (json_valid(body)),
      source TEXT NOT NULL CHECK (source IN ('measured', 'model')),
      created_at_ms INTEGER NOT NULL,
      seen_at_ms INTEGER NOT NULL,
      seen INTEGER NOT NULL DEFAULT 1 CHECK (seen >= 1),
      decided_at_ms INTEGER,
      decided_by TEXT,
      reason TEXT,
      goal TEXT,
      CHECK ((state = 'open') = (decided_at_ms IS NULL)),
      CHECK ((decided_at_ms IS NULL) = (decided_by IS NULL)),
      CHECK (state <> 'rejected' OR reason IS NOT NULL),
      CHECK (goal IS NULL OR state = 'approved')
    ) STRICT, WITHOUT ROWID`,
    // When something was last looked for: one row for each kind of look at the fleet as a whole.
    `CREATE TABLE mind_look (
      kind TEXT PRIMARY KEY CHECK (kind IN ('scan', 'propose')),
      at_ms INTEGER NOT NULL,
      detail TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`,
  ],
};
