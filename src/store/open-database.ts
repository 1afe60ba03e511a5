/** Opening the files of a state folder, and what is said when one cannot be used. */
import { chmodSync, closeSync, existsSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Clock, err, type Failure, type Logger, NODE_FILE, ok, type Result, terminal } from "#base";
import { type Connection, openConnection, text } from "./connection.ts";
import type { LongReader } from "./long-reader.ts";
import { migrateDatabase } from "./migrate.ts";
import type { Migration } from "./migrations/migration.ts";
import { newestBackup } from "./restore.ts";
import { onStorage } from "./storage-failure.ts";

const FILE_MODE = 0o600;
export const MAX_INLINE_CHECK_BYTES = 64 * 1024 * 1024;
/** The journal may grow past this while a long read holds it; beyond, it is written back. */
const MAX_JOURNAL_BYTES = 64 * 1024 * 1024;

const CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)";

/** Where the databases are, and where to look when one is damaged. */
export type Place = { readonly dir: string; readonly backupFolder: string; readonly maxInlineBytes: number };

/** Opens one database of a state folder, checks it and brings it to this build's schema. */
export function openDatabase(
  place: Place,
  file: string,
  /** Null leaves the schema as it is. */
  migrations: readonly Migration[] | null,
  clock: Clock,
  opened: Connection[],
): Result<Connection> {
  const path = join(place.dir, file);
  const isNew = !existsSync(path);
  const result = onStorage<Result<Connection>>(`open ${path}`, () => {
    // Prompts, variables and results are in there. What the database makes beside it gets the same mode.
    closeSync(openSync(path, "a", FILE_MODE));
    chmodSync(path, FILE_MODE);
    const connection = openConnection(path);
    opened.push(connection);
    if (!isNew && statSync(path).size <= place.maxInlineBytes) {
      const verdict = text(connection.prepare("PRAGMA quick_check(1)").get([]) ?? ["no answer"], 0);
      if (verdict !== "ok") return err(corrupt(place, path, verdict));
    }
    const migrated = migrations === null ? ok(undefined) : migrateDatabase(connection, migrations, clock.nowMs());
    return migrated.ok ? ok(connection) : migrated;
  });
  if (result.ok) return result.value;
  return result.error.code === "corrupt" ? err(corrupt(place, path, "it cannot be read")) : result;
}

/** @returns the bytes of the journal afterwards. */
export function checkpoint(connection: Connection): number {
  const journal = `${connection.path}-wal`;
  const bytes = existsSync(journal) ? statSync(journal).size : 0;
  // While a group waits for the server its transaction is open; the next call comes soon.
  if (bytes <= MAX_JOURNAL_BYTES || connection.inTransaction()) return bytes;
  connection.prepare(CHECKPOINT).get([]);
  return existsSync(journal) ? statSync(journal).size : 0;
}

/** After a clean stop the database is one file: whoever copies it has everything. */
export function writeBack(connection: Connection, logger: Logger): void {
  const written = onStorage("write the journal back", () => connection.prepare(CHECKPOINT).get([]));
  // Nothing is lost: the journal stays beside the database and the next start reads it.
  if (!written.ok) logger.warn("the journal was left as it is", { path: connection.path, why: written.error.message });
}

/** A database that was too large for a check at the start. */
export async function checkInBackground(
  path: string,
  files: LongReader,
  place: Place,
  logger: Logger,
): Promise<Result<void>> {
  if (statSync(path).size <= place.maxInlineBytes) return ok(undefined);
  const inspection = await files.inspect(path);
  const fault = inspection.ok ? inspection.value.faults[0] : undefined;
  if (inspection.ok && fault === undefined) return ok(undefined);
  const isDamage = inspection.ok || inspection.error.code === "corrupt";
  if (!isDamage) return inspection;
  const failure = corrupt(place, path, fault ?? "it cannot be read");
  logger.error(failure.message, { path, remedy: failure.remedy });
  return err(failure);
}

function corrupt(place: Place, path: string, detail: string): Failure {
  return terminal("corrupt", `${path} is damaged: ${detail}`, `Nothing was changed. ${remedyFor(place, path)}`);
}

function remedyFor({ dir, backupFolder }: Place, path: string): string {
  // node.db only remembers which workers still run; without it they are found lost and their tasks run again.
  if (path === join(dir, NODE_FILE)) return `Move ${path} away and start again: attempts that ran are repeated`;
  const backup = newestBackup(backupFolder);
  if (backup !== undefined) return `Restore the newest backup: drover restore ${backup}`;
  return "There is no backup: keep a copy of the file, then start with another --state DIR";
}
