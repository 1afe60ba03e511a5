import { err, ok, present, type Result, refused, type TaskId } from "#base";
import type {
  AttemptOutcome,
  AttemptRow,
  AttemptSample,
  CostQuery,
  CostSum,
  KeyRow,
  LaneRow,
  Page,
  QueueEvent,
  ScheduleRow,
  TaskFilter,
  TaskRecord,
  TaskRow,
} from "#queue";
import { type Connection, number, numberOrNull, type SqlRow, type SqlValue, text, textOrNull } from "./connection.ts";
import type { LongReader } from "./long-reader.ts";
import { readMeta } from "./meta.ts";
import {
  ATTEMPT_COLUMNS,
  EVENT_COLUMNS,
  KEY_COLUMNS,
  LANE_SELECT,
  SCHEDULE_COLUMNS,
  toAttemptRow,
  toKeyRow,
  toLaneRow,
  toQueueEvent,
  toScheduleRow,
} from "./queue-columns.ts";
import { onStorage } from "./storage-failure.ts";
import { isIndexedState, stateCondition, TASK_SELECT, toTaskRow } from "./task-columns.ts";

/** Reads of more rows than this leave the event loop: 1,000 attempts take 5 ms. */
const MAX_INLINE_ROWS = 1_000;
const CURSOR = /^t_[0-9a-z]{26}$/;

const TITLE = "CASE WHEN json_valid(s.body) THEN coalesce(json_extract(s.body, '$.title'), '') ELSE '' END";
const RECENT_ATTEMPTS = `SELECT a.task_id, a.n, a.node, a.executor, a.model, a.outcome, a.started_at_ms, a.ended_at_ms,
    a.duration_ms, a.wait_ms, a.tokens, a.cost_microdollars, CAST(${TITLE} AS TEXT), t.lane
  FROM event e
  JOIN attempt a ON a.task_id = e.task_id AND a.n = json_extract(e.data, '$.attempt')
  LEFT JOIN submission s ON s.task_id = a.task_id
  LEFT JOIN task t ON t.id = a.task_id
  WHERE e.seq >= ? AND e.kind IN ('task.done', 'task.retry', 'task.dead', 'task.cancelled') AND e.at_ms >= ?
  ORDER BY e.seq DESC LIMIT ?`;

/** A task's events, walked back from the latest; what retention removed ends the chain. */
const TASK_EVENTS = `WITH RECURSIVE chain (seq, at_ms, kind, task_id, data, previous_seq) AS (
    SELECT e.seq, e.at_ms, e.kind, e.task_id, e.data, e.previous_seq
      FROM task t JOIN event e ON e.seq = t.event_seq WHERE t.id = ?
    UNION ALL
    SELECT e.seq, e.at_ms, e.kind, e.task_id, e.data, e.previous_seq
      FROM chain c JOIN event e ON e.seq = c.previous_seq
  )
  SELECT ${EVENT_COLUMNS.join(", ")} FROM chain WHERE seq > ? ORDER BY seq LIMIT ?`;

const EVENTS = `SELECT ${EVENT_COLUMNS.join(", ")} FROM event WHERE seq > ? ORDER BY seq LIMIT ?`;
/** Its chain went with its row, so all events are looked through. */
const EVENTS_OF_REMOVED_TASK = `SELECT ${EVENT_COLUMNS.join(", ")} FROM event
  WHERE seq > ? AND task_id = ? ORDER BY seq LIMIT ?`;

/** What people and programs read: committed state, over a handle of its own, bounded. */
export class QueueReader {
  readonly #connection: Connection;
  readonly #long: LongReader;

  constructor(connection: Connection, long: LongReader) {
    this.#connection = connection;
    this.#long = long;
  }

  findMany(ids: readonly TaskId[]): Result<readonly TaskRecord[]> {
    return onStorage("find tasks", () => {
      const select = this.#connection.prepare(`SELECT ${TASK_SELECT} FROM task WHERE id = ?`);
      const rows = ids.map((id) => select.get([id])).filter((row) => row !== undefined);
      return this.#records(rows.map(toTaskRow));
    });
  }

