import { type Connection, text } from "./connection.ts";

/** @returns the value of one name in the database's own notes. */
export function readMeta(connection: Connection, name: string): string | undefined {
  const row = connection.prepare("SELECT value FROM meta WHERE name = ?").get([name]);
  return row === undefined ? undefined : text(row, 0);
}

export function writeMeta(connection: Connection, name: string, value: string): void {
  connection
    .prepare("INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
    .run([name, value]);
}
