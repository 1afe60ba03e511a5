import type { KeyRow } from "#queue";
import { type Connection, number, type SqlRow, text } from "./connection.ts";
import { InsertBuffer } from "./insert-buffer.ts";
import { KEY_COLUMNS, keyValues, replaceOnConflict, toKeyRow } from "./queue-columns.ts";

/** Keys remembered between transactions; at about 400 bytes each this is below 1 MB. */
const MAX_REMEMBERED_KEYS = 2_048;

/** What tasks without a key share. It is never limited, so all that matters of it are its tags. */
const KEYLESS = "";
/**
 * It changes with almost every transaction and is written with every 64th. After a crash its next tasks get tags a
 * little below those of its last ones: they are served a little early among themselves, and other keys lose nothing.
 */
const KEYLESS_EVERY = 64;

const IDLE_KEYS = "SELECT key FROM queue_key WHERE listed = 0 AND wake_at_ms IS NULL AND key <> ? LIMIT ?";
const KEYS = `SELECT ${KEY_COLUMNS.join(", ")} FROM queue_key`;

/** The rows of `queue_key` as the running transaction sees them; each is written at most once per transaction. */
export class KeyTable {
  readonly #connection: Connection;
  readonly #rows = new Map<string, KeyRow>();
  readonly #dirty = new Set<string>();
  readonly #upserts: InsertBuffer;
  #keylessChanges = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#upserts = new InsertBuffer(connection, "queue_key", KEY_COLUMNS, replaceOnConflict(KEY_COLUMNS));
  }

  get(key: string): KeyRow | undefined {
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const found = this.#connection.prepare(`${KEYS} WHERE key = ?`).get([key]);
    return found === undefined ? undefined : this.#remember(found);
  }

  /** @returns the row that it replaces, as far as it is known. */
  put(row: KeyRow): KeyRow | undefined {
    const before = this.#rows.get(row.key);
    this.#rows.set(row.key, row);
    this.#dirty.add(row.key);
    return before;
  }

  due(atMs: number, limit: number): readonly KeyRow[] {
    this.flush();
    return this.#connection
      .prepare(`${KEYS} WHERE wake_at_ms IS NOT NULL AND wake_at_ms <= ? ORDER BY wake_at_ms, key LIMIT ?`)
      .all([atMs, limit])
      .map((row) => this.#remember(row));
  }

  nextWakeMs(): number | null {
    this.flush();
    const found = this.#connection
      .prepare("SELECT wake_at_ms FROM queue_key WHERE wake_at_ms IS NOT NULL ORDER BY wake_at_ms LIMIT 1")
      .get([]);
    return found === undefined ? null : number(found, 0);
  }

  flush(): void {
    if (this.#dirty.size === 0) return;
    for (const key of this.#dirty) {
      const row = this.#rows.get(key);
      if (row === undefined) continue;
      if (key === KEYLESS) {
        this.#keylessChanges += 1;
        if (this.#keylessChanges % KEYLESS_EVERY !== 1) continue;
      }
      this.#upserts.add(keyValues(row));
    }
    this.#dirty.clear();
    this.#upserts.flush();
  }

  /** Removes keys without a policy that no task uses. @returns how many. */
  prune(limit: number): number {
    this.flush();
    const idle = this.#connection.prepare(IDLE_KEYS).all([KEYLESS, limit]);
    const remove = this.#connection.prepare("DELETE FROM queue_key WHERE key = ?");
    for (const row of idle) {
      this.#rows.delete(text(row, 0));
      remove.run([text(row, 0)]);
    }
    return idle.length;
  }

  settle(): void {
    if (this.#rows.size <= MAX_REMEMBERED_KEYS) return;
    const keyless = this.#rows.get(KEYLESS);
    this.#rows.clear();
    if (keyless !== undefined) this.#rows.set(KEYLESS, keyless);
  }

  forget(): void {
    this.#rows.clear();
    this.#dirty.clear();
    this.#upserts.clear();
  }

  #remember(found: SqlRow): KeyRow {
    const known = this.#rows.get(text(found, 0));
    if (known !== undefined) return known;
    const row = toKeyRow(found);
    this.#rows.set(row.key, row);
    return row;
  }
}
