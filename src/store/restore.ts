import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { err, FLEET_FILE, ok, type Result, refused, terminal } from "#base";
import { BACKUP_FOLDER, PRIVATE_MODE, syncFile } from "./backup.ts";
import { backupsNewestFirst } from "./backup-policy.ts";
import { openConnection } from "./connection.ts";
import { inspectDatabase } from "./inspect.ts";
import { readMeta, writeMeta } from "./meta.ts";
import { FLEET_MIGRATIONS } from "./migrations/fleet.ts";
import { lockStateDirectory } from "./state-lock.ts";
import { onStorage, storageFailure } from "./storage-failure.ts";

/**
 * A restored database that waits for its place. Its name is the point of no return: before it exists nothing has
 * changed, and once it exists every start finishes the exchange, so that being killed in between leaves either the
 * old database or the new one, never none and never one with the journal of the other.
 */
export const INCOMING_FILE = "fleet.db.incoming";
const PREPARING_FILE = "fleet.db.preparing";

export type RestoreReport = {
  readonly tasks: number;
  readonly lastEventSeq: number;
  readonly epoch: number;
  /** Where the database that was there before lies now; absent when there was none. */
  readonly setAside?: string;
};

/** @returns the newest backup in the folder that reads back whole. */
export function newestBackup(folder: string): string | undefined {
  if (!existsSync(folder)) return undefined;
  return backupsNewestFirst(readdirSync(folder))
    .map((name) => join(folder, name))
    .find((path) => inspect(path).ok);
}

/**
 * Puts a backup in the place of the fleet's database. Nothing may run on the directory. The database that was there
 * is set aside as `fleet.db.replaced-<time>`, or `damaged-<time>` when it is, and the epoch rises above that of both, so that a lease given out by
 * either is never taken for one of the new.
 */
export function restoreBackup(dir: string, file: string, nowMs: number): Result<RestoreReport> {
  const source = resolve(file);
  if (!existsSync(source))
    return err(refused("not_found", `there is no file ${source}`, `Look in ${join(dir, BACKUP_FOLDER)}`));
  const sound = inspect(source);
  if (!sound.ok) return sound;
  if (sound.value.schema > FLEET_MIGRATIONS.length) {
    const message = `${source} has schema ${sound.value.schema}; this drover knows up to ${FLEET_MIGRATIONS.length}`;
    return err(refused("newer_schema", message, "Restore it with the newer drover"));
  }
  const made = onStorage(`make ${dir}`, () => mkdirSync(dir, { recursive: true, mode: 0o700 }));
  if (!made.ok) return made;
  const lock = lockStateDirectory(dir);
  if (!lock.ok) return lock;
  try {
    const epoch = prepare(dir, source);
    const setAside = finishRestore(dir, nowMs);
    const { tasks, lastEventSeq } = sound.value;
    return ok({ tasks, lastEventSeq, epoch, ...(setAside === undefined ? {} : { setAside }) });
  } catch (cause) {
    rmSync(join(dir, PREPARING_FILE), { force: true });
    const failure = storageFailure(cause, `restore ${source}`);
    if (failure === undefined) throw cause;
    return err(failure);
  } finally {
    lock.value.release();
  }
}

/**
 * Finishes an exchange that was begun, if there is one. Called under the lock, before the database is opened.
 *
 * @param name what an old database that is sound is called from then on
 * @returns where the old database lies now; undefined when there was none.
 */
export function finishRestore(dir: string, nowMs: number, name = "replaced"): string | undefined {
  const incoming = join(dir, INCOMING_FILE);
  if (!existsSync(incoming)) return undefined;
  const current = join(dir, FLEET_FILE);
  const had = existsSync(current);
  const why = had && inspect(current).ok ? name : "damaged";
  const aside = `${current}.${why}-${new Date(nowMs).toISOString().replaceAll(/[-:.]/g, "")}`;
  // The journal first: a database without its journal is merely older, a journal beside another database is poison.
  for (const suffix of ["-wal", "-shm", ""]) {
    if (existsSync(`${current}${suffix}`)) renameSync(`${current}${suffix}`, `${aside}${suffix}`);
  }
  renameSync(incoming, current);
  syncFile(dir);
  return had ? aside : undefined;
}

/** Makes the incoming file: a copy of the backup with a higher epoch and nothing noted about where it is. */
function prepare(dir: string, source: string): number {
  const preparing = join(dir, PREPARING_FILE);
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${preparing}${suffix}`, { force: true });
  copyFileSync(source, preparing);
  chmodSync(preparing, PRIVATE_MODE);
  const connection = openConnection(preparing);
  let epoch: number;
  try {
    epoch = Math.max(Number(readMeta(connection, "epoch") ?? 1), currentEpoch(dir)) + 1;
    writeMeta(connection, "epoch", String(epoch));
    // The next start notes where it is, without taking it for a copy once more.
    connection.prepare("DELETE FROM meta WHERE name = 'fingerprint'").run([]);
    connection.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get([]);
  } finally {
    connection.close();
  }
  syncFile(preparing);
  renameSync(preparing, join(dir, INCOMING_FILE));
  syncFile(dir);
  return epoch;
}

/** The epoch of the database that is replaced, as far as it can still be read. */
function currentEpoch(dir: string): number {
  const current = join(dir, FLEET_FILE);
  if (!existsSync(current)) return 0;
  try {
    const connection = openConnection(current, { queryOnly: true });
    try {
      return Number(readMeta(connection, "epoch") ?? 0);
    } finally {
      connection.close();
    }
  } catch {
    return 0; // damaged: that is why it is replaced
  }
}

function inspect(path: string): Result<ReturnType<typeof inspectDatabase>> {
  try {
    const inspection = inspectDatabase(path);
    const [fault] = inspection.faults;
    if (fault !== undefined) return err(terminal("corrupt", `${path} is damaged: ${fault}`, "Choose another backup"));
    return ok(inspection);
  } catch (cause) {
    const failure = storageFailure(cause, `read ${path}`);
    return failure === undefined
      ? err(terminal("corrupt", `${path} is no drover database: ${String(cause)}`, "Choose another file"))
      : err({ ...failure, remedy: "Choose another backup" });
  }
}
