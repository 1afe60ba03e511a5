import { type Care, decodeAll, type KeptMind, type MindJournal } from "#activities";
import { assert, ok, type Result } from "#base";
import { decodeMind, type Entry, encodeEntry, encodeMind, type Mind } from "#fsm";
import { type Connection, number, text } from "./connection.ts";
import { onStorage } from "./storage-failure.ts";

/** Far more than lies between two snapshots; beyond it something is wrong with whoever makes them. */
const MAX_READ = 100_000;
/** Lines that could not be read and are kept for a person; older ones go. */
const MAX_UNREAD = 10_000;

/** In node.db, since each node has its own mind. Synchronous, each call one flush. */
export class LibsqlMindJournal implements MindJournal {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  read(): Result<KeptMind | null> {
    const lines = onStorage("read the journal of the mind", () => {
      const kept = this.#connection.prepare("SELECT seq, line FROM mind_snapshot").get([]);
      if (kept === undefined) return null;
      const sql = "SELECT line FROM mind_entry WHERE seq > ? ORDER BY seq LIMIT ?";
      const rows = this.#connection.prepare(sql).all([number(kept, 0), MAX_READ]);
      return { snapshot: text(kept, 1), entries: rows.map((row) => text(row, 0)) };
    });
    if (!lines.ok) return lines;
    if (lines.value === null) return ok(null);
    const snapshot = decodeMind(lines.value.snapshot);
    if (!snapshot.ok) return snapshot;
    const entries = decodeAll(lines.value.entries);
    return entries.ok ? ok({ snapshot: snapshot.value, entries: entries.value }) : entries;
  }

  append(entries: readonly Entry[]): Result<void> {
    if (entries.length === 0) return ok(undefined);
    return this.#inOne("write the journal of the mind", () => {
      const last = this.#connection
        .prepare("SELECT max((SELECT coalesce(max(seq), 0) FROM mind_entry), (SELECT seq FROM mind_snapshot))")
        .get([]);
      let seq = last === undefined ? 0 : number(last, 0);
      for (const entry of entries) {
        assert(entry.seq === seq + 1, "MJ2: entries are numbered without gaps");
        seq = entry.seq;
        const sql = "INSERT INTO mind_entry (seq, line) VALUES (?, ?)";
        this.#connection.prepare(sql).run([entry.seq, encodeEntry(entry)]);
      }
    });
  }

  settle(mind: Mind, keep: number): Result<void> {
    return this.#inOne("keep a snapshot of the mind", () => {
      const sql = `INSERT INTO mind_snapshot (id, seq, line) VALUES (1, ?, ?)
        ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, line = excluded.line`;
      this.#connection.prepare(sql).run([mind.seq, encodeMind(mind)]);
      this.#connection.prepare("DELETE FROM mind_entry WHERE seq <= ?").run([mind.seq - keep]);
    });
  }

  page(beforeSeq: number | null, limit: number): Result<readonly Entry[]> {
    const lines = onStorage("read the journal of the mind", () => {
      const sql = "SELECT line FROM mind_entry WHERE seq < ? ORDER BY seq DESC LIMIT ?";
      const rows = this.#connection.prepare(sql).all([beforeSeq ?? Number.MAX_SAFE_INTEGER, limit]);
      return rows.map((row) => text(row, 0));
    });
    return lines.ok ? decodeAll(lines.value) : lines;
  }

  lived(atMs: number): Result<void> {
    const sql = `INSERT INTO mind_life (id, at_ms) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms`;
    return this.#run("note that the mind lives", sql, [atMs]);
  }

  livedAtMs(): Result<number | null> {
    return onStorage("read when the mind lived", () => {
      const row = this.#connection.prepare("SELECT at_ms FROM mind_life").get([]);
      return row === undefined ? null : number(row, 0);
    });
  }

  setAside(): Result<void> {
    return this.#inOne("set the journal of the mind aside", () => {
      for (const sql of [
        "INSERT INTO mind_unread (line) SELECT line FROM mind_snapshot",
        "INSERT INTO mind_unread (line) SELECT line FROM mind_entry ORDER BY seq",
        `DELETE FROM mind_unread WHERE n <= (SELECT max(n) FROM mind_unread) - ${MAX_UNREAD}`,
        "DELETE FROM mind_snapshot",
        "DELETE FROM mind_entry",
      ]) {
        this.#connection.prepare(sql).run([]);
      }
    });
  }

  cares(): Result<readonly Care[]> {
    return onStorage("read what healing undoes", () =>
      this.#connection
        .prepare("SELECT kind, target, until_ms FROM mind_care ORDER BY until_ms")
        .all([])
        // `as`: a CHECK of the table.
        .map((row) => ({ kind: text(row, 0) as Care["kind"], target: text(row, 1), untilMs: number(row, 2) })),
    );
  }

  putCare({ kind, target, untilMs }: Care): Result<void> {
    const sql = `INSERT INTO mind_care (kind, target, until_ms) VALUES (?, ?, ?)
      ON CONFLICT (kind, target) DO UPDATE SET until_ms = excluded.until_ms`;
    return this.#run("keep what healing undoes", sql, [kind, target, untilMs]);
  }

  dropCare({ kind, target }: Pick<Care, "kind" | "target">): Result<void> {
    const sql = "DELETE FROM mind_care WHERE kind = ? AND target = ?";
    return this.#run("forget what healing undid", sql, [kind, target]);
  }

  #run(action: string, sql: string, params: readonly (string | number)[]): Result<void> {
    return onStorage(action, () => {
      this.#connection.prepare(sql).run(params);
    });
  }

  /** All of it, or nothing. */
  #inOne(action: string, act: () => void): Result<void> {
    return onStorage(action, () => {
      this.#connection.exec("BEGIN IMMEDIATE");
      try {
        act();
        this.#connection.exec("COMMIT");
      } catch (cause) {
        if (this.#connection.inTransaction()) this.#connection.exec("ROLLBACK");
        throw cause;
      }
    });
  }
}
