import { canonicalJson, type Result } from "#base";
import {
  type AuditBounds,
  type AuditEntry,
  type AuditPlace,
  type AuditQuery,
  type AuditRow,
  type AuditStore,
  CUT_ACTION,
  CUT_STEPS,
  type CutSteps,
  cutAt,
  nextRow,
  type Verification,
} from "#telemetry";
import { AUDIT_COLUMNS, auditRowOf, readBounds, rowsAfter, sha256 } from "./audit-rows.ts";
import { type Connection, number, type SqlValue, text } from "./connection.ts";
import { onStorage } from "./storage-failure.ts";
import { verifyAuditFile } from "./verify-audit.ts";

/** The chain in node.db. Each row is one flush of the disk. */
export class LibsqlAuditStore implements AuditStore {
  readonly #connection: Connection;
  readonly #steps: CutSteps;

  constructor(connection: Connection, steps: CutSteps = CUT_STEPS) {
    this.#connection = connection;
    this.#steps = steps;
  }

  append(entry: AuditEntry, atMs: number): Result<AuditRow> {
    return this.#transact("write into the audit log", () => this.#insert(entry, atMs));
  }

  bounds(): Result<AuditBounds> {
    return onStorage("read the audit log", () => readBounds(this.#connection));
  }

  list({ below, limit, actor, action, subject, sinceMs }: AuditQuery): Result<readonly AuditRow[]> {
    const conditions: string[] = ["seq < ?"];
    const params: SqlValue[] = [below ?? Number.MAX_SAFE_INTEGER];
    const also = (condition: string, ...values: readonly SqlValue[]): void => {
      conditions.push(condition);
      params.push(...values);
    };
    if (actor !== undefined) also("actor = ?", actor);
    // Words have dots between their parts; "/" is the character after it.
    if (action !== undefined) also("(action = ? OR (action >= ? AND action < ?))", action, `${action}.`, `${action}/`);
    if (subject !== undefined) also("subject = ?", subject);
    if (sinceMs !== undefined) also("at_ms >= ?", sinceMs);
    const sql = `SELECT ${AUDIT_COLUMNS} FROM audit WHERE ${conditions.join(" AND ")} ORDER BY seq DESC LIMIT ?`;
    return onStorage("read the audit log", () =>
      this.#connection
        .prepare(sql)
        .all([...params, limit])
        .map(auditRowOf),
    );
  }

  after(seq: number, limit: number): Result<readonly AuditRow[]> {
    return onStorage("read the audit log", () => rowsAfter(this.#connection, seq, limit));
  }

  cut({ beforeMs, maxRows }: { beforeMs: number; maxRows: number }, nowMs: number): Result<number> {
    const oldest = "SELECT coalesce(min(seq) - 1, ?) FROM audit WHERE at_ms >= ?";
    return this.#transact("cut the audit log", () => {
      const bounds = readBounds(this.#connection);
      const oldUpTo = number(this.#connection.prepare(oldest).get([bounds.head.seq, beforeMs]) ?? [0], 0);
      const seq = cutAt(bounds, maxRows, oldUpTo, this.#steps);
      if (seq === undefined) return 0;
      const hash = text(this.#connection.prepare("SELECT hash FROM audit WHERE seq = ?").get([seq]) ?? [""], 0);
      const reason = `rows up to ${seq} were older or more than the settings keep`;
      this.#insert({ actor: "retention", action: CUT_ACTION, subject: "audit", reason, detail: { seq, hash } }, nowMs);
      this.#connection.prepare("INSERT INTO audit_cut (seq, hash, at_ms) VALUES (?, ?, ?)").run([seq, hash, nowMs]);
      this.#connection.prepare("DELETE FROM audit_cut WHERE seq < ?").run([seq]);
      return this.#connection.prepare("DELETE FROM audit WHERE seq <= ?").run([seq]);
    });
  }

  verify(expected: AuditPlace | undefined): Promise<Result<Verification>> {
    return verifyAuditFile(this.#connection.path, expected);
  }

  #insert(entry: AuditEntry, atMs: number): AuditRow {
    const row = nextRow(readBounds(this.#connection).head, entry, atMs, sha256);
    const { seq, actor, action, subject, reason, detail, previous, hash } = row;
    this.#connection
      .prepare(`INSERT INTO audit (${AUDIT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
      .run([seq, row.atMs, actor, action, subject, reason, canonicalJson(detail), previous, hash]);
    return row;
  }

  #transact<T>(action: string, act: () => T): Result<T> {
    return onStorage(action, () => {
      this.#connection.exec("BEGIN IMMEDIATE");
      try {
        const value = act();
        this.#connection.exec("COMMIT");
        return value;
      } catch (cause) {
        if (this.#connection.inTransaction()) this.#connection.exec("ROLLBACK");
        throw cause;
      }
    });
  }
}
