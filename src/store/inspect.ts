import { join } from "node:path";
import { number, openReadOnly, text } from "./connection.ts";
import { readMeta } from "./meta.ts";
import { schemaNumber } from "./migrate.ts";
import type { Inspection } from "./reader-protocol.ts";

/** Faults shown of one file; the first ones tell enough. */
const MAX_FAULTS = 10;

/** Reads a whole database file, without changing it. Throws what the storage throws when it is no database at all. */
export function inspectDatabase(path: string): Inspection {
  const connection = openReadOnly(path);
  try {
    const faults = connection
      .prepare(`PRAGMA integrity_check(${MAX_FAULTS})`)
      .all([])
      .map((row) => text(row, 0))
      .filter((line) => line !== "ok");
    const count = connection.prepare("SELECT count(*) FROM task").get([]);
    const last = connection.prepare("SELECT coalesce(max(seq), 0) FROM event").get([]);
    return {
      faults,
      schema: schemaNumber(connection),
      uuid: readMeta(connection, "uuid") ?? null,
      tasks: count === undefined ? 0 : number(count, 0),
      lastEventSeq: last === undefined ? 0 : number(last, 0),
    };
  } finally {
    connection.close();
  }
}

/**
 * What the queue of a state folder had come to, in one word: equal for two folders when nothing was recorded in one that
 * is not in the other. Reads any schema that has events. Throws what the storage throws.
 */
export function stateMark(dir: string): string {
  const connection = openReadOnly(join(dir, "fleet.db"));
  try {
    const last = connection.prepare("SELECT coalesce(max(seq), 0) FROM event").get([]);
    return `${readMeta(connection, "uuid") ?? "none"}:${last === undefined ? 0 : number(last, 0)}`;
  } finally {
    connection.close();
  }
}
