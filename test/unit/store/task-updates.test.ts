import { describe, expect, it } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom } from "#base";
import type { TaskRow } from "#queue";
import { type Connection, openConnection } from "../../../src/store/connection.ts";
import { queueMigration } from "../../../src/store/migrations/fleet/0001-queue.ts";
import { eventSeqOf, TASK_SELECT, taskValues, toTaskRow } from "../../../src/store/task-columns.ts";
import { TaskInserts } from "../../../src/store/task-inserts.ts";
import { TaskUpdates } from "../../../src/store/task-updates.ts";
import { readyRow } from "../../support/task-row.ts";

const ids = createIdFactory(new SimulatedClock(), seededRandom(8));

/** A table with so many tasks that are ready, and what was run on it since. */
function opened(many: number): { updates: TaskUpdates; rows: TaskRow[]; ran: string[]; connection: Connection } {
  const connection = openConnection(":memory:");
  for (const statement of queueMigration.sql) connection.exec(statement);
  const rows = Array.from({ length: many }, () => readyRow(ids.task()));
  const inserts = new TaskInserts(connection);
  for (const row of rows) inserts.add(taskValues(row, 1));
  inserts.flush();
  const ran: string[] = [];
  const watched: Connection = {
    ...connection,
    prepare: (sql) => {
      const statement = connection.prepare(sql);
      return { ...statement, run: (params) => (ran.push(sql), statement.run(params)) };
    },
  };
  return { updates: new TaskUpdates(watched), rows, ran, connection };
}

function claimed(row: TaskRow, n: number): TaskRow {
  return { ...row, state: "running", admitted: false, fenceEpoch: 7, fenceN: n, holder: ids.node(), startedAtMs: 5 };
}

function stored(connection: Connection, { id }: TaskRow): { row: TaskRow; eventSeq: number } {
  const found = connection.prepare(`SELECT ${TASK_SELECT} FROM task WHERE id = ?`).get([id]) ?? [];
  return { row: toTaskRow(found), eventSeq: eventSeqOf(found) };
}

describe("changes to many tasks", () => {
  it("in the same columns are one statement, and each row has its own", () => {
    const { updates, rows, ran, connection } = opened(40);
    const after = rows.map((row, n) => claimed(row, n + 1));
    for (const [n, row] of after.entries()) {
      updates.add(taskValues(row, 100 + n), { row: rows[n] ?? row, eventSeq: 1 });
    }
    updates.flush();

    expect(ran).toHaveLength(1);
    expect(after.map((row) => stored(connection, row))).toEqual(after.map((row, n) => ({ row, eventSeq: 100 + n })));
  });

  it("with a fraction, or with words of people, come out as they went in", () => {
    const { updates, rows, connection } = opened(8);
    const message = "é \"'\n\ud800 \u0001";
    const after = rows.map((row, n) => ({ ...row, tag: 1 / (n + 3), progress: { ratio: 0.1 * n, message } }));
    for (const [n, row] of after.entries()) updates.add(taskValues(row, 2), { row: rows[n] ?? row, eventSeq: 1 });
    updates.flush();

    const found = after.map((row) => stored(connection, row).row);
    expect(found.map(({ tag, progress }) => [tag, progress?.ratio])).toEqual(
      after.map(({ tag, progress }) => [tag, progress.ratio]),
    );
    expect(found.map(({ progress }) => progress?.message)).toEqual(
      new Array(8).fill(message.replace("\ud800", "\ufffd")),
    );
  });

  it("Q1: name the one that is not as it was read", () => {
    const { updates, rows, connection } = opened(10);
    const [, , taken] = rows;
    connection.prepare("UPDATE task SET fence_n = 9 WHERE id = ?").run([taken?.id ?? ""]);
    for (const [n, row] of rows.entries()) updates.add(taskValues(claimed(row, n + 1), 2), { row, eventSeq: 1 });

    expect(() => updates.flush()).toThrow(`Q1: task ${taken?.id} is still ready under fence 0.0`);
  });
});
