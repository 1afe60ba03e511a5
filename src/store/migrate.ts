import { createHash } from "node:crypto";
import { chmodSync, renameSync, rmSync } from "node:fs";
import { err, ok, type Result, refused, terminal } from "#base";
import { type Connection, number, text } from "./connection.ts";
import { checkFleetLevel, levelForMigrations } from "./fleet-level.ts";
import type { Migration } from "./migrations/migration.ts";

/** What a database has applied, compared with what this build knows. `waiting` stays behind until the fleet's level rises. */
type MigrationPlan = {
  readonly applied: number;
  readonly pending: readonly Migration[];
  readonly waiting: readonly Migration[];
};

type Applied = { readonly number: number; readonly name: string; readonly checksum: string };

/** @returns the schema number of an open database; 0 when nothing was ever applied. */
export function schemaNumber(connection: Connection): number {
  return readApplied(connection).at(-1)?.number ?? 0;
}

/** @returns what waits for the nodes of the fleet, of migrations that this build knows; none of a database that it cannot read. */
export function waitingMigrations(connection: Connection, known: readonly Migration[]): readonly Migration[] {
  const plan = planMigration(connection, known);
  return plan.ok ? plan.value.waiting : [];
}

/**
 * Brings a database to this build's schema, as far as the nodes of its fleet can read it. What a database with data was before is kept beside it. Throws what the
 * storage throws; then the database is as it was.
 */
export function migrateDatabase(connection: Connection, known: readonly Migration[], nowMs: number): Result<void> {
  const plan = planMigration(connection, known);
  if (!plan.ok) return plan;
  const { applied, pending } = plan.value;
  if (applied > 0 && pending.length > 0) keepCopy(connection, applied + 1);
  applyMigrations(connection, pending, nowMs);
  return ok(undefined);
}

/** Runs `write` in a transaction that other databases make as well. */
export type Transact = (write: (connection: Connection) => void) => Promise<Result<void>>;

/** As {@link migrateDatabase}, for a database that was migrated before and whose changes are made elsewhere too. */
export async function migrateThrough(
  connection: Connection,
  known: readonly Migration[],
  nowMs: number,
  transact: Transact,
): Promise<Result<void>> {
  const plan = planMigration(connection, known);
  if (!plan.ok) return plan;
  const { applied, pending } = plan.value;
  if (pending.length === 0) return ok(undefined);
  keepCopy(connection, applied + 1);
  return transact((recording) => {
    for (const migration of pending) applyMigration(recording, migration, nowMs);
  });
}

/** The data side of going back to the older build: what the database was before migration `next`. */
function keepCopy(connection: Connection, next: number): void {
  const copy = `${connection.path}.before-${next}`;
  // One that is there is of an earlier try, which was taken back: the data of today are wanted.
  // Under another name until it is whole, so that a copy that was cut off is never taken for one.
  const making = `${copy}.making`;
  rmSync(making, { force: true });
  connection.prepare("VACUUM INTO ?").run([making]);
  chmodSync(making, 0o600);
  renameSync(making, copy);
}

/**
 * Decides what is to be done, without doing it. A database of a newer build is refused (`newer_schema`), as is one
 * whose applied migrations are not the ones known here (`unsupported`), or whose fleet works at a level that this build
 * does not speak (`newer_schema`).
 */
function planMigration(connection: Connection, known: readonly Migration[]): Result<MigrationPlan> {
  const applied = readApplied(connection);
  const newest = known.length;
  const highest = applied.at(-1)?.number ?? 0;
  if (highest > newest) {
    return err(
      refused(
        "newer_schema",
        `${connection.path} has schema ${highest}; this drover knows up to ${newest}`,
        "Start the newer drover again, or restore a backup of the older one: drover restore FILE",
      ),
    );
  }
  for (const [index, record] of applied.entries()) {
    const migration = known[index];
    if (migration?.number !== record.number || checksum(migration) !== record.checksum) {
      return err(
        terminal(
          "unsupported",
          `${connection.path}: migration ${record.number} (${record.name}) was applied by a build that this one does not descend from`,
          "Use the drover that made this database, or another state directory",
        ),
      );
    }
  }
  const spoken = checkFleetLevel(connection);
  if (!spoken.ok) return spoken;
  const next = known.slice(applied.length);
  const level = levelForMigrations(connection);
  const held = next.findIndex(({ needsLevel = 0 }) => needsLevel > level);
  const due = held < 0 ? next.length : held;
  return ok({ applied: highest, pending: next.slice(0, due), waiting: next.slice(due) });
}

/** Applies what is pending in one transaction, which is one flush, and records each. Throws what the storage throws. */
function applyMigrations(connection: Connection, pending: readonly Migration[], nowMs: number): void {
  if (pending.length === 0) return;
  connection.exec("BEGIN IMMEDIATE");
  try {
    connection.exec(MIGRATION_TABLE);
    for (const migration of pending) applyMigration(connection, migration, nowMs);
    connection.exec("COMMIT");
  } catch (cause) {
    if (connection.inTransaction()) connection.exec("ROLLBACK");
    throw cause;
  }
}

const MIGRATION_TABLE = `CREATE TABLE IF NOT EXISTS schema_migration (
  number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at_ms INTEGER NOT NULL
) STRICT`;

function applyMigration(connection: Connection, migration: Migration, nowMs: number): void {
  for (const statement of migration.sql) connection.exec(statement);
  connection
    .prepare("INSERT INTO schema_migration (number, name, checksum, applied_at_ms) VALUES (?, ?, ?, ?)")
    .run([migration.number, migration.name, checksum(migration), nowMs]);
}

function readApplied(connection: Connection): readonly Applied[] {
  const exists = connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'schema_migration'").get([]);
  if (exists === undefined) return [];
  return connection
    .prepare("SELECT number, name, checksum FROM schema_migration ORDER BY number")
    .all([])
    .map((row) => ({ number: number(row, 0), name: text(row, 1), checksum: text(row, 2) }));
}

/** White space is no part of a migration's meaning, so a formatter may touch it. */
function checksum(migration: Migration): string {
  const normal = migration.sql.map((statement) => statement.replaceAll(/\s+/g, " ").trim()).join(";");
  return createHash("sha256").update(normal).digest("hex").slice(0, 32);
}
