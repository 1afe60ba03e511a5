import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { err, ok, type Result, retryable } from "#base";
import { PRIVATE_MODE, syncFile } from "../backup.ts";
import { type Connection, number, openConnection, type SqlRow, type SqlValue, text } from "../connection.ts";
import { FINGERPRINT } from "../identity.ts";
import { migrateDatabase } from "../migrate.ts";
import { FLEET_MIGRATIONS } from "../migrations/fleet.ts";
import { onStorage } from "../storage-failure.ts";
import type { ServerStatement } from "./hrana.ts";
import type { Server } from "./server.ts";

/** On a server while it is filled: whoever finds it begins again. */
export const FILLING_TABLE = "drover_filling";
/** Rows read and sent at once; each is a statement. */
const FILL_ROWS = 500;
/** Text of one batch: a page of large rows is sent in several. */
const FILL_BYTES = 4 * 1024 * 1024;

/** How sqld calls the database of a namespace, in the folder of that. */
const SERVER_FILE = "data";

/**
 * Lays a copy of the fleet's database where sqld finds it at its first start over `databaseFolder`. Nobody may write to the
 * database meanwhile. Being killed at any moment leaves either no folder or a whole one.
 *
 * @returns whether it was done: not when the folder has a database already, and not when there is nothing to copy.
 */
export function seedServerFolder(fleetPath: string, databaseFolder: string, nowMs: number): Result<boolean> {
  if (existsSync(join(databaseFolder, SERVER_FILE)) || !existsSync(fleetPath)) return ok(false);
  const making = `${databaseFolder}.making`;
  const copy = join(making, SERVER_FILE);
  const copied = onStorage<Result<void>>(`copy ${fleetPath} to ${databaseFolder}`, () => {
    rmSync(making, { recursive: true, force: true });
    mkdirSync(dirname(copy), { recursive: true, mode: 0o700 });
    const source = openConnection(fleetPath);
    try {
      source.prepare("VACUUM INTO ?").run([copy]);
    } finally {
      source.close();
    }
    chmodSync(copy, PRIVATE_MODE);
    const connection = openConnection(copy);
    try {
      const migrated = migrateDatabase(connection, FLEET_MIGRATIONS, nowMs);
      if (!migrated.ok) return migrated;
      connection.prepare("DELETE FROM meta WHERE name = ?").run([FINGERPRINT]);
      connection.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get([]);
    } finally {
      connection.close();
    }
    // What the migration and the journal left beside it is nothing to sqld.
    for (const suffix of ["-wal", "-shm"]) rmSync(`${copy}${suffix}`, { force: true });
    syncFile(copy);
    for (let folder = dirname(copy); folder.length >= making.length; folder = dirname(folder)) syncFile(folder);
    return ok(undefined);
  });
  const result = copied.ok ? copied.value : copied;
  if (!result.ok) return result;
  return onStorage(`put ${databaseFolder} in its place`, () => {
    // A start of sqld that was cut off before it had a database.
    rmSync(databaseFolder, { recursive: true, force: true });
    renameSync(making, databaseFolder);
    syncFile(dirname(databaseFolder));
    return true;
  });
}

/**
 * Gives a server everything that a database holds, in place of whatever it had, in bounded batches. Until the last one
 * the server holds a table that says so. The database must not change meanwhile.
 */
export async function fillServer(connection: Connection, server: Server): Promise<Result<void>> {
  const objects = connection
    .prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
    .all([])
    .map((row) => ({ type: text(row, 0), name: text(row, 1), sql: text(row, 2) }));
  const tables = objects.filter(({ type }) => type === "table");
  const emptied = await emptyServer(server);
  if (!emptied.ok) return emptied;
  const batches = new BatchedSender(server);
  for (const { sql } of tables) await batches.add({ sql, args: [] });
  for (const { name } of tables) {
    for (let after: SqlRow | undefined; ; ) {
      const page = readPage(connection, name, after);
      for (const row of page) {
        if (name === "meta" && row[0] === FINGERPRINT) continue;
        const sql = `INSERT INTO "${name}" VALUES (${row.map(() => "?").join(", ")})`;
        const added = await batches.add({ sql, args: row });
        if (!added.ok) return added;
      }
      after = page.at(-1);
      if (page.length < FILL_ROWS) break;
    }
  }
  for (const { type, sql } of objects) if (type !== "table") await batches.add({ sql, args: [] });
  await batches.add({ sql: `DROP TABLE ${FILLING_TABLE}`, args: [] });
  return batches.flush();
}

/** Sends statements in order, some hundred at a time. After a failure it sends nothing and repeats that failure. */
class BatchedSender {
  readonly #server: Server;
  #batch: ServerStatement[] = [];
  #bytes = 0;
  #result: Result<void> = ok(undefined);

  constructor(server: Server) {
    this.#server = server;
  }

  async add(statement: ServerStatement): Promise<Result<void>> {
    this.#batch.push(statement);
    this.#bytes += statement.args.reduce<number>((sum, value) => sum + sizeOf(value), statement.sql.length);
    return this.#batch.length >= FILL_ROWS || this.#bytes >= FILL_BYTES ? this.flush() : this.#result;
  }

  async flush(): Promise<Result<void>> {
    const batch = this.#batch;
    this.#batch = [];
    this.#bytes = 0;
    if (this.#result.ok && batch.length > 0) this.#result = await send(this.#server, batch);
    return this.#result;
  }
}

async function emptyServer(server: Server): Promise<Result<void>> {
  try {
    const rows = await server.rows(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'libsql_%'",
    );
    const drops = rows
      .map((row) => text(row, 0))
      .filter((name) => name !== FILLING_TABLE)
      .map((name) => ({ sql: `DROP TABLE "${name}"`, args: [] }));
    const mark = `CREATE TABLE IF NOT EXISTS ${FILLING_TABLE} (n INTEGER)`;
    return await send(server, [{ sql: mark, args: [] }, ...drops]);
  } catch (cause) {
    return err(notFilled(cause));
  }
}

/** The next rows in the order of the primary key, which every table has. */
function readPage(connection: Connection, table: string, after: SqlRow | undefined): readonly SqlRow[] {
  const columns = connection.prepare(`SELECT name, pk FROM pragma_table_info('${table}') ORDER BY cid`).all([]);
  const key = columns
    .map((row, place) => ({ name: text(row, 0), pk: number(row, 1), place }))
    .filter(({ pk }) => pk > 0)
    .sort((a, b) => a.pk - b.pk);
  const names = key.map(({ name }) => `"${name}"`).join(", ");
  const where = after === undefined ? "" : `WHERE (${names}) > (${key.map(() => "?").join(", ")})`;
  const params = after === undefined ? [] : key.map(({ place }) => keyValue(after, place));
  return connection.prepare(`SELECT * FROM "${table}" ${where} ORDER BY ${names} LIMIT ?`).all([...params, FILL_ROWS]);
}

/** As it was given, because binding it packs it again. */
function keyValue(row: SqlRow, place: number): SqlValue {
  return typeof row[place] === "string" ? text(row, place) : (row[place] ?? null);
}

function sizeOf(value: SqlValue): number {
  return typeof value === "string" ? value.length : 8;
}

async function send(server: Server, statements: readonly ServerStatement[]): Promise<Result<void>> {
  const answer = await server.batch(statements);
  return answer.kind === "committed" ? ok(undefined) : err(notFilled(answer.cause));
}

function notFilled(cause: unknown) {
  const why = cause instanceof Error ? cause.message : String(cause);
  const remedy = "Check the libSQL server and start again: it is filled anew";
  return retryable("unavailable", `fill the libSQL server: ${why}`, remedy);
}
