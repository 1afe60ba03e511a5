import type { Migration } from "../migration.ts";

/**
 * The queue. CHECK constraints repeat the invariants of src/queue, so that neither a bug nor a person with a shell
 * can store what the machine could not have made. Tables that are always read by their own key have no rowid.
 *
 * Words are compared by OR and CASE, never by IN: SQLite builds a temporary tree for each IN of three words and more,
 * and with those the checks took longer than the insert (10 of 19 µs).
 */
export const queueMigration: Migration = {
  number: 1,
  name: "queue",
  sql: [
    `CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID`,

    `CREATE TABLE task_class (
      id INTEGER PRIMARY KEY,
      requirements TEXT NOT NULL UNIQUE
    ) STRICT`,

    `CREATE TABLE task (
      id TEXT PRIMARY KEY,
      lane INTEGER NOT NULL CHECK (lane BETWEEN 0 AND 4),
      class_id INTEGER NOT NULL,
      key TEXT NOT NULL DEFAULT '',
      state TEXT NOT NULL,
      tag REAL NOT NULL,
      admitted INTEGER NOT NULL CHECK (admitted BETWEEN 0 AND 1),
      blocked_by INTEGER NOT NULL DEFAULT 0 CHECK (blocked_by >= 0),
      dependency_policy TEXT NOT NULL DEFAULT 'fail'
        CHECK (dependency_policy = 'fail' OR dependency_policy = 'wait' OR dependency_policy = 'ignore'),
      wake_at_ms INTEGER,
      wake_reason TEXT,
      created_at_ms INTEGER NOT NULL,
      ready_at_ms INTEGER,
      started_at_ms INTEGER,
      ended_at_ms INTEGER,
      fence_epoch INTEGER NOT NULL DEFAULT 0,
      fence_n INTEGER NOT NULL DEFAULT 0,
      holder TEXT,
      attempts INTEGER NOT NULL DEFAULT 0,
      attempt_limit INTEGER NOT NULL DEFAULT 3,
      max_attempts INTEGER NOT NULL DEFAULT 3,
      retry_base_ms INTEGER NOT NULL DEFAULT 1000,
      retry_max_ms INTEGER NOT NULL DEFAULT 300000,
      cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested BETWEEN 0 AND 1),
      reason_code TEXT,
      reason_text TEXT,
      progress_ratio REAL CHECK (progress_ratio IS NULL OR progress_ratio BETWEEN 0 AND 1),
      progress_message TEXT,
      -- The task's latest event: the end of the chain that its history is read along.
      event_seq INTEGER NOT NULL,
      CHECK (attempts BETWEEN 0 AND attempt_limit),
      CHECK ((wake_at_ms IS NULL) = (wake_reason IS NULL)),
      CHECK (CASE state
        WHEN 'ready' THEN holder IS NULL AND ended_at_ms IS NULL AND wake_at_ms IS NULL AND blocked_by = 0
        WHEN 'running' THEN holder IS NOT NULL AND started_at_ms IS NOT NULL AND fence_epoch > 0 AND admitted = 0
          AND ended_at_ms IS NULL AND wake_at_ms IS NULL AND blocked_by = 0
        WHEN 'done' THEN holder IS NULL AND ended_at_ms IS NOT NULL AND wake_at_ms IS NULL AND admitted = 0
        WHEN 'waiting' THEN holder IS NULL AND ended_at_ms IS NULL AND admitted = 0
        WHEN 'dead' THEN holder IS NULL AND ended_at_ms IS NOT NULL AND wake_at_ms IS NULL AND admitted = 0
          AND reason_code IS NOT NULL
        WHEN 'cancelled' THEN holder IS NULL AND ended_at_ms IS NOT NULL AND wake_at_ms IS NULL AND admitted = 0
        ELSE 0 END)
    ) STRICT, WITHOUT ROWID`,
    // Claims: the first admitted tasks of a lane and class, one seek each.
    `CREATE INDEX task_claim ON task (lane, class_id, tag, id) WHERE state = 'ready' AND admitted = 1`,
    `CREATE INDEX task_held_back ON task (key, lane, tag, id) WHERE state = 'ready' AND admitted = 0`,
    `CREATE INDEX task_wake ON task (blocked_by, wake_at_ms, id) WHERE state = 'waiting' AND wake_at_ms IS NOT NULL`,
    // Only states that are rare among many tasks; those that are common are found soon by walking the ids. Not
    // `state IN (…)`: SQLite builds a table of such a list with each update, and cannot see that `state = 'dead'` is in it.
    `CREATE INDEX task_state ON task (state, id)
      WHERE state = 'waiting' OR state = 'running' OR state = 'dead' OR state = 'cancelled'`,

    // Apart from the task, because a transition rewrites the task's row and must not copy its prompt.
    `CREATE TABLE submission (
      task_id TEXT PRIMARY KEY,
      body TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`,

    `CREATE TABLE dependency (
      task_id TEXT NOT NULL,
      depends_on TEXT NOT NULL,
      satisfied INTEGER NOT NULL CHECK (satisfied BETWEEN 0 AND 1),
      PRIMARY KEY (task_id, depends_on),
      CHECK (task_id <> depends_on)
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX dependency_reverse ON dependency (depends_on, satisfied, task_id)`,

    `CREATE TABLE task_label (
      name TEXT NOT NULL,
      value TEXT NOT NULL,
      task_id TEXT NOT NULL,
      PRIMARY KEY (name, value, task_id)
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX task_label_task ON task_label (task_id)`,

    `CREATE TABLE attempt (
      task_id TEXT NOT NULL,
      n INTEGER NOT NULL CHECK (n >= 1),
      fence_epoch INTEGER NOT NULL,
      fence_n INTEGER NOT NULL,
      node TEXT NOT NULL,
      executor TEXT NOT NULL,
      endpoint TEXT,
      model TEXT,
      outcome TEXT NOT NULL CHECK (outcome = 'passed' OR outcome = 'failed' OR outcome = 'partial_pass'
        OR outcome = 'timed_out' OR outcome = 'cancelled' OR outcome = 'lost'),
      started_at_ms INTEGER NOT NULL,
      ended_at_ms INTEGER NOT NULL,
      duration_ms INTEGER NOT NULL CHECK (duration_ms >= 0),
      wait_ms INTEGER NOT NULL CHECK (wait_ms >= 0),
      tokens INTEGER NOT NULL CHECK (tokens >= 0),
      cost_microdollars INTEGER NOT NULL CHECK (cost_microdollars >= 0),
      error TEXT,
      report TEXT,
      result TEXT,
      PRIMARY KEY (task_id, n)
    ) STRICT, WITHOUT ROWID`,

    `CREATE TABLE event (
      seq INTEGER PRIMARY KEY,
      at_ms INTEGER NOT NULL,
      kind TEXT NOT NULL,
      task_id TEXT,
      -- The event before this one of the same task, or null. A chain instead of an index: the task's row is written
      -- with each of its events anyway, and an index entry would be a fifth of the work of a submission.
      previous_seq INTEGER CHECK (previous_seq < seq),
      data TEXT NOT NULL
    ) STRICT`,

    `CREATE TABLE queue_key (
      key TEXT PRIMARY KEY,
      max_concurrent INTEGER,
      rate_per_second REAL,
      burst REAL NOT NULL,
      weight REAL NOT NULL CHECK (weight > 0),
      paused INTEGER NOT NULL CHECK (paused BETWEEN 0 AND 1),
      running INTEGER NOT NULL CHECK (running >= 0),
      admitted INTEGER NOT NULL CHECK (admitted >= 0),
      tag_0 REAL NOT NULL,
      tag_1 REAL NOT NULL,
      tag_2 REAL NOT NULL,
      tag_3 REAL NOT NULL,
      tag_4 REAL NOT NULL,
      rate_tokens REAL NOT NULL,
      rate_at_ms REAL NOT NULL,
      wake_at_ms INTEGER,
      listed INTEGER NOT NULL CHECK (listed BETWEEN 0 AND 1)
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX queue_key_wake ON queue_key (wake_at_ms) WHERE wake_at_ms IS NOT NULL`,
    `CREATE INDEX queue_key_listed ON queue_key (key) WHERE listed = 1`,

    `CREATE TABLE lane (
      lane INTEGER PRIMARY KEY CHECK (lane BETWEEN 0 AND 4),
      virtual_time REAL NOT NULL,
      waiting INTEGER NOT NULL CHECK (waiting >= 0),
      ready INTEGER NOT NULL CHECK (ready >= 0),
      running INTEGER NOT NULL CHECK (running >= 0),
      done INTEGER NOT NULL CHECK (done >= 0),
      dead INTEGER NOT NULL CHECK (dead >= 0),
      cancelled INTEGER NOT NULL CHECK (cancelled >= 0)
    ) STRICT`,
    `INSERT INTO lane VALUES
      (0, 0, 0, 0, 0, 0, 0, 0), (1, 0, 0, 0, 0, 0, 0, 0), (2, 0, 0, 0, 0, 0, 0, 0),
      (3, 0, 0, 0, 0, 0, 0, 0), (4, 0, 0, 0, 0, 0, 0, 0)`,

    `CREATE TABLE idempotency (
      key TEXT PRIMARY KEY,
      task_id TEXT NOT NULL,
      body_hash TEXT NOT NULL,
      at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX idempotency_at ON idempotency (at_ms)`,

    `CREATE TABLE schedule (
      id TEXT PRIMARY KEY,
      name TEXT NOT NULL,
      cron TEXT NOT NULL,
      timezone TEXT NOT NULL,
      overlap TEXT NOT NULL CHECK (overlap IN ('skip', 'allow')),
      paused INTEGER NOT NULL CHECK (paused BETWEEN 0 AND 1),
      next_at_ms INTEGER NOT NULL,
      last_at_ms INTEGER,
      last_task_id TEXT,
      template TEXT NOT NULL,
      created_at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX schedule_next ON schedule (next_at_ms) WHERE paused = 0`,
  ],
};
