import { assert, InvariantBroken, type TaskId } from "#base";
import type { TaskRow } from "#queue";
import type { Connection, SqlRow, SqlValue, Statement } from "./connection.ts";
import { eventSeqOf, stateCondition, TASK_SELECT, taskValues, toTaskRow } from "./task-columns.ts";
import { TaskInserts } from "./task-inserts.ts";
import { guardBroken, type Stored, TaskUpdates } from "./task-updates.ts";

/** Rows remembered between transactions; at about 600 bytes a row this is 2.5 MB. */
const MAX_REMEMBERED_ROWS = 4_096;

const HEADS = `SELECT ${TASK_SELECT} FROM task
  WHERE state = 'ready' AND admitted = 1 AND lane = ? AND class_id = ? ORDER BY tag, id LIMIT ?`;
const HELD_BACK = `SELECT ${TASK_SELECT} FROM task
  WHERE state = 'ready' AND admitted = 0 AND key = ? ORDER BY lane, tag, id LIMIT ?`;
const DUE = `SELECT ${TASK_SELECT} FROM task
  WHERE state = 'waiting' AND blocked_by = 0 AND wake_at_ms IS NOT NULL AND wake_at_ms <= ? ORDER BY wake_at_ms, id LIMIT ?`;
const RETRIES_AFTER = `SELECT ${TASK_SELECT} FROM task
  WHERE state = 'waiting' AND wake_at_ms IS NOT NULL AND wake_at_ms > ? AND wake_reason = 'retry'
  ORDER BY wake_at_ms DESC, id LIMIT ?`;
const RUNNING = `SELECT ${TASK_SELECT} FROM task WHERE ${stateCondition("running")} ORDER BY id LIMIT ?`;
const NEXT_WAKE = `SELECT wake_at_ms FROM task
  WHERE state = 'waiting' AND blocked_by = 0 AND wake_at_ms IS NOT NULL ORDER BY wake_at_ms LIMIT 1`;

/**
 * The rows of `task` as the running transaction sees them. Each row is written at most once per transaction, and rows
 * that were just used are not read again. That is sound because this is the only writer; a change made from outside
 * is noticed before a transaction starts, and every update checks the stored state and fence all the same.
 */
