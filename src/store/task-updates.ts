import { InvariantBroken } from "#base";
import type { TaskRow } from "#queue";
import type { Connection, SqlValue, Statement } from "./connection.ts";
import { TASK_COLUMNS, taskValues, updateTask, updateTasks } from "./task-columns.ts";

/** A row, and its task's latest event. */
export type Stored = { readonly row: TaskRow; readonly eventSeq: number };

/**
 * From so many rows on that change in the same columns, one statement writes them all: on a hub each one costs a text to
 * parse, a plan and its arguments one by one. Measured with 64 rows: 12 instead of 27 to 40 µs of the hub for each, 25
 * instead of 73 to 98 of its server; on a plain file the same.
 */
const MIN_TOGETHER = 4;
/** Rows of one statement: some hundred bytes each, far below what a single text may have. */
const MAX_TOGETHER = 1_000;

/** The same rows under another number of bits would be other columns. */
type Group = { readonly changed: number; readonly rows: Changed[] };
type Changed = { readonly stored: Stored; readonly values: readonly SqlValue[] };

/**
 * Changes to rows of `task`, written with as few statements as possible and with no column that did not change, because
 * that would rewrite its indexes. Each row takes its change only while it has the state and fence it was read with.
 */
export class TaskUpdates {
  readonly #connection: Connection;
  /** By the set of columns that changed; the machine's transitions make some dozens of them. */
  readonly #single = new Map<number, Statement>();
  readonly #together = new Map<number, Statement>();
  readonly #groups = new Map<number, Group>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** @param values of all columns as they are to be, in the order of TASK_COLUMNS */
  add(values: readonly SqlValue[], stored: Stored): void {
    const before = taskValues(stored.row, stored.eventSeq);
    let changed = 0;
    const params: SqlValue[] = [];
    for (const [place, value] of values.entries()) {
      if (value === before[place]) continue;
      changed |= 1 << place;
      params.push(value);
    }
    if (changed === 0) return;
    if (!params.every(isPlain)) return this.#writeOne(changed, { stored, values: params });
    const group = this.#groups.get(changed) ?? { changed, rows: [] };
    group.rows.push({ stored, values: params });
    this.#groups.set(changed, group);
  }

  flush(): void {
    for (const { changed, rows } of this.#groups.values()) {
      if (rows.length < MIN_TOGETHER) for (const row of rows) this.#writeOne(changed, row);
      else {
        for (let from = 0; from < rows.length; from += MAX_TOGETHER) {
          this.#writeTogether(changed, rows.slice(from, from + MAX_TOGETHER));
        }
      }
    }
    this.#groups.clear();
  }

  clear(): void {
    this.#groups.clear();
  }

  #writeOne(changed: number, { stored, values }: Changed): void {
    const statement = this.#prepared(this.#single, changed, updateTask);
    if (statement.run([...values, ...guardOf(stored.row)]) !== 1) throw guardBroken(stored.row);
  }

  #writeTogether(changed: number, rows: readonly Changed[]): void {
    const statement = this.#prepared(this.#together, changed, updateTasks);
    const list = rows.map(({ stored, values }) => [...guardOf(stored.row), ...values]);
    if (statement.run([JSON.stringify(list)]) === rows.length) return;
    const missed = rows.find(({ stored: { row }, values }) => !this.#isWritten(row.id, changed, values));
    throw missed === undefined
      ? new InvariantBroken(`Q1: ${rows.length} tasks are written once each`)
      : guardBroken(missed.stored.row);
  }

  /** Which of many was not is only asked when something is wrong. */
  #isWritten(id: string, changed: number, values: readonly SqlValue[]): boolean {
    const columns = TASK_COLUMNS.filter((_, place) => (changed & (1 << place)) !== 0).join(", ");
    const found = this.#connection.prepare(`SELECT ${columns} FROM task WHERE id = ?`).get([id]);
    return found !== undefined && values.every((value, place) => found[place] === value);
  }

  #prepared(kept: Map<number, Statement>, changed: number, sql: (changed: number) => string): Statement {
    let statement = kept.get(changed);
    if (statement === undefined) {
      statement = this.#connection.prepare(sql(changed));
      kept.set(changed, statement);
    }
    return statement;
  }
}

function guardOf({ id, state, fenceEpoch, fenceN }: TaskRow): SqlValue[] {
  return [id, state, fenceEpoch, fenceN];
}

const PRINTABLE = /^[\x20-\x7e]*$/;

/** What comes out of JSON in the database bit by bit as it went in: no fraction, and no text of people or models. */
function isPlain(value: SqlValue): boolean {
  if (value === null) return true;
  return typeof value === "number" ? Number.isSafeInteger(value) : PRINTABLE.test(value);
}

export function guardBroken(row: TaskRow): InvariantBroken {
  return new InvariantBroken(`Q1: task ${row.id} is still ${row.state} under fence ${row.fenceEpoch}.${row.fenceN}`);
}
