import { err, ok, type Result, refused } from "#base";
import type { Alert, AlertQuery, AlertState, AlertStore } from "#telemetry";
import { type Connection, number, numberOrNull, type SqlRow, type SqlValue, text, textOrNull } from "./connection.ts";
import { onStorage } from "./storage-failure.ts";

const COLUMNS = `id, key, severity, state, title, message, source, raised_at_ms, changed_at_ms, seen_at_ms,
  acknowledged_by, acknowledged_at_ms, note, resolved_at_ms`;

/** In node.db: each node tells of what it sees. */
export class LibsqlAlertStore implements AlertStore {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  open(): Result<readonly Alert[]> {
    return this.#read(`SELECT ${COLUMNS} FROM alert WHERE state <> 'resolved' ORDER BY id DESC`, []);
  }

  put(alert: Alert): Result<Alert> {
    const kept = onStorage("keep an alert", () => (alert.id === 0 ? this.#insert(alert) : this.#update(alert)));
    if (!kept.ok) return kept;
    if (kept.value !== undefined) return ok(kept.value);
    const message = `an alert ${alert.key} is open already, or this one is over`;
    return err(refused("conflict", message, "List them: drover alert list"));
  }

  find(id: number): Result<Alert | undefined> {
    const found = this.#read(`SELECT ${COLUMNS} FROM alert WHERE id = ?`, [id]);
    return found.ok ? ok(found.value[0]) : found;
  }

  list({ below = Number.MAX_SAFE_INTEGER, limit, states }: AlertQuery): Result<readonly Alert[]> {
    const among = states === undefined ? "" : "AND state IN (SELECT value FROM json_each(?))";
    const wanted: readonly SqlValue[] = states === undefined ? [] : [JSON.stringify(states)];
    const sql = `SELECT ${COLUMNS} FROM alert WHERE id < ? ${among} ORDER BY id DESC LIMIT ?`;
    return this.#read(sql, [below, ...wanted, limit]);
  }

  prune(beforeMs: number, keep: number): Result<number> {
    const old = "DELETE FROM alert WHERE state = 'resolved' AND resolved_at_ms < ?";
    const many = `DELETE FROM alert WHERE state = 'resolved' AND id <=
      (SELECT id FROM alert WHERE state = 'resolved' ORDER BY id DESC LIMIT 1 OFFSET ?)`;
    return onStorage(
      "forget old alerts",
      () => this.#connection.prepare(old).run([beforeMs]) + this.#connection.prepare(many).run([keep]),
    );
  }

  #insert(alert: Alert): Alert | undefined {
    // Before the insertion, which would use up a number; nobody else writes here.
    const other = this.#connection
      .prepare("SELECT 1 FROM alert WHERE key = ? AND state <> 'resolved'")
      .get([alert.key]);
    if (other !== undefined) return undefined;
    const sql = `INSERT INTO alert (${COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`;
    const row = this.#connection.prepare(sql).all(paramsOf(alert))[0];
    return row === undefined ? undefined : { ...alert, id: number(row, 0) };
  }

  #update(alert: Alert): Alert | undefined {
    const sql = `UPDATE alert SET key = ?, severity = ?, state = ?, title = ?, message = ?, source = ?, raised_at_ms = ?,
      changed_at_ms = ?, seen_at_ms = ?, acknowledged_by = ?, acknowledged_at_ms = ?, note = ?, resolved_at_ms = ?
      WHERE id = ? AND state <> 'resolved'`;
    return this.#connection.prepare(sql).run([...paramsOf(alert), alert.id]) === 1 ? alert : undefined;
  }

  #read(sql: string, params: readonly SqlValue[]): Result<readonly Alert[]> {
    return onStorage("read alerts", () => this.#connection.prepare(sql).all(params).map(alertOf));
  }
}

function paramsOf(alert: Alert): readonly SqlValue[] {
  const { key, severity, state, title, message, source, raisedAtMs, changedAtMs, seenAtMs } = alert;
  const { acknowledgedBy, acknowledgedAtMs, note, resolvedAtMs } = alert;
  const texts = [key, severity, state, title, message, source];
  return [...texts, raisedAtMs, changedAtMs, seenAtMs, acknowledgedBy, acknowledgedAtMs, note, resolvedAtMs];
}

function alertOf(row: SqlRow): Alert {
  return {
    id: number(row, 0),
    key: text(row, 1),
    severity: text(row, 2) as Alert["severity"], // `as`, here and below: a CHECK of the table
    state: text(row, 3) as AlertState,
    title: text(row, 4),
    message: text(row, 5),
    source: text(row, 6),
    raisedAtMs: number(row, 7),
    changedAtMs: number(row, 8),
    seenAtMs: number(row, 9),
    acknowledgedBy: textOrNull(row, 10),
    acknowledgedAtMs: numberOrNull(row, 11),
    note: textOrNull(row, 12),
    resolvedAtMs: numberOrNull(row, 13),
  };
}
