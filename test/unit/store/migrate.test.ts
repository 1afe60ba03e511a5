import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SimulatedClock } from "#base";
import { type Connection, openConnection } from "../../../src/store/connection.ts";
import { writeFleetLevel } from "../../../src/store/fleet-level.ts";
import { migrateDatabase, schemaNumber, waitingMigrations } from "../../../src/store/migrate.ts";
import { FLEET_MIGRATIONS } from "../../../src/store/migrations/fleet.ts";
import type { Migration } from "../../../src/store/migrations/migration.ts";
import { NODE_MIGRATIONS } from "../../../src/store/migrations/node.ts";
import { failureIn, must } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const first: Migration = { number: 1, name: "cats", sql: ["CREATE TABLE cat (name TEXT)"] };
const second: Migration = {
  number: 2,
  name: "ages",
  sql: ["ALTER TABLE cat ADD COLUMN age INTEGER", "UPDATE cat SET age = 3"],
};
const nowMs = new SimulatedClock().nowMs();

function withCat(dir: string): Connection {
  const connection = openConnection(join(dir, "fleet.db"));
  must(migrateDatabase(connection, [first], nowMs));
  connection.exec("INSERT INTO cat VALUES ('Mia')");
  return connection;
}

describe("the migrations of this build", () => {
  it.each([
    ["fleet", FLEET_MIGRATIONS],
    ["node", NODE_MIGRATIONS],
  ])("of %s.db are numbered from 1 without gaps", (_name, migrations) => {
    expect(migrations.map(({ number }) => number)).toEqual(migrations.map((_migration, index) => index + 1));
  });
});

describe("migrating a database", () => {
  it("applies what is missing, keeps the data, and keeps a copy of what was before", () => {
    const dir = folder();
    const connection = withCat(dir);

    must(migrateDatabase(connection, [first, second], nowMs));

    expect(connection.prepare("SELECT name, age FROM cat").all([])).toEqual([["Mia", 3]]);
    expect(schemaNumber(connection)).toBe(2);
    expect(statSync(join(dir, "fleet.db.before-2")).mode & 0o777).toBe(0o600);
    const copy = openConnection(join(dir, "fleet.db.before-2"));
    expect(copy.prepare("SELECT * FROM cat").all([])).toEqual([["Mia"]]);
    expect(schemaNumber(copy)).toBe(1);
  });

  it("does nothing, and keeps no copy, when nothing is missing", () => {
    const dir = folder();
    const connection = withCat(dir);

    must(migrateDatabase(connection, [first], nowMs));

    expect(readdirSync(dir).filter((name) => name.includes("before"))).toEqual([]);
  });

  it("keeps what was before this try, not what was before an earlier one that was taken back", () => {
    const dir = folder();
    const connection = withCat(dir);
    writeFileSync(join(dir, "fleet.db.before-2"), "of an earlier try");

    must(migrateDatabase(connection, [first, second], nowMs));

    expect(openConnection(join(dir, "fleet.db.before-2")).prepare("SELECT * FROM cat").all([])).toEqual([["Mia"]]);
  });

  it("that fails half way leaves the database as it was", () => {
    const dir = folder();
    const connection = withCat(dir);
    const broken: Migration = { number: 2, name: "broken", sql: ["ALTER TABLE cat ADD COLUMN age", "NO SQL"] };

    expect(() => migrateDatabase(connection, [first, broken], nowMs)).toThrow("syntax error");

    expect(connection.prepare("SELECT * FROM cat").all([])).toEqual([["Mia"]]);
    expect(schemaNumber(connection)).toBe(1);
    expect(existsSync(join(dir, "fleet.db.before-2"))).toBe(true);
  });

  it("accepts a migration whose white space was changed by a formatter, and no other change", () => {
    const connection = withCat(folder());
    const formatted = { ...first, sql: ["CREATE TABLE  cat\n  (name TEXT)"] };
    const changed = { ...first, sql: ["CREATE TABLE cat (name TEXT NOT NULL)"] };

    expect(migrateDatabase(connection, [formatted], nowMs).ok).toBe(true);
    const refusal = migrateDatabase(connection, [changed], nowMs);

    expect(failureIn(refusal).code).toBe("unsupported");
  });
});

describe("a migration that needs a feature level", () => {
  const next = FLEET_MIGRATIONS.length + 1;
  const breaking: Migration = { number: next, name: "breaking", needsLevel: 2, sql: ["DROP TABLE fleet_hub"] };
  const after: Migration = { number: next + 1, name: "after", sql: ["CREATE TABLE later (n INTEGER) STRICT"] };
  const known = [...FLEET_MIGRATIONS, breaking, after];

  function withNodes(dir: string, names: readonly string[]): Connection {
    const connection = openConnection(join(dir, "fleet.db"));
    must(migrateDatabase(connection, FLEET_MIGRATIONS, nowMs));
    const put = connection.prepare(
      `INSERT INTO fleet_node (id, name, role, public_key, version, feature_level, state, lease_class, joined_at_ms,
        seen_at_ms, announced) VALUES (?, ?, 'member', ?, '0.1.0', 1, 'active', 'strict', 0, 0, '{}')`,
    );
    for (const name of names) put.run([name, name, name]);
    return connection;
  }

  it("waits, with all that follow it, while another node may not read what it makes, and is applied when the level is there", () => {
    const connection = withNodes(folder(), ["hub", "gpu1"]);
    writeFleetLevel(connection, 1);

    must(migrateDatabase(connection, known, nowMs));
    const before = schemaNumber(connection);
    const waiting = waitingMigrations(connection, known).map(({ name }) => name);
    writeFleetLevel(connection, 2);
    must(migrateDatabase(connection, known, nowMs));

    expect([before, waiting]).toEqual([next - 1, ["breaking", "after"]]);
    expect(schemaNumber(connection)).toBe(next + 1);
    expect(waitingMigrations(connection, known)).toEqual([]);
  });

  it("waits for nobody on a node that is alone, or a hub whose others were removed", () => {
    const alone = withNodes(folder(), ["hub"]);
    const left = withNodes(folder(), ["hub", "gpu1"]);
    left.exec("UPDATE fleet_node SET state = 'removed' WHERE id = 'gpu1'");

    for (const connection of [alone, left]) must(migrateDatabase(connection, known, nowMs));

    expect([alone, left].map(schemaNumber)).toEqual([next + 1, next + 1]);
  });

  it("that was applied, and a level that is not spoken here, are refused with what to do", () => {
    const migrated = withNodes(folder(), ["hub"]);
    must(migrateDatabase(migrated, known, nowMs));
    const raised = withNodes(folder(), ["hub", "gpu1"]);
    writeFleetLevel(raised, 99);

    const schema = failureIn(migrateDatabase(migrated, FLEET_MIGRATIONS, nowMs));
    const level = failureIn(migrateDatabase(raised, FLEET_MIGRATIONS, nowMs));

    expect([schema.code, level.code]).toEqual(["newer_schema", "newer_schema"]);
    expect(schema.message).toContain("knows up to");
    expect(level.message).toContain("feature level 99");
    expect(level.remedy).toContain("drover update");
  });
});
