/** Rows of the audit log as they lie in node.db. */
import { createHash } from "node:crypto";
import { canonicalJson, type JsonValue } from "#base";
import { type AuditBounds, type AuditPlace, type AuditRow, NO_ROW } from "#telemetry";
import { type Connection, number, type SqlRow, text } from "./connection.ts";

export const AUDIT_COLUMNS = "seq, at_ms, actor, action, subject, reason, detail, previous, hash";

export function sha256(content: string): string {
  return createHash("sha256").update(content, "utf8").digest("hex");
}

export function readBounds(connection: Connection): AuditBounds {
  const head = connection.prepare("SELECT seq, hash FROM audit_head").get([]);
  const cut = connection.prepare("SELECT seq, hash FROM audit_cut ORDER BY seq DESC LIMIT 1").get([]);
  return { head: placeOf(head), cut: placeOf(cut) };
}

export function rowsAfter(connection: Connection, seq: number, limit: number): readonly AuditRow[] {
  const sql = `SELECT ${AUDIT_COLUMNS} FROM audit WHERE seq > ? ORDER BY seq LIMIT ?`;
  return connection.prepare(sql).all([seq, limit]).map(auditRowOf);
}

function placeOf(row: SqlRow | undefined): AuditPlace {
  return row === undefined ? NO_ROW : { seq: number(row, 0), hash: text(row, 1) };
}

export function auditRowOf(row: SqlRow): AuditRow {
  return {
    seq: number(row, 0),
    atMs: number(row, 1),
    actor: text(row, 2),
    action: text(row, 3),
    subject: text(row, 4),
    reason: text(row, 5),
    detail: detailOf(text(row, 6)),
    previous: text(row, 7),
    hash: text(row, 8),
  };
}

/** A text that is no JSON, or not in its one form, was not written by drover: its hash will not fit then. */
function detailOf(written: string): JsonValue {
  try {
    // `as`: what JSON.parse gives.
    const value = JSON.parse(written) as JsonValue;
    return canonicalJson(value) === written ? value : written;
  } catch {
    return written;
  }
}
