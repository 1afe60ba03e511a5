/** A look at a database that nobody has open, which leaves everything as it is. */
import { existsSync, statSync } from "node:fs";
import { type Connection, openImmutable, openReadOnly, text } from "./connection.ts";
import { type IdentityChange, identityChange } from "./identity.ts";

export type Examination = {
  readonly bytes: number;
  /** What SQLite's quick check found; empty when it is sound. Null when the file is too large to be read now. */
  readonly faults: readonly string[] | null;
  /** What happened to the file since it was last open, as the next start will see it; null without a note of it. */
  readonly change: IdentityChange | null;
};

/** Faults shown of one file; the first ones tell enough. */
const MAX_FAULTS = 3;

/**
 * Nobody may have it open. Throws what the storage throws when it is no database.
 * @param maxBytes a larger file is not checked: about 1 GB is read in a second
 */
export function examineDatabase(path: string, maxBytes: number): Examination {
  const { size } = statSync(path);
  const journal = statSync(`${path}-wal`, { throwIfNoEntry: false });
  // With pages in the journal the file alone would look damaged. Without, nothing is made beside it this way.
  const connection = journal === undefined || journal.size === 0 ? openImmutable(path) : openReadOnly(path);
  try {
    return { bytes: size, faults: size > maxBytes ? null : faultsOf(connection), change: changeOf(connection) };
  } finally {
    connection.close();
  }
}

function faultsOf(connection: Connection): readonly string[] {
  return connection
    .prepare(`PRAGMA quick_check(${MAX_FAULTS})`)
    .all([])
    .map((row) => text(row, 0))
    .filter((line) => line !== "ok");
}

function changeOf(connection: Connection): IdentityChange | null {
  const table = connection.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'").get([]);
  return table?.[0] === 1 ? identityChange(connection, existsSync) : null;
}
