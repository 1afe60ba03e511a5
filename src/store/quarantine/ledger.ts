import type { CommandId, Result, TaskId } from "#base";
import type { NewEntry, QuarantineCounts, QuarantineEntry, QuarantineFolder, QuarantineOutcome } from "#fleet";
import type { QueueEventKind } from "#queue";
import { type Connection, number, numberOrNull, type SqlRow, type SqlValue, text, textOrNull } from "../connection.ts";
import { onStorage } from "../storage-failure.ts";

export type LedgerFolder = Omit<QuarantineFolder, "bytes"> & { readonly readSeq: number | null };

const FOLDERS = `SELECT q.name, q.at_ms, q.epoch, q.read_seq, q.state, q.note,
    (SELECT json_group_object(outcome, many) FROM
      (SELECT outcome, count(*) AS many FROM quarantine_entry e WHERE e.name = q.name GROUP BY outcome))
  FROM quarantine q`;
const ENTRY_COLUMNS = "n, kind, task_id, attempt, event, at_ms, command, outcome, reason";
/** Rows that are deleted in one transaction: some milliseconds. */
const DELETE_ROWS = 5_000;

/** In node.db: which folders there are, and what became of each thing in them. Each call is one transaction. */
export class QuarantineLedger {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  add(name: string, atMs: number): Result<void> {
    return this.#run("INSERT INTO quarantine (name, at_ms) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", [name, atMs]);
  }

  folders(): Result<readonly LedgerFolder[]> {
    return onStorage("read the quarantine", () =>
      this.#connection.prepare(`${FOLDERS} ORDER BY q.at_ms`).all([]).map(toFolder),
    );
  }

  find(name: string): Result<LedgerFolder | undefined> {
    return onStorage("read the quarantine", () => {
      const row = this.#connection.prepare(`${FOLDERS} WHERE q.name = ?`).get([name]);
      return row === undefined ? undefined : toFolder(row);
    });
  }

  setState(name: string, state: QuarantineFolder["state"], note: string | null): Result<void> {
    return this.#run("UPDATE quarantine SET state = ?, note = ? WHERE name = ?", [state, note, name]);
  }

  begin(name: string, epoch: number, readSeq: number): Result<void> {
    return this.#run("UPDATE quarantine SET epoch = ?, read_seq = ? WHERE name = ?", [epoch, readSeq, name]);
  }

  /** A page of the database, and how far it was read: together, or not at all. */
  append(
    name: string,
    entries: readonly (NewEntry & { readonly command: CommandId })[],
    read: { readonly upTo: number; readonly isAll: boolean },
  ): Result<void> {
    return this.#transact(() => {
      const last = this.#connection.prepare("SELECT coalesce(max(n), 0) FROM quarantine_entry WHERE name = ?");
      let n = number(last.get([name]) ?? [0], 0);
      const insert = this.#connection.prepare(
        `INSERT INTO quarantine_entry (name, ${ENTRY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      );
      for (const { kind, taskId, attempt, event, atMs, command, outcome, reason } of entries) {
        n += 1;
        insert.run([name, n, kind, taskId, attempt, event, atMs, command, outcome, reason]);
      }
      const state = read.isAll ? "sending" : "reading";
      this.#connection
        .prepare("UPDATE quarantine SET read_seq = ?, state = ? WHERE name = ?")
        .run([read.upTo, state, name]);
    });
  }

  entries(name: string, after: number, limit: number): Result<readonly QuarantineEntry[]> {
    return this.#entries("name = ? AND n > ?", [name, after], limit);
  }

  waiting(name: string, after: number, limit: number): Result<readonly QuarantineEntry[]> {
    return this.#entries("name = ? AND n > ? AND outcome = 'waiting'", [name, after], limit);
  }

  /** @returns those of the tasks that were submitted there alone. */
  submitted(name: string, tasks: readonly TaskId[], outcome?: QuarantineOutcome): Result<ReadonlySet<TaskId>> {
    const sql = `SELECT task_id FROM quarantine_entry WHERE name = ? AND kind = 'submission'
      AND task_id IN (SELECT value FROM json_each(?)) AND (? IS NULL OR outcome = ?)`;
    const wanted = outcome ?? null;
    return onStorage("read the quarantine", () => {
      const rows = this.#connection.prepare(sql).all([name, JSON.stringify(tasks), wanted, wanted]);
      return new Set(rows.map((row) => text(row, 0) as TaskId)); // `as`: written from one
    });
  }

  settle(name: string, n: number, outcome: QuarantineOutcome, reason: string | null): Result<void> {
    const sql = "UPDATE quarantine_entry SET outcome = ?, reason = ? WHERE name = ? AND n = ? AND outcome = 'waiting'";
    return this.#run(sql, [outcome, reason, name, n]);
  }

  renew(name: string, n: number, command: CommandId, reason: string): Result<void> {
    const sql = "UPDATE quarantine_entry SET command = ?, reason = ? WHERE name = ? AND n = ? AND outcome = 'waiting'";
    return this.#run(sql, [command, reason, name, n]);
  }

  /** @returns whether there is more: it is to be called again, so that nobody waits for a long deletion. */
  remove(name: string): Result<boolean> {
    let isMore = false;
    const done = this.#transact(() => {
      const gone = this.#connection
        .prepare(
          "DELETE FROM quarantine_entry WHERE name = ? AND n < (SELECT min(n) + ? FROM quarantine_entry WHERE name = ?)",
        )
        .run([name, DELETE_ROWS, name]);
      isMore = gone === DELETE_ROWS;
      if (!isMore) this.#connection.prepare("DELETE FROM quarantine WHERE name = ?").run([name]);
    });
    return done.ok ? { ok: true, value: isMore } : done;
  }

  #entries(where: string, params: readonly SqlValue[], limit: number): Result<readonly QuarantineEntry[]> {
    const sql = `SELECT ${ENTRY_COLUMNS} FROM quarantine_entry WHERE ${where} ORDER BY n LIMIT ?`;
    return onStorage("read the quarantine", () =>
      this.#connection
        .prepare(sql)
        .all([...params, limit])
        .map(toEntry),
    );
  }

  #run(sql: string, params: readonly SqlValue[]): Result<void> {
    return onStorage("note what became of the quarantine", () => {
      this.#connection.prepare(sql).run(params);
    });
  }

  #transact(act: () => void): Result<void> {
    return onStorage("note what became of the quarantine", () => {
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

/** `as`, here and below: the CHECKs of the tables say which words there are. */
function toFolder(row: SqlRow): LedgerFolder {
  const counts = JSON.parse(text(row, 6)) as Partial<QuarantineCounts>;
  return {
    name: text(row, 0),
    atMs: number(row, 1),
    epoch: numberOrNull(row, 2),
    readSeq: numberOrNull(row, 3),
    state: text(row, 4) as QuarantineFolder["state"],
    note: textOrNull(row, 5),
    counts: { waiting: 0, accepted: 0, superseded: 0, left: 0, refused: 0, ...counts },
  };
}

function toEntry(row: SqlRow): QuarantineEntry {
  return {
    n: number(row, 0),
    kind: text(row, 1) as QuarantineEntry["kind"],
    taskId: textOrNull(row, 2) as TaskId | null,
    attempt: numberOrNull(row, 3),
    event: text(row, 4) as QueueEventKind,
    atMs: number(row, 5),
    command: text(row, 6) as CommandId,
    outcome: text(row, 7) as QuarantineOutcome,
    reason: textOrNull(row, 8),
  };
}
