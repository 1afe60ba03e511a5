import { err, type GoalId, ok, type Result, refused } from "#base";
import {
  announced,
  type Changed,
  cancelledGoal,
  type Goal,
  type GoalBudget,
  type GoalChange,
  type GoalEvent,
  type GoalFilter,
  type GoalReceipt,
  type GoalStore,
  type GoalTask,
  goalOnce,
  MAX_OPEN_GOALS,
  type NewGoal,
  type NewGoalEvent,
  noGoal,
  orderText,
  otherOrder,
  resumedGoal,
  submitted,
  tooManyGoals,
} from "#goals";
import type { Once, Page, QueueTransaction } from "#queue";
import { type Connection, number, type SqlValue } from "./connection.ts";
import {
  GOAL_COLUMNS,
  GOAL_TASK_COLUMNS,
  goalEventOf,
  goalOf,
  goalTaskOf,
  goalTaskValues,
  goalValues,
} from "./goal-columns.ts";
import { onStorage } from "./storage-failure.ts";

/** Runs a command on the queue's tables and others in the next transaction of the one writer. */
export type WriteWith = <T>(
  label: string,
  command: (tx: QueueTransaction, connection: Connection) => Result<T>,
) => Promise<Result<T>>;

const SELECT = `SELECT ${GOAL_COLUMNS.join(", ")} FROM goal`;
const INSERT = `INSERT INTO goal (${GOAL_COLUMNS.join(", ")}) VALUES (${GOAL_COLUMNS.map(() => "?").join(", ")})`;
const CHANGED = GOAL_COLUMNS.filter((name) => name !== "id" && name !== "created_at_ms");
/** G2: an ended goal keeps its state; its rows may still be tidied. */
const UPDATE = `UPDATE goal SET ${CHANGED.map((name) => `${name} = ?`).join(", ")},
    is_busy = EXISTS (SELECT 1 FROM goal_task WHERE goal_id = goal.id AND state IN ('planned', 'open'))
  WHERE id = ? AND revision = ? AND (ended_at_ms IS NULL OR state = ?)`;
const PUT_TASK = `INSERT INTO goal_task (${GOAL_TASK_COLUMNS.join(", ")})
  VALUES (${GOAL_TASK_COLUMNS.map(() => "?").join(", ")})
  ON CONFLICT (goal_id, n) DO UPDATE SET state = excluded.state, tries = excluded.tries, task_id = excluded.task_id,
    reply = excluded.reply, error = excluded.error, tokens = excluded.tokens,
    cost_microdollars = excluded.cost_microdollars`;
const LAST_EVENT = "SELECT seq FROM goal_event WHERE goal_id = ? ORDER BY seq DESC LIMIT 1";
const PUT_EVENT = "INSERT INTO goal_event (goal_id, seq, at_ms, kind, data) VALUES (?, ?, ?, ?, ?)";
const OPEN = "WHERE ended_at_ms IS NULL OR is_busy = 1 ORDER BY priority, id LIMIT ?";

/** Goals, in fleet.db. */
export class LibsqlGoalStore implements GoalStore {
  readonly #write: WriteWith;
  readonly #reading: Connection;

  constructor(write: WriteWith, reading: Connection) {
    this.#write = write;
    this.#reading = reading;
  }

