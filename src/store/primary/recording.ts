import { InvariantBroken } from "#base";
import { type Connection, packed, type SqlValue, type Statement } from "../connection.ts";

/** A write as it ran, with its parameters as they are stored. */
export type RecordedStatement = {
  readonly sql: string;
  readonly args: readonly SqlValue[];
  /** Rows that it changed here; null where that is not counted (a change of the schema). */
  readonly changes: number | null;
};

/** A group wrote more than one batch may hold, or a single value that no batch may hold. */
export class RecordTooLarge extends Error {
  override readonly name = "RecordTooLarge";
}

/**
 * Bytes of one batch. sqld takes 76 MB (measured) and no single value above 5 MB; less keeps the server's answer below
 * the deadline of a request. A group that wrote more is committed command by command.
 */
export const MAX_RECORDED_BYTES = 32 * 1024 * 1024;
/** Statements of one batch: 20,000 take sqld 0.4 s (measured). */
export const MAX_RECORDED_STATEMENTS = 20_000;

/** Bytes of one text: sqld refused 6 MB and took 4 MB (measured); its own limit is 5 MB of a request's value. */
export const MAX_VALUE_BYTES = 4 * 1024 * 1024;

/** What a statement and each of its parameters cost in the batch besides their text. */
const OVERHEAD_BYTES = 40;

const WRITES = /^\s*(?:INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|DROP)\b/i;
const SCHEMA = /^\s*(?:CREATE|ALTER|DROP)\b/i;
const READS = /^\s*(?:SELECT|PRAGMA|BEGIN|COMMIT|ROLLBACK|VACUUM)\b/i;

/**
 * A connection that also writes down what it changes, in order. Reads and the bounds of transactions are not recorded.
 * A statement that both changes and answers (RETURNING) is refused, because nobody here needs one and its changes
 * would have to be told from its rows.
 */
export class RecordingConnection implements Connection {
  readonly #inner: Connection;
  readonly #statements = new Map<string, Statement>();
  #recorded: RecordedStatement[] = [];
  #bytes = 0;

  constructor(inner: Connection) {
    this.#inner = inner;
  }

  get path(): string {
    return this.#inner.path;
  }

  /** The same handle without the record, for what stays on this host. */
  get unrecorded(): Connection {
    return this.#inner;
  }

  get recorded(): readonly RecordedStatement[] {
    return this.#recorded;
  }

  /** What was recorded so far is void: its transaction ended, or was undone. */
  clear(): void {
    this.#recorded = [];
    this.#bytes = 0;
  }

  prepare(sql: string): Statement {
    const known = this.#statements.get(sql);
    // Asked of the inner one each time: it refuses once it is closed.
    const inner = this.#inner.prepare(sql);
    if (known !== undefined) return known;
    const made = isWrite(sql) ? this.#recording(sql, inner) : inner;
    this.#statements.set(sql, made);
    return made;
  }

  exec(sql: string): void {
    this.#inner.exec(sql);
    if (isWrite(sql)) this.#keep(sql, [], null);
  }

  inTransaction(): boolean {
    return this.#inner.inTransaction();
  }

  commitAside(): Promise<void> {
    return this.#inner.commitAside();
  }

  close(): void {
    this.#statements.clear();
    this.#inner.close();
  }

  #recording(sql: string, inner: Statement): Statement {
    const refuse = (): never => {
      throw new InvariantBroken(`a change that answers rows cannot be recorded: ${sql}`);
    };
    const isSchema = SCHEMA.test(sql);
    return {
      run: (params) => {
        const changes = inner.run(params);
        this.#keep(sql, packed(params), isSchema ? null : changes);
        return changes;
      },
      get: refuse,
      all: refuse,
    };
  }

  #keep(sql: string, args: readonly SqlValue[], changes: number | null): void {
    this.#bytes += OVERHEAD_BYTES + sql.length;
    for (const value of args) this.#bytes += OVERHEAD_BYTES + textBytes(value);
    this.#recorded.push({ sql, args, changes });
    if (this.#bytes > MAX_RECORDED_BYTES || this.#recorded.length > MAX_RECORDED_STATEMENTS) {
      throw new RecordTooLarge(
        `${this.#recorded.length} statements of ${this.#bytes} bytes are too much for one batch`,
      );
    }
  }
}

/** Counted only where it may be too much: most texts are short. */
function textBytes(value: SqlValue): number {
  if (typeof value !== "string") return 0;
  if (value.length * MAX_UTF8_BYTES <= MAX_VALUE_BYTES) return value.length;
  const bytes = Buffer.byteLength(value);
  if (bytes <= MAX_VALUE_BYTES) return bytes;
  throw new RecordTooLarge(`a text of ${bytes} bytes is too long: the fleet's server takes ${MAX_VALUE_BYTES} at most`);
}

/** Of one code unit of a text. */
const MAX_UTF8_BYTES = 3;

function isWrite(sql: string): boolean {
  if (WRITES.test(sql)) return true;
  if (READS.test(sql)) return false;
  throw new InvariantBroken(`whether this changes anything cannot be told: ${sql}`);
}