  async list(filter: TaskFilter, limit: number, cursor?: string): Promise<Result<Page<TaskRecord>>> {
    if (cursor !== undefined && !CURSOR.test(cursor)) {
      return err(refused("invalid", `cannot read cursor "${cursor}"`, "Pass nextCursor of the page before, unchanged"));
    }
    const query = listQuery(filter, limit + 1, cursor);
    // Lane, key and the states that most tasks are in have no index, so such a search may visit every task.
    const isWalk = filter.states?.some((state) => !isIndexedState(state)) ?? false;
    const isLong = isWalk || filter.key !== undefined || filter.lane !== undefined || limit >= MAX_INLINE_ROWS;
    const found = await this.#rows("list tasks", query.sql, query.params, isLong);
    if (!found.ok) return found;
    const rows = found.value.map(toTaskRow);
    const page = rows.slice(0, limit);
    const items = onStorage("list tasks", () => this.#records(page));
    return items.ok
      ? ok({ items: items.value, nextCursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null })
      : items;
  }

  async events(afterSeq: number, limit: number, taskId?: TaskId): Promise<Result<readonly QueueEvent[]>> {
    const action = "read events";
    const isLong = limit > MAX_INLINE_ROWS;
    if (taskId === undefined) {
      const found = await this.#rows(action, EVENTS, [afterSeq, limit], isLong);
      return found.ok ? ok(found.value.map(toQueueEvent)) : found;
    }
    const task = onStorage(action, () => this.#connection.prepare("SELECT 1 FROM task WHERE id = ?").get([taskId]));
    if (!task.ok) return task;
    const found =
      task.value === undefined
        ? await this.#rows(action, EVENTS_OF_REMOVED_TASK, [afterSeq, taskId, limit], true)
        : await this.#rows(action, TASK_EVENTS, [taskId, afterSeq, limit], isLong);
    return found.ok ? ok(found.value.map(toQueueEvent)) : found;
  }

  /** As {@link events}, at once; for few. */
  eventsAfter(afterSeq: number, limit: number): Result<readonly QueueEvent[]> {
    return onStorage("read events", () => this.#connection.prepare(EVENTS).all([afterSeq, limit]).map(toQueueEvent));
  }

  eventRange(): Result<{ readonly firstSeq: number; readonly lastSeq: number }> {
    return onStorage("read events", () => this.#eventRange());
  }

  lanes(): Result<readonly LaneRow[]> {
    return onStorage("read lanes", () =>
      this.#connection.prepare(`SELECT ${LANE_SELECT} FROM lane ORDER BY lane`).all([]).map(toLaneRow),
    );
  }

  keys(limit: number): Result<readonly KeyRow[]> {
    const sql = `SELECT ${KEY_COLUMNS.join(", ")} FROM queue_key WHERE listed = 1 ORDER BY key LIMIT ?`;
    return onStorage("read keys", () => this.#connection.prepare(sql).all([limit]).map(toKeyRow));
  }

  schedules(limit: number): Result<readonly ScheduleRow[]> {
    const sql = `SELECT ${SCHEDULE_COLUMNS.join(", ")} FROM schedule ORDER BY id LIMIT ?`;
    return onStorage("read schedules", () => this.#connection.prepare(sql).all([limit]).map(toScheduleRow));
  }

  async recentAttempts(sinceMs: number, limit: number): Promise<Result<readonly AttemptSample[]>> {
    const action = "read attempts";
    const first = onStorage(action, () => this.#firstEventSince(sinceMs));
    if (!first.ok) return first;
    const found = await this.#rows(action, RECENT_ATTEMPTS, [first.value, sinceMs, limit], limit > MAX_INLINE_ROWS);
    return found.ok ? ok(found.value.map(toAttemptSample)) : found;
  }

  /** By the events of ends, whose numbers rise with time: attempts have no index by it. */
  async costs(query: CostQuery): Promise<Result<readonly CostSum[]>> {
    const action = "sum the costs";
    const first = onStorage(action, () => this.#firstEventSince(query.fromMs));
    if (!first.ok) return first;
    const { sql, label } = costSql(query.by);
    const params = [...label, first.value, query.fromMs, query.toMs, query.limit];
    const rows = await this.#long.all(action, sql, params);
    if (!rows.ok) return rows;
    const sums = rows.value.map((row) => ({
      group: text(row, 0),
      attempts: number(row, 1),
      tokens: number(row, 2),
      costMicrodollars: number(row, 3),
    }));
    return ok(query.by === "hour" || query.by === "day" ? sums.reverse() : sums);
  }

  requirements(limit: number): Result<readonly string[]> {
    const sql = "SELECT requirements FROM task_class ORDER BY id DESC LIMIT ?";
    return onStorage("read requirements", () =>
      this.#connection
        .prepare(sql)
        .all([limit])
        .map((row) => text(row, 0)),
    );
  }

  isPaused(): Result<boolean> {
    return onStorage("read the queue's state", () => readMeta(this.#connection, "paused") === "yes");
  }

  #eventRange(): { readonly firstSeq: number; readonly lastSeq: number } {
    const first = this.#connection.prepare("SELECT seq FROM event ORDER BY seq LIMIT 1").get([]);
    const last = this.#connection.prepare("SELECT seq FROM event ORDER BY seq DESC LIMIT 1").get([]);
    if (first === undefined || last === undefined) return { firstSeq: 0, lastSeq: 0 };
    return { firstSeq: number(first, 0), lastSeq: number(last, 0) };
  }

  /**
   * @returns about where the events since an instant begin, by halving the range: their numbers rise with the wall
   * clock except around a jump of it.
   */
  #firstEventSince(sinceMs: number): number {
    const range = this.#eventRange();
    const at = this.#connection.prepare("SELECT at_ms FROM event WHERE seq >= ? ORDER BY seq LIMIT 1");
    let low = range.firstSeq;
    let high = range.lastSeq;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const found = at.get([middle]);
      if (found !== undefined && number(found, 0) < sinceMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #records(rows: readonly TaskRow[]): readonly TaskRecord[] {
    const ids = JSON.stringify(rows.map((row) => row.id));
    const related = (sql: string): readonly SqlRow[] => this.#connection.prepare(sql).all([ids]);
    const among = "WHERE task_id IN (SELECT value FROM json_each(?))";
    const bodies = new Map(
      related(`SELECT task_id, body FROM submission ${among}`).map((row) => [row[0], text(row, 1)]),
    );
    const labels = byTask(related(`SELECT task_id, name, value FROM task_label ${among}`));
    const dependencies = byTask(related(`SELECT task_id, depends_on FROM dependency ${among} ORDER BY depends_on`));
    const attempts = byTask(related(`SELECT ${ATTEMPT_COLUMNS.join(", ")} FROM attempt ${among} ORDER BY task_id, n`));
    return rows.map((row) => ({
      row,
      body: present(bodies.get(row.id), `Q8: task ${row.id} has its submission`),
      labels: Object.fromEntries((labels.get(row.id) ?? []).map((label) => [text(label, 1), text(label, 2)])),
      dependsOn: (dependencies.get(row.id) ?? []).map((dependency) => text(dependency, 1) as TaskId), // `as`: written from a TaskId
      attempts: (attempts.get(row.id) ?? []).map((attempt): AttemptRow => toAttemptRow(attempt)),
    }));
  }

  #rows(action: string, sql: string, params: readonly SqlValue[], isLong: boolean): Promise<Result<readonly SqlRow[]>> {
    if (isLong) return this.#long.all(action, sql, params);
    return Promise.resolve(onStorage(action, () => this.#connection.prepare(sql).all(params)));
  }
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const COST_GROUPS = {
  node: "a.node",
  executor: "a.executor",
  model: "a.model",
  endpoint: "a.endpoint",
  hour: `CAST(a.ended_at_ms / ${HOUR_MS} * ${HOUR_MS} AS TEXT)`,
  day: `CAST(a.ended_at_ms / ${DAY_MS} * ${DAY_MS} AS TEXT)`,
} as const;

function costSql(by: CostQuery["by"]): { readonly sql: string; readonly label: readonly string[] } {
  const isLabel = typeof by === "object";
  const group = isLabel ? "l.value" : COST_GROUPS[by];
  const order = by === "hour" || by === "day" ? "min(a.ended_at_ms) DESC" : "4 DESC, 3 DESC, 1";
  const sql = `SELECT ${group}, count(*), sum(a.tokens), sum(a.cost_microdollars)
    FROM event e
    JOIN attempt a ON a.task_id = e.task_id AND a.n = json_extract(e.data, '$.attempt')
    ${isLabel ? "JOIN task_label l ON l.task_id = a.task_id AND l.name = ?" : ""}
    WHERE e.seq >= ? AND e.kind IN ('task.done', 'task.retry', 'task.dead', 'task.cancelled')
      AND a.ended_at_ms >= ? AND a.ended_at_ms < ? AND a.tokens + a.cost_microdollars > 0 AND ${group} IS NOT NULL
    GROUP BY 1 ORDER BY ${order} LIMIT ?`;
  return { sql, label: isLabel ? [by.label] : [] };
}

/** One index range per state, so that a page never sorts more than `states × limit` rows. */
function listQuery(filter: TaskFilter, limit: number, cursor?: string): { sql: string; params: readonly SqlValue[] } {
  const conditions: string[] = [];
  const values: SqlValue[] = [];
  const add = (condition: string, ...bound: SqlValue[]): void => {
    conditions.push(condition);
    values.push(...bound);
  };
  if (cursor !== undefined) add("id < ?", cursor);
  if (filter.lane !== undefined) add("lane = ?", filter.lane);
  if (filter.key !== undefined) add("key = ?", filter.key);
  if (filter.label !== undefined) {
    add("id IN (SELECT task_id FROM task_label WHERE name = ? AND value = ?)", filter.label.name, filter.label.value);
  }
  const select = (condition: readonly string[]): string =>
    `SELECT ${TASK_SELECT} FROM task ${condition.length === 0 ? "" : `WHERE ${condition.join(" AND ")}`} ORDER BY id DESC LIMIT ?`;
  if (filter.states === undefined) return { sql: select(conditions), params: [...values, limit] };
  if (filter.states.length === 0) return { sql: select(["0"]), params: [limit] };
  const branches = filter.states.map((state) => `SELECT * FROM (${select([stateCondition(state), ...conditions])})`);
  return {
    sql: `${branches.join(" UNION ALL ")} ORDER BY id DESC LIMIT ?`,
    params: [...filter.states.flatMap((): SqlValue[] => [...values, limit]), limit],
  };
}

function byTask(rows: readonly SqlRow[]): ReadonlyMap<SqlValue | undefined, SqlRow[]> {
  const grouped = new Map<SqlValue | undefined, SqlRow[]>();
  for (const row of rows) {
    const list = grouped.get(row[0]);
    if (list === undefined) grouped.set(row[0], [row]);
    else list.push(row);
  }
  return grouped;
}

function toAttemptSample(row: SqlRow): AttemptSample {
  return {
    // `as`, three times: written from these types, and CHECK admits only the known outcomes.
    taskId: text(row, 0) as TaskId,
    n: number(row, 1),
    node: text(row, 2) as AttemptSample["node"],
    executor: text(row, 3),
    model: textOrNull(row, 4),
    outcome: text(row, 5) as AttemptOutcome,
    startedAtMs: number(row, 6),
    endedAtMs: number(row, 7),
    durationMs: number(row, 8),
    waitMs: number(row, 9),
    tokens: number(row, 10),
    costMicrodollars: number(row, 11),
    title: text(row, 12),
    lane: numberOrNull(row, 13),
  };
}
