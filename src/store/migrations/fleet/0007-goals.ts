import type { Migration } from "../migration.ts";

/** Goals, the tasks that each was divided into, and what happened to each. */
export const goalTablesMigration: Migration = {
  number: 7,
  name: "goal tables",
  sql: [
    `CREATE TABLE goal (
      id TEXT PRIMARY KEY,
      state TEXT NOT NULL CHECK (state IN
        ('submitted', 'decomposing', 'executing', 'verifying', 'complete', 'failed', 'cancelled')),
      -- 0 is the most urgent.
      priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 4),
      revision INTEGER NOT NULL CHECK (revision >= 1),
      idempotency_key TEXT UNIQUE,
      -- What was asked for, as canonical JSON; "order" of the code.
      definition TEXT NOT NULL CHECK (json_valid(definition)),
      round INTEGER NOT NULL CHECK (round >= 0),
      asks INTEGER NOT NULL CHECK (asks >= 0),
      paused TEXT,
      reason_code TEXT,
      reason TEXT,
      tokens INTEGER NOT NULL CHECK (tokens >= 0),
      cost_microdollars INTEGER NOT NULL CHECK (cost_microdollars >= 0),
      -- Home, plan, verdict and delivery, as JSON.
      progress TEXT NOT NULL CHECK (json_valid(progress)),
      -- Whether tasks of it are still to be submitted, or in the queue.
      is_busy INTEGER NOT NULL DEFAULT 0 CHECK (is_busy IN (0, 1)),
      created_at_ms INTEGER NOT NULL,
      started_at_ms INTEGER,
      ended_at_ms INTEGER,
      CHECK ((state IN ('complete', 'failed', 'cancelled')) = (ended_at_ms IS NOT NULL)),
      CHECK ((state IN ('failed', 'cancelled')) = (reason_code IS NOT NULL)),
      CHECK ((reason_code IS NULL) = (reason IS NULL)),
      CHECK (state <> 'submitted' OR round = 0)
    ) STRICT, WITHOUT ROWID`,
    // Few goals are open, and they are looked at every second.
    `CREATE INDEX goal_open ON goal (priority, id) WHERE ended_at_ms IS NULL OR is_busy = 1`,
    `CREATE INDEX goal_ended ON goal (ended_at_ms) WHERE ended_at_ms IS NOT NULL`,
    `CREATE TABLE goal_task (
      goal_id TEXT NOT NULL,
      n INTEGER NOT NULL CHECK (n >= 1),
      kind TEXT NOT NULL CHECK (kind IN ('plan', 'work', 'check', 'judge')),
      round INTEGER NOT NULL CHECK (round >= 1),
      key TEXT NOT NULL,
      title TEXT NOT NULL,
      body TEXT NOT NULL CHECK (json_valid(body)),
      depends_on TEXT NOT NULL CHECK (json_valid(depends_on)),
      state TEXT NOT NULL CHECK (state IN ('planned', 'open', 'done', 'failed', 'dropped')),
      tries INTEGER NOT NULL CHECK (tries >= 0),
      task_id TEXT,
      reply TEXT,
      error TEXT,
      tokens INTEGER NOT NULL CHECK (tokens >= 0),
      cost_microdollars INTEGER NOT NULL CHECK (cost_microdollars >= 0),
      PRIMARY KEY (goal_id, n),
      CHECK (state <> 'open' OR task_id IS NOT NULL)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE goal_event (
      goal_id TEXT NOT NULL,
      seq INTEGER NOT NULL CHECK (seq >= 1),
      at_ms INTEGER NOT NULL,
      kind TEXT NOT NULL,
      data TEXT NOT NULL CHECK (json_valid(data)),
      PRIMARY KEY (goal_id, seq)
    ) STRICT, WITHOUT ROWID`,
  ],
};