  submit({ id, order, nowMs }: NewGoal, once?: Once): Promise<Result<GoalReceipt>> {
    return this.#run<GoalReceipt>("submit goal", nowMs, once, (tx, connection) => {
      const { idempotencyKey: key } = order;
      const row =
        connection.prepare(`${SELECT} WHERE id = ?`).get([id]) ??
        (key === null ? undefined : connection.prepare(`${SELECT} WHERE idempotency_key = ?`).get([key]));
      if (row !== undefined) {
        const known = goalOf(row);
        const isSame = orderText(known.order) === orderText(order);
        return isSame ? ok({ id: known.id, existed: true }) : err(otherOrder(key ?? id, known.id));
      }
      const count = connection.prepare("SELECT count(*) FROM goal WHERE ended_at_ms IS NULL").get([]);
      const open = count === undefined ? 0 : number(count, 0);
      if (open >= MAX_OPEN_GOALS) return err(tooManyGoals(open));
      const goal = submitted(id, order, nowMs);
      connection.prepare(INSERT).run(goalValues(goal));
      tell(tx, connection, undefined, goal, [{ kind: "submitted", data: {} }], nowMs);
      return ok({ id, existed: false });
    });
  }

  save(before: Goal, { goal, tasks, events }: GoalChange, nowMs: number): Promise<Result<boolean>> {
    return this.#write("change goal", (tx, connection) => {
      const row = connection.prepare(`${SELECT} WHERE id = ? AND revision = ?`).get([before.id, before.revision]);
      if (row === undefined) return ok(false);
      put(tx, connection, { before: goalOf(row), goal, tasks, events }, nowMs);
      return ok(true);
    });
  }

  cancel(id: GoalId, why: string, nowMs: number, once?: Once): Promise<Result<Goal>> {
    return this.#run("cancel goal", nowMs, once, (tx, connection) =>
      change(tx, connection, id, nowMs, (goal) => cancelledGoal(goal, why, nowMs)),
    );
  }

  resume(id: GoalId, budget: GoalBudget | null, nowMs: number, once?: Once): Promise<Result<Goal>> {
    return this.#run("resume goal", nowMs, once, (tx, connection) =>
      change(tx, connection, id, nowMs, (goal) => resumedGoal(goal, budget)),
    );
  }

  async find(id: GoalId): Promise<Result<Goal | undefined>> {
    return this.#read("find a goal", undefined, () => {
      const row = this.#reading.prepare(`${SELECT} WHERE id = ?`).get([id]);
      return row === undefined ? undefined : goalOf(row);
    });
  }

  async keyed(key: string): ReturnType<GoalStore["keyed"]> {
    return this.#read("look for a key", undefined, () => {
      const row = this.#reading.prepare(`${SELECT} WHERE idempotency_key = ?`).get([key]);
      if (row === undefined) return undefined;
      const { id, order } = goalOf(row);
      return { id, order };
    });
  }

  async tasks(id: GoalId): Promise<Result<readonly GoalTask[]>> {
    const sql = `SELECT ${GOAL_TASK_COLUMNS.join(", ")} FROM goal_task WHERE goal_id = ? ORDER BY n`;
    return this.#read("read the tasks of a goal", [], () => this.#reading.prepare(sql).all([id]).map(goalTaskOf));
  }

  async list({ states }: GoalFilter, limit: number, cursor?: string): Promise<Result<Page<Goal>>> {
    const params: SqlValue[] = [];
    const conditions: string[] = [];
    if (cursor !== undefined) {
      conditions.push("id < ?");
      params.push(cursor);
    }
    if (states !== undefined) {
      conditions.push(`state IN (${states.map(() => "?").join(", ")})`);
      params.push(...states);
    }
    const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
    return this.#read("list goals", { items: [], nextCursor: null }, () => {
      const rows = this.#reading.prepare(`${SELECT} ${where} ORDER BY id DESC LIMIT ?`).all([...params, limit + 1]);
      const items = rows.slice(0, limit).map(goalOf);
      return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
    });
  }

  async open(limit: number): Promise<Result<readonly Goal[]>> {
    return this.#read("read open goals", [], () => this.#reading.prepare(`${SELECT} ${OPEN}`).all([limit]).map(goalOf));
  }

  async events(id: GoalId, afterSeq: number, limit: number): Promise<Result<readonly GoalEvent[]>> {
    const sql = "SELECT seq, at_ms, kind, data FROM goal_event WHERE goal_id = ? AND seq > ? ORDER BY seq LIMIT ?";
    return this.#read("read the history of a goal", [], () =>
      this.#reading.prepare(sql).all([id, afterSeq, limit]).map(goalEventOf),
    );
  }

  prune(beforeMs: number, limit: number): Promise<Result<number>> {
    return this.#write("prune goals", (_tx, connection) => {
      const old = "SELECT id FROM goal WHERE ended_at_ms IS NOT NULL AND ended_at_ms < ? ORDER BY ended_at_ms LIMIT ?";
      const rows = connection.prepare(old).all([beforeMs, limit]);
      for (const [id = null] of rows) {
        connection.prepare("DELETE FROM goal_event WHERE goal_id = ?").run([id]);
        connection.prepare("DELETE FROM goal_task WHERE goal_id = ?").run([id]);
        connection.prepare("DELETE FROM goal WHERE id = ?").run([id]);
      }
      return ok(rows.length);
    });
  }

  /** The database of a hub of an earlier version has no such tables. */
  #read<T>(what: string, none: T, read: () => T): Result<T> {
    return onStorage(what, () => {
      const exists = this.#reading.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'goal'").get([]);
      return exists === undefined ? none : read();
    });
  }

  /** A refusal is a result too, and kept for a repetition; so the transaction itself never refuses. */
  async #run<T>(
    label: string,
    nowMs: number,
    once: Once | undefined,
    command: (tx: QueueTransaction, connection: Connection) => Result<T>,
  ): Promise<Result<T>> {
    const answered = await this.#write(label, (tx, connection) =>
      ok(goalOnce(tx, label, nowMs, once, () => command(tx, connection))),
    );
    return answered.ok ? answered.value : answered;
  }
}

