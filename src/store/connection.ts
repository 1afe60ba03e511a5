import Database from "libsql";
import AsideDatabase from "libsql/promise";

/** What may be bound. Never a boolean: the native binding aborts the whole process on one. */
export type SqlValue = string | number | null;
/** Columns by position. Rows by name would carry a `_metadata` key and cost twice as much. */
export type SqlRow = readonly SqlValue[];

/** A prepared statement; made once per connection and kept, because the binding frees statements late. */
export interface Statement {
  /** @returns how many rows changed. */
  run(params: readonly SqlValue[]): number;
  /** @returns the first row. */
  get(params: readonly SqlValue[]): SqlRow | undefined;
  /** @returns all rows; for one row `get` is three times as fast. */
  all(params: readonly SqlValue[]): readonly SqlRow[];
}

/** A handle was used after it was closed: somebody asks while drover stops. */
export class StoreClosed extends Error {
  override readonly name = "StoreClosed";
  readonly code = "STORE_CLOSED";
}

/** One libSQL handle with its statements. Synchronous: whatever it does, the thread waits. */
export interface Connection {
  readonly path: string;
  prepare(sql: string): Statement;
  /** Runs one or several statements without results. */
  exec(sql: string): void;
  inTransaction(): boolean;
  /**
   * COMMIT on a thread of the binding, because the flush of the disk takes milliseconds in which this thread would stand
   * still. Nobody uses the connection until it settles.
   */
  commitAside(): Promise<void>;
  close(): void;
}

export type ConnectionOptions = {
  /** Refuses every write of this handle. */
  readonly queryOnly?: boolean;
  readonly synchronous?: "FULL" | "NORMAL";
};

/** Another process may hold the file for a moment (a person with a shell); nobody of ours does. */
const BUSY_TIMEOUT_MS = 2_000;
/**
 * Pages of journal between checkpoints, 4 MB. More makes each checkpoint a longer pause (4,000 pages: 20 ms) and does
 * not pay: a short journal is written over in place, which flushes faster than one that grows.
 */
const CHECKPOINT_PAGES = 1_000;
/** The journal file is cut back to this after a checkpoint. */
const JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024;

/** Opens a database file, makes it if there is none, and sets every pragma; none is set later. */
export function openConnection(path: string, options: ConnectionOptions = {}): Connection {
  const database = new Database(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    for (const pragma of [
      "journal_mode = WAL",
      `synchronous = ${options.synchronous ?? "FULL"}`,
      "foreign_keys = ON",
      `wal_autocheckpoint = ${CHECKPOINT_PAGES}`,
      `journal_size_limit = ${JOURNAL_LIMIT_BYTES}`,
      "temp_store = MEMORY",
      "trusted_schema = OFF",
      ...(options.queryOnly === true ? ["query_only = ON"] : []),
    ]) {
      database.exec(`PRAGMA ${pragma}`);
    }
  } catch (cause) {
    database.close();
    throw cause;
  }
  return wrap(path, database);
}

/** Opens an existing file without ever changing it: no journal mode, no pragma, no write. */
export function openReadOnly(path: string): Connection {
  return wrap(path, new Database(`${uriOf(path)}?mode=ro`, { timeout: BUSY_TIMEOUT_MS }));
}

/** As {@link openReadOnly}, for a file that nobody has open and that has no journal: makes no file beside it either. */
export function openImmutable(path: string): Connection {
  return wrap(path, new Database(`${uriOf(path)}?mode=ro&immutable=1`, { timeout: BUSY_TIMEOUT_MS }));
}

function uriOf(path: string): string {
  return `file:${path.split("/").map(encodeURIComponent).join("/")}`;
}

/** A handle on a file that is only locked, never written. */
export function openBare(path: string): Connection {
  return wrap(path, new Database(path));
}

function wrap(path: string, database: Database.Database): Connection {
  const statements = new Map<string, Statement>();
  let open = true;
  return {
    path,
    prepare: (sql) => {
      if (!open) throw new StoreClosed(path);
      const known = statements.get(sql);
      if (known !== undefined) return known;
      const made = wrapStatement(database, sql);
      statements.set(sql, made);
      return made;
    },
    exec: (sql) => {
      database.exec(sql);
    },
    // Asking a closed handle aborts the process.
    inTransaction: () => open && database.inTransaction,
    commitAside: async () => {
      if (!open) throw new StoreClosed(path);
      // The same native handle under both of the binding's classes; only this one has the form that does not block.
      await AsideDatabase.prototype.exec.call(database, "COMMIT");
    },
    close: () => {
      if (!open) return;
      open = false;
      statements.clear();
      database.close();
    },
  };
}

/**
 * `get` and `all` have a prepared statement each: after `all`, the next `get` of the same one answers with the first
 * row of that `all`, whatever its own parameters are (libsql 0.5.29).
 */
function wrapStatement(database: Database.Database, sql: string): Statement {
  const first = database.prepare<unknown[]>(sql); // a faulty text fails here, not at its first use
  let forGet: typeof first | undefined;
  let forAll: typeof first | undefined;
  return {
    // One array argument is bound as it is; several would be copied by the binding.
    run: (params) => first.run(packed(params)).changes,
    // `as`: raw mode gives arrays, and no column of ours holds a blob.
    get: (params) => {
      forGet ??= first.raw();
      return forGet.get(packed(params)) as SqlRow | undefined;
    },
    all: (params) => {
      forAll ??= database.prepare<unknown[]>(sql).raw();
      return forAll.all(packed(params)) as SqlRow[];
    },
  };
}

/** Before a text that is stored as JSON, because the binding cuts what it reads at a zero character. */
const PACKED = "\u0001";

/** @returns the parameters as they are stored. */
export function packed(params: readonly SqlValue[]): readonly SqlValue[] {
  for (const value of params) if (mustPack(value)) return params.map(pack);
  return params;
}

function mustPack(value: SqlValue): boolean {
  return typeof value === "string" && (value.includes("\0") || value.startsWith(PACKED));
}

function pack(value: SqlValue): SqlValue {
  return mustPack(value) ? `${PACKED}${JSON.stringify(value)}` : value;
}

/** @returns the value that {@link packed} made it of. */
export function unpacked<Value extends SqlValue>(value: Value): Value {
  // `as`: written by `pack`.
  return typeof value === "string" && value.startsWith(PACKED) ? (JSON.parse(value.slice(1)) as Value) : value;
}

/** @returns the column as text; a wrong type is a bug in the statement. */
export function text(row: SqlRow, column: number): string {
  const value = row[column];
  if (typeof value !== "string") throw new TypeError(`column ${column} holds ${typeof value}, not text`);
  return unpacked(value);
}

export function textOrNull(row: SqlRow, column: number): string | null {
  return row[column] === null ? null : text(row, column);
}

export function number(row: SqlRow, column: number): number {
  const value = row[column];
  if (typeof value !== "number") throw new TypeError(`column ${column} holds ${typeof value}, not a number`);
  return value;
}

export function numberOrNull(row: SqlRow, column: number): number | null {
  return row[column] === null ? null : number(row, column);
}
