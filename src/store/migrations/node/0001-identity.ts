import type { Migration } from "../migration.ts";

/** What only this node knows, and what stays when the fleet's database is restored: who it is. */
export const identityMigration: Migration = {
  number: 1,
  name: "identity",
  sql: [`CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID`],
};
