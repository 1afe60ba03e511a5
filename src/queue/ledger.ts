/** The one place where a row changes state: the task, its lane's counters and its event move together (Q8, Q9). */
import type { JsonObject } from "#base";
import { admitOne, freshKey, isLimited, nextTag } from "./fairness.ts";
import type { QueueTransaction } from "./ports.ts";
import type { KeyRow, LaneRow, NewTask, QueueEventKind, TaskRow, TaskState } from "./task.ts";
import { admitted, ready } from "./transition.ts";

/** What a command is given besides its arguments. */
export type CommandContext = {
  /** Wall clock at the start of the command. */
  readonly nowMs: number;
  /** Uniform in [0, 1). */
  readonly draw: () => number;
};

/** Ready tasks of one key that a single command lets through after its limits were loosened. */
const ADMIT_BATCH = 500;

/** Replaces a row and keeps the counters of its lane. */
export function move(tx: QueueTransaction, before: TaskRow, after: TaskRow): void {
  tx.updateTask(before, after);
  if (before.state !== after.state) {
    const lane = tx.lane(after.lane);
    tx.putLane(counted(counted(lane, before.state, -1), after.state, 1));
  }
}

export function insert(tx: QueueTransaction, row: TaskRow, task: NewTask): void {
  tx.insertTask(row, task);
  tx.putLane(counted(tx.lane(row.lane), row.state, 1));
}

export function remove(tx: QueueTransaction, row: TaskRow): void {
  tx.deleteTask(row);
  tx.putLane(counted(tx.lane(row.lane), row.state, -1));
}

export function counted(lane: LaneRow, state: TaskState, by: number): LaneRow {
  return { ...lane, counts: { ...lane.counts, [state]: lane.counts[state] + by } };
}

export function record(
  tx: QueueTransaction,
  context: CommandContext,
  kind: QueueEventKind,
  row: TaskRow | null,
  data: JsonObject = {},
): void {
  const said = row === null || row.key === "" || !OF_KEYS.has(kind) ? data : { ...data, key: row.key };
  tx.appendEvent({ atMs: context.nowMs, kind, taskId: row === null ? null : row.id, data: said });
}

/** Whoever watches keys learns from these events what each one is up to, and need not look for the task. */
const OF_KEYS: ReadonlySet<QueueEventKind> = new Set([
  "task.submitted",
  "task.retry",
  "task.done",
  "task.dead",
  "task.cancelled",
]);

export function keyOf(tx: QueueTransaction, context: CommandContext, key: string): KeyRow {
  return tx.key(key) ?? freshKey(key, context.nowMs);
}

/**
 * A row as it is when nothing holds it any more: ready, with a tag in its lane, admitted if its key lets it through.
 * A task that was ready before keeps its tag, so that a retry does not queue behind the whole backlog of its key.
 */
export function placed(tx: QueueTransaction, context: CommandContext, row: TaskRow): TaskRow {
  const before = keyOf(tx, context, row.key);
  const tagged = row.tag > 0 ? { tag: row.tag, key: before } : nextTag(before, tx.lane(row.lane));
  const decision = admitOne(tagged.key, context.nowMs);
  tx.putKey(decision.key);
  return ready(row, tagged.tag, decision.admitted, context.nowMs);
}

/** Lets tasks through that their key held back, as far as its limits allow now. */
export function admitNext(tx: QueueTransaction, context: CommandContext, key: string): void {
  let row = keyOf(tx, context, key);
  if (!isLimited(row.policy)) return;
  for (let count = 0; count < ADMIT_BATCH; count += 1) {
    const next = tx.heldBack(key, 1)[0];
    if (next === undefined) {
      if (row.wakeAtMs !== null) tx.putKey({ ...row, wakeAtMs: null });
      return;
    }
    const decision = admitOne(row, context.nowMs);
    row = decision.key;
    tx.putKey(row);
    if (!decision.admitted) return;
    move(tx, next, admitted(next, true));
  }
  tx.putKey({ ...row, wakeAtMs: context.nowMs }); // more may fit: the next tick goes on
}

/** A claimed, finished or otherwise removed task gives its place in its key back. */
export function keyLeft(tx: QueueTransaction, context: CommandContext, row: TaskRow): void {
  const key = keyOf(tx, context, row.key);
  if (row.state === "running") tx.putKey({ ...key, running: Math.max(0, key.running - 1) });
  else if (row.admitted) tx.putKey({ ...key, admitted: Math.max(0, key.admitted - 1) });
  else return;
  admitNext(tx, context, row.key);
}
