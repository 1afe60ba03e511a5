import { describe, expect, it } from "vitest";
import { openConnection } from "../../../src/store/connection.ts";
import { queueMigration } from "../../../src/store/migrations/fleet/0001-queue.ts";
import { TASK_DEFAULTS } from "../../../src/store/task-inserts.ts";

describe("inserts of tasks", () => {
  it("leave out only columns whose default in the schema is the value they stand for", () => {
    const connection = openConnection(":memory:");
    for (const statement of queueMigration.sql) connection.exec(statement);

    const columns = connection.prepare("SELECT name, dflt_value FROM pragma_table_info('task')").all([]);

    const inSchema = new Map(columns.map(([name, value]) => [String(name), value ?? null]));
    for (const [column, value] of Object.entries(TASK_DEFAULTS)) {
      const written = typeof value === "string" ? `'${value}'` : value === null ? null : String(value);
      expect(`${column} ${String(inSchema.get(column))}`).toBe(`${column} ${String(written)}`);
    }
    connection.close();
  });
});
