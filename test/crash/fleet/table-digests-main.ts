/** Prints a digest per table of a database as JSON: `bun table-digests-main.ts FILE`. Imports nothing of drover. */
import { Database } from "bun:sqlite";
import { createHash } from "node:crypto";

const database = new Database(process.argv[2] ?? "");
const tables = database
  .query(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'libsql_%'",
  )
  .all()
  // `as`: the one column that was asked for.
  .map((row) => (row as { readonly name: string }).name)
  .sort();
const digests: Record<string, string> = {};
for (const name of tables) {
  const hash = createHash("sha256");
  // The one note of a host alone: where its file is. This is a copy.
  if (name === "meta") database.run("DELETE FROM meta WHERE name = 'fingerprint'");
  const rows = database
    .query(`SELECT * FROM "${name}"`)
    .values()
    .map((row) => JSON.stringify(row));
  for (const row of rows.sort()) hash.update(`${row}\n`);
  digests[name] = `${rows.length} rows, ${hash.digest("hex").slice(0, 16)}`;
}
const waiting = tables.includes("outbox")
  ? Number(Object.values(database.query("SELECT count(*) FROM outbox WHERE settled = 0").get() ?? {})[0])
  : 0;
const integrity = Object.values(database.query("PRAGMA integrity_check").get() ?? {}).join(" ");
database.close();
await Bun.write(Bun.stdout, JSON.stringify({ integrity, digests, waiting }));
