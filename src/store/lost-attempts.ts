import type { TaskId } from "#base";
import { type Connection, number } from "./connection.ts";
import type { InsertBuffer } from "./insert-buffer.ts";

/** @returns how many attempts of a task were lost, those that are not written yet included. */
export function lossesOf(id: TaskId, unwritten: InsertBuffer, connection: Connection): number {
  unwritten.flush();
  const sql = "SELECT COUNT(*) FROM attempt WHERE task_id = ? AND outcome = 'lost'";
  const row = connection.prepare(sql).get([id]);
  return row === undefined ? 0 : number(row, 0);
}
