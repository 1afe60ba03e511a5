/** Looks at the audit log of a database file without changing it, whether a node runs on it or not. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { err, NODE_FILE, ok, type Result, refused } from "#base";
import { type AuditPlace, ChainVerifier, type Verification } from "#telemetry";
import { readBounds, rowsAfter, sha256 } from "./audit-rows.ts";
import { type Connection, openReadOnly, text } from "./connection.ts";
import { auditMigration } from "./migrations/node/0007-audit.ts";
import { onStorage } from "./storage-failure.ts";

/** Some milliseconds of hashing; a turn of the event loop lies between two. */
const STEP_ROWS = 500;

/** @returns what was found in the log of a state folder. */
export function verifyAuditOf(stateDir: string, expected?: AuditPlace): Promise<Result<Verification>> {
  return verifyAuditFile(join(stateDir, NODE_FILE), expected);
}

/** One state of the file is looked at, whatever is written meanwhile. */
export async function verifyAuditFile(path: string, expected: AuditPlace | undefined): Promise<Result<Verification>> {
  if (!existsSync(path)) return err(noLog(path));
  const opened = onStorage(`open ${path}`, () => openReadOnly(path));
  if (!opened.ok) return opened;
  const connection = opened.value;
  try {
    const begun = onStorage(`read ${path}`, () => begin(connection, expected));
    if (!begun.ok) return begun;
    if (!begun.value.ok) return begun.value;
    const { verifier, guards } = begun.value.value;
    let after = 0;
    for (;;) {
      const rows = onStorage(`read ${path}`, () => rowsAfter(connection, after, STEP_ROWS));
      if (!rows.ok) return rows;
      if (!rows.value.every((row) => verifier.next(row)) || rows.value.length < STEP_ROWS) break;
      after = rows.value.at(-1)?.seq ?? after;
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
    const found = verifier.end();
    return ok(found.fault === null && guards !== null ? { ...found, fault: guards } : found);
  } finally {
    // The binding lets go of a closed handle late, and its snapshot would keep the journal from being written back.
    if (connection.inTransaction()) connection.exec("ROLLBACK");
    connection.close();
  }
}

function begin(
  connection: Connection,
  expected: AuditPlace | undefined,
): Result<{ readonly verifier: ChainVerifier; readonly guards: Verification["fault"] }> {
  connection.exec("BEGIN");
  const schema = new Map(
    connection
      .prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema WHERE name GLOB 'audit*'")
      .all([])
      .map((row) => [text(row, 0), normal(text(row, 1))]),
  );
  const tables = ["audit", "audit_head", "audit_cut"].filter((name) => !schema.has(name));
  if (tables.length === 3) return err(noLog(connection.path));
  if (tables.length > 0) {
    const message = `${connection.path} has no table ${tables.join(", ")}: it was removed`;
    return err(refused("corrupt", message, "Keep a copy of the file, and look who could write it"));
  }
  const { head, cut } = readBounds(connection);
  const verifier = new ChainVerifier({ sha256, head, cut, ...(expected === undefined ? {} : { expected }) });
  return ok({ verifier, guards: guardFault(schema, head) });
}

/** Nobody of drover's takes a guard away; what was done meanwhile cannot be known. */
function guardFault(schema: ReadonlyMap<string, string>, head: AuditPlace): Verification["fault"] {
  for (const sql of auditMigration.sql) {
    const name = /^CREATE TRIGGER (\w+)/.exec(sql)?.[1];
    if (name === undefined || schema.get(name) === normal(sql)) continue;
    const message = `the guard ${name} was removed or changed: rows could be changed unnoticed by the database`;
    return { seq: head.seq, kind: "unguarded", message };
  }
  return null;
}

function normal(sql: string): string {
  return sql.replaceAll(/\s+/g, " ").trim();
}

function noLog(path: string) {
  return refused("not_found", `there is no audit log in ${path}`, "Name the state folder of a node with --state");
}
