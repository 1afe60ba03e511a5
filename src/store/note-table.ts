import type { JsonValue, NodeId } from "#base";
import type { NoteKind, NoteRow, NoteTable } from "#queue";
import { type Connection, number, type SqlRow, text } from "./connection.ts";

const PUT = `INSERT INTO fleet_note (kind, name, value, at_ms, node) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value, at_ms = excluded.at_ms, node = excluded.node`;

/** Written at once: there are a few of them, and they change seldom. */
export class LibsqlNoteTable implements NoteTable {
  readonly #connection: Connection;
  readonly #onWrite: () => void;

  constructor(connection: Connection, onWrite: () => void) {
    this.#connection = connection;
    this.#onWrite = onWrite;
  }

  list(kind: NoteKind): readonly NoteRow[] {
    // The hub may be older than this node, and its database without the table.
    const table = this.#connection.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'fleet_note'");
    if (table.get([]) === undefined) return [];
    const sql = "SELECT kind, name, value, at_ms, node FROM fleet_note WHERE kind = ? ORDER BY name";
    return this.#connection.prepare(sql).all([kind]).map(noteOf);
  }

  put({ kind, name, value, atMs, node }: NoteRow): void {
    this.#onWrite();
    this.#connection.prepare(PUT).run([kind, name, JSON.stringify(value), atMs, node]);
  }

  remove(kind: NoteKind, name: string): void {
    this.#onWrite();
    this.#connection.prepare("DELETE FROM fleet_note WHERE kind = ? AND name = ?").run([kind, name]);
  }
}

function noteOf(row: SqlRow): NoteRow {
  return {
    kind: text(row, 0) as NoteKind, // `as`: a CHECK of the table; the others were written by `put`
    name: text(row, 1),
    value: JSON.parse(text(row, 2)) as JsonValue,
    atMs: number(row, 3),
    node: text(row, 4) as NodeId,
  };
}
