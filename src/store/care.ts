/**
 * What can be done for a database that is open. Synchronous, on the thread that writes: while it lasts nothing else is done,
 * so each is bounded by the size of the file.
 */
import { existsSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { err, ok, type Result, refused, retryable } from "#base";
import type { Connection } from "./connection.ts";
import { onStorage } from "./storage-failure.ts";

/** A disk of five years ago rewrites so much in some ten seconds; the watchdog is patient for a minute. */
const MAX_COMPACT_BYTES = 512 * 1024 * 1024;

export type CaredDatabase = {
  /** Its file's name. */
  readonly name: string;
  readonly connection: Connection;
  /** False where the numbers of its rows are those of a server, which rewriting the file could change. */
  readonly mayCompact: boolean;
};

export interface DatabaseCare {
  readonly names: readonly string[];
  /** Whether it can be read and written now: takes the right to write and gives it back. */
  check(name: string): Result<void>;
  /** Writes its journal back, however short. @returns bytes of the journal that were given back */
  checkpoint(name: string): Result<number>;
  /** Rewrites the file without the space that nothing uses. @returns bytes that were given back */
  compact(name: string): Result<number>;
}

export function careOf(databases: readonly CaredDatabase[]): DatabaseCare {
  const found = (name: string): Result<CaredDatabase> => {
    const database = databases.find((each) => each.name === name);
    return database === undefined
      ? err(refused("not_found", `there is no database ${name.slice(0, 200)}`))
      : ok(database);
  };
  const idle = (name: string): Result<CaredDatabase> => {
    const database = found(name);
    if (!database.ok || !database.value.connection.inTransaction()) return database;
    return err(retryable("unavailable", `${name} is being written at this moment`));
  };
  return {
    names: databases.map(({ name }) => name),
    check: (name) => {
      const database = found(name);
      if (!database.ok) return database;
      const { connection } = database.value;
      // A group that waits for its server has the right already.
      if (connection.inTransaction()) return ok(undefined);
      return onStorage(`check ${name}`, () => {
        connection.exec("BEGIN IMMEDIATE");
        connection.exec("ROLLBACK");
      });
    },
    checkpoint: (name) => {
      const database = idle(name);
      if (!database.ok) return database;
      const { connection } = database.value;
      const before = bytesOf(`${connection.path}-wal`);
      return onStorage(`write the journal of ${name} back`, () => {
        connection.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get([]);
        return before - bytesOf(`${connection.path}-wal`);
      });
    },
    compact: (name) => {
      const database = idle(name);
      return database.ok ? compacted(database.value) : database;
    },
  };
}

function compacted({ name, connection, mayCompact }: CaredDatabase): Result<number> {
  if (!mayCompact) return err(refused("unsupported", `${name} follows a server, whose numbers of rows it keeps`));
  const before = bytesOf(connection.path);
  if (before > MAX_COMPACT_BYTES) {
    const message = `${name} has ${before} bytes; beyond ${MAX_COMPACT_BYTES} rewriting it would stop the node for too long`;
    return err(refused("too_large", message, "Stop the node, then rewrite the file with: sqlite3 FILE VACUUM"));
  }
  const disk = statfsSync(dirname(connection.path));
  // The copy is written into the journal, and then over the file.
  if (disk.bavail * disk.bsize < 2 * before) {
    return err(
      retryable("disk_full", `rewriting ${name} needs ${2 * before} bytes free`, "Free some space on its disk"),
    );
  }
  return onStorage(`rewrite ${name}`, () => {
    connection.exec("VACUUM");
    connection.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get([]);
    return before - bytesOf(connection.path);
  });
}

function bytesOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}
