import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { FLEET_FILE, NODE_FILE } from "#base";
import { number, openReadOnly, text } from "./connection.ts";
import { LAST_EVENT_SEQ } from "./event-log.ts";
import { readMeta } from "./meta.ts";
import { schemaNumber, waitingMigrations } from "./migrate.ts";
import { FLEET_MIGRATIONS } from "./migrations/fleet.ts";
import { NODE_MIGRATIONS } from "./migrations/node.ts";
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
 * What a state folder had come to, in one word: equal for two folders when nothing was recorded in one that is not in the
 * other. Everything about tasks is an event; the use of models, endpoints that people added, nodes that joined, and answers
 * to commands that changed nothing are not. What a node learns, measures or hears again by itself does not count. Reads any schema that has events. Throws what the storage throws.
 */
export function stateMark(dir: string): string {
  const connection = openReadOnly(join(dir, FLEET_FILE));
  try {
    const count = (sql: string): number => number(connection.prepare(sql).get([]) ?? [0], 0);
    const tables = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all([]);
    const has = (table: string): boolean => tables.some((row) => text(row, 0) === table);
    const events = count("SELECT coalesce(max(seq), 0) FROM event");
    const usage = has("model_usage") ? count("SELECT coalesce(max(id), 0) FROM model_usage") : 0;
    const endpoints = has("endpoint")
      ? connection.prepare("SELECT id, definition FROM endpoint ORDER BY id").all([])
      : [];
    const nodes = has("fleet_node")
      ? connection
          .prepare("SELECT id, name, role, public_key, url, state, lease_class FROM fleet_node ORDER BY id")
          .all([])
      : [];
    // None before somebody joined: then the mark is that of a build which does not look at nodes.
    const said = nodes.length === 0 ? endpoints : [endpoints, nodes];
    const added = createHash("sha256").update(JSON.stringify(said)).digest("hex").slice(0, 16);
    const answered = has("command") ? count("SELECT coalesce(max(at_ms), 0) FROM command") : 0;
    // Retention may have removed the newest event.
    const seq = Math.max(events, Number(readMeta(connection, LAST_EVENT_SEQ) ?? 0));
    return [readMeta(connection, "uuid") ?? "none", seq, usage, added, ...(answered === 0 ? [] : [answered])].join(":");
  } finally {
    connection.close();
  }
}

/** Whether this build would bring a database of a state folder into another form. Changes nothing; a node may run. */
export function changesState(dir: string): boolean {
  const known = [
    [FLEET_FILE, FLEET_MIGRATIONS],
    [NODE_FILE, NODE_MIGRATIONS],
  ] as const;
  return known.some(([file, migrations]) => {
    if (!existsSync(join(dir, file))) return false;
    const connection = openReadOnly(join(dir, file));
    try {
      return schemaNumber(connection) < migrations.length - waitingMigrations(connection, migrations).length;
    } finally {
      connection.close();
    }
  });
}