export class TaskTable {
  readonly #connection: Connection;
  readonly #rows = new Map<string, TaskRow>();
  readonly #eventSeqs = new Map<string, number>();
  /** Rows to write, each with what the database holds of it: null when it is not there yet. */
  readonly #dirty = new Map<string, Stored | null>();
  readonly #inserts: TaskInserts;
  readonly #select: Statement;
  readonly #updates: TaskUpdates;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#inserts = new TaskInserts(connection);
    this.#updates = new TaskUpdates(connection);
    this.#select = connection.prepare(`SELECT ${TASK_SELECT} FROM task WHERE id = ?`);
  }

  get(id: string): TaskRow | undefined {
    const known = this.#rows.get(id);
    if (known !== undefined) return known;
    const found = this.#select.get([id]);
    return found === undefined ? undefined : this.#remember(found);
  }

  insert(row: TaskRow): void {
    assert(!this.#rows.has(row.id), `Q8: task ${row.id} is inserted once`);
    this.#rows.set(row.id, row);
    this.#eventSeqs.set(row.id, 0);
    this.#dirty.set(row.id, null);
  }

  /** Makes `seq` the task's latest event. @returns the one before it, null when there is none. */
  chain(id: string, seq: number): number | null {
    const row = this.get(id);
    if (row === undefined) return null; // removed in this transaction: its history ends with it
    const before = this.#eventSeqs.get(id) ?? 0;
    if (!this.#dirty.has(id)) this.#dirty.set(id, { row, eventSeq: before });
    this.#eventSeqs.set(id, seq);
    return before === 0 ? null : before;
  }

  update(before: TaskRow, after: TaskRow): void {
    const current = this.get(before.id);
    if (current === undefined || !sameGuard(current, before)) throw guardBroken(before);
    if (!this.#dirty.has(before.id)) {
      this.#dirty.set(before.id, { row: current, eventSeq: this.#eventSeqs.get(before.id) ?? 0 });
    }
    this.#rows.set(before.id, after);
  }

  delete(id: TaskId): void {
    this.flush();
    this.#rows.delete(id);
    this.#eventSeqs.delete(id);
    const removed = this.#connection.prepare("DELETE FROM task WHERE id = ?").run([id]);
    assert(removed === 1, `Q8: task ${id} is removed once`);
  }

  heads(lane: number, classIds: readonly number[], limit: number): readonly TaskRow[] {
    const lists = classIds.map((classId) => this.#query(HEADS, [lane, classId], limit));
    const [only] = lists;
    if (lists.length === 1 && only !== undefined) return only;
    return lists
      .flat()
      .sort((a, b) => a.tag - b.tag || (a.id < b.id ? -1 : 1))
      .slice(0, limit);
  }

  heldBack(key: string, limit: number): readonly TaskRow[] {
    return this.#query(HELD_BACK, [key], limit);
  }

  due(atMs: number, limit: number): readonly TaskRow[] {
    return this.#query(DUE, [atMs], limit);
  }

  retriesAfter(afterMs: number, limit: number): readonly TaskRow[] {
    return this.#query(RETRIES_AFTER, [afterMs], limit);
  }

  running(limit: number): readonly TaskRow[] {
    return this.#query(RUNNING, [], limit);
  }

  nextWakeMs(): number | null {
    this.flush();
    const wakeAtMs = this.#connection.prepare(NEXT_WAKE).get([])?.[0];
    return typeof wakeAtMs === "number" ? wakeAtMs : null;
  }

  /** Writes what changed. Guarded: each stored row must still be the one that was read. */
  flush(): void {
    if (this.#dirty.size === 0) return;
    for (const [id, stored] of this.#dirty) {
      const row = this.#rows.get(id);
      if (row === undefined) throw new InvariantBroken(`task ${id} is remembered until it is written`);
      const values = taskValues(row, this.#eventSeqs.get(id) ?? 0);
      if (stored === null) this.#inserts.add(values);
      else this.#updates.add(values, stored);
    }
    this.#dirty.clear();
    this.#updates.flush();
    this.#inserts.flush();
  }

  /** After COMMIT: keeps what is likely to be used again. An ended task is not. */
  settle(endedIds: readonly string[]): void {
    for (const id of endedIds) {
      this.#rows.delete(id);
      this.#eventSeqs.delete(id);
    }
    if (this.#rows.size <= MAX_REMEMBERED_ROWS) return;
    this.#rows.clear();
    this.#eventSeqs.clear();
  }

  /** Forgets everything, written or not. */
  forget(): void {
    this.#rows.clear();
    this.#eventSeqs.clear();
    this.#dirty.clear();
    this.#inserts.clear();
    this.#updates.clear();
  }

  #query(sql: string, params: readonly SqlValue[], limit: number): readonly TaskRow[] {
    this.flush();
    const statement = this.#connection.prepare(sql);
    if (limit !== 1) return statement.all([...params, limit]).map((row) => this.#remember(row));
    const first = statement.get([...params, limit]);
    return first === undefined ? [] : [this.#remember(first)];
  }

  #remember(found: SqlRow): TaskRow {
    const id = String(found[0]);
    const known = this.#rows.get(id);
    if (known !== undefined) return known;
    const row = toTaskRow(found);
    this.#rows.set(id, row);
    this.#eventSeqs.set(id, eventSeqOf(found));
    return row;
  }
}

function sameGuard(a: TaskRow, b: TaskRow): boolean {
  return a.state === b.state && a.fenceEpoch === b.fenceEpoch && a.fenceN === b.fenceN;
}