/** Goals on a node that follows a hub: read from its copy, changed by the hub. */
export function goalReader(reading: Connection): GoalStore {
  const refusal = refused("unsupported", "goals are kept by the hub of the fleet");
  return new LibsqlGoalStore(() => Promise.resolve(err(refusal)), reading);
}

function change(
  tx: QueueTransaction,
  connection: Connection,
  id: GoalId,
  nowMs: number,
  rule: (goal: Goal) => Result<Changed>,
): Result<Goal> {
  const row = connection.prepare(`${SELECT} WHERE id = ?`).get([id]);
  if (row === undefined) return err(noGoal(id));
  const before = goalOf(row);
  const changed = rule(before);
  if (!changed.ok) return changed;
  const { goal, events } = changed.value;
  if (events.length === 0) return ok(before);
  return ok(put(tx, connection, { before, goal, tasks: [], events }, nowMs));
}

function put(
  tx: QueueTransaction,
  connection: Connection,
  { before, goal, tasks, events }: GoalChange & { readonly before: Goal },
  nowMs: number,
): Goal {
  const after = { ...goal, revision: before.revision + 1 };
  for (const task of tasks) connection.prepare(PUT_TASK).run(goalTaskValues(task));
  const values = new Map(GOAL_COLUMNS.map((name, index) => [name, goalValues(after)[index] ?? null]));
  const params = CHANGED.map((name) => values.get(name) ?? null);
  const rows = connection.prepare(UPDATE).run([...params, before.id, before.revision, after.state]);
  if (rows !== 1) throw new Error(`G2: goal ${before.id} was to go from ${before.state} to ${after.state}`);
  tell(tx, connection, before, after, events, nowMs);
  return after;
}

function tell(
  tx: QueueTransaction,
  connection: Connection,
  before: Goal | undefined,
  after: Goal,
  events: readonly NewGoalEvent[],
  atMs: number,
): void {
  const last = events.length === 0 ? undefined : connection.prepare(LAST_EVENT).get([after.id]);
  let seq = last === undefined ? 0 : number(last, 0);
  for (const { kind, data } of events) {
    seq += 1;
    connection.prepare(PUT_EVENT).run([after.id, seq, atMs, kind, JSON.stringify(data)]);
  }
  const line = announced(before, after, atMs);
  if (line !== undefined) tx.appendEvent(line);
}
