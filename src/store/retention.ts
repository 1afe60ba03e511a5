import type { TaskId } from "#base";
import { present } from "#base";
import type { PruneBefore, QueueTransaction } from "#queue";
import { type Connection, number, text } from "./connection.ts";
import { LAST_EVENT_SEQ } from "./event-log.ts";
import { writeMeta } from "./meta.ts";
import { stateCondition } from "./task-columns.ts";

/** Ended tasks that nobody still waits for. Ids begin with their time, so the range ends where tasks are too young. */
const oldTasks = (condition: string): string => `SELECT id FROM task
  WHERE ${condition} AND id < ? AND ended_at_ms < ?
    AND NOT EXISTS (SELECT 1 FROM dependency d WHERE d.depends_on = task.id AND d.satisfied = 0)
  ORDER BY id LIMIT ?`;
/** The order in which they are removed; done tasks are by far the most. */
const ENDED_STATES = ["done", "cancelled", "dead"] as const;

/**
 * Removes at most `limit` rows of each sort, inside the running transaction. The newest event's number is kept in the
 * notes, so that numbers are never given twice.
 *
 * @returns how many tasks, events, idempotency keys and results of commands were removed.
 */
export function pruneQueue(connection: Connection, tx: QueueTransaction, before: PruneBefore, limit: number): number {
  return (
    pruneTasks(connection, tx, before, limit) +
    pruneEvents(connection, before.eventsMs, limit) +
    connection
      .prepare(
        "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE at_ms < ? ORDER BY at_ms, key LIMIT ?)",
      )
      .run([before.idempotencyMs, limit]) +
    connection
      .prepare("DELETE FROM command WHERE id IN (SELECT id FROM command WHERE at_ms < ? ORDER BY at_ms, id LIMIT ?)")
      .run([before.commandsMs, limit])
  );
}

function pruneTasks(connection: Connection, tx: QueueTransaction, before: PruneBefore, limit: number): number {
  let removed = 0;
  for (const state of ENDED_STATES) {
    const statement = connection.prepare(oldTasks(stateCondition(state)));
    const beforeMs = state === "dead" ? before.deadLettersMs : before.endedTasksMs;
    for (const found of statement.all([firstIdAt(beforeMs), beforeMs, limit - removed])) {
      // `as`: written from a TaskId.
      const row = present(tx.task(text(found, 0) as TaskId), "Q8: a task that was just found exists");
      if (row.state !== state) continue; // changed by a command of this very group
      tx.deleteTask(row);
      const lane = tx.lane(row.lane);
      tx.putLane({ ...lane, counts: { ...lane.counts, [state]: lane.counts[state] - 1 } });
      removed += 1;
    }
  }
  return removed;
}

function pruneEvents(connection: Connection, beforeMs: number, limit: number): number {
  const newest = connection.prepare("SELECT seq FROM event ORDER BY seq DESC LIMIT 1").get([]);
  if (newest === undefined) return 0;
  writeMeta(connection, LAST_EVENT_SEQ, String(number(newest, 0)));
  return connection
    .prepare(
      "DELETE FROM event WHERE seq IN (SELECT seq FROM (SELECT seq, at_ms FROM event ORDER BY seq LIMIT ?) WHERE at_ms < ?)",
    )
    .run([limit, beforeMs]);
}

const ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
/** Digits of an id that hold its 48 bits of time, after two zero bits: 50 = 10 × 5. */
const ID_TIME_DIGITS = 10;

/** @returns a text that every task id made before `atMs` sorts below. */
export function firstIdAt(atMs: number): string {
  let rest = Math.max(0, Math.floor(atMs));
  let digits = "";
  for (let place = 0; place < ID_TIME_DIGITS; place += 1) {
    digits = ID_ALPHABET.charAt(rest % 32) + digits;
    rest = Math.floor(rest / 32);
  }
  return `t_${digits}`;
}
