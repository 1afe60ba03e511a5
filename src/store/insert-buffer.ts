import type { Connection, SqlValue, Statement } from "./connection.ts";

/**
 * Rows per statement. One statement with many rows is twice as fast as many with one (77,000 against 38,000 tasks a
 * second), and few sizes keep few statements.
 */
const CHUNK_ROWS = [64, 32, 16, 8, 4, 2, 1] as const;

/** Collects rows of one table and inserts them, in order, with as few statements as possible. */
export class InsertBuffer {
  readonly #connection: Connection;
  readonly #sql: (rows: number) => string;
  readonly #width: number;
  readonly #statements = new Map<number, Statement>();
  #params: SqlValue[] = [];

  /** `onConflict` is an upsert clause, or empty. */
  constructor(connection: Connection, table: string, columns: readonly string[], onConflict = "") {
    this.#connection = connection;
    this.#width = columns.length;
    const row = `(${columns.map(() => "?").join(", ")})`;
    this.#sql = (rows) =>
      `INSERT INTO ${table} (${columns.join(", ")}) VALUES ${new Array(rows).fill(row).join(", ")} ${onConflict}`;
  }

  /** Takes one row; its values in the order of the columns. */
  add(values: readonly SqlValue[]): void {
    for (const value of values) this.#params.push(value);
  }

  isEmpty(): boolean {
    return this.#params.length === 0;
  }

  flush(): void {
    if (this.#params.length === 0) return;
    const params = this.#params;
    this.#params = [];
    let offset = 0;
    for (const rows of CHUNK_ROWS) {
      const size = rows * this.#width;
      while (params.length - offset >= size) {
        this.#statement(rows).run(params.slice(offset, offset + size));
        offset += size;
      }
    }
  }

  /** Forgets what was not flushed. */
  clear(): void {
    this.#params = [];
  }

  #statement(rows: number): Statement {
    let statement = this.#statements.get(rows);
    if (statement === undefined) {
      statement = this.#connection.prepare(this.#sql(rows));
      this.#statements.set(rows, statement);
    }
    return statement;
  }
}
