/** What time brings about: waiting tasks, rate limits and schedules that fall due. */
import { canonicalJson, ok, type Result, type ScheduleId, type TaskId } from "#base";
import { admitOne, isLimited } from "../fairness.ts";
import { admitNext, type CommandContext, move, placed, record } from "../ledger.ts";
import type { QueueTransaction } from "../ports.ts";
import type { ScheduleRequest } from "../queue.ts";
import { nextDueMs, type ScheduleRow } from "../schedule.ts";
import type { KeyRow, NewTask } from "../task.ts";
import { admitted, hasEnded } from "../transition.ts";
import { type OpenLimits, submit } from "./submit.ts";

/** Rows one tick handles of each sort; what is left makes the next tick come at once. */
export const TICK_BATCH = 500;

/** Waiting retries that are brought back after a clock jump: those farthest away, more than any node has in practice. */
const MAX_CLAMPED = 10_000;

/** How far back the wall clock may step without a schedule running again. */
const SCHEDULE_REPEAT_MS = 3 * 3_600_000;

export type TickReceipt = {
  readonly woken: number;
  /** When the next tick has something to do (wall clock); null when nothing waits for an instant. */
  readonly nextWakeMs: number | null;
};

export type TickRequest = {
  /** Ids for the tasks of schedules that are due, used up in order; at most that many fire. */
  readonly scheduleIds: readonly TaskId[];
  readonly limits: OpenLimits;
  /** The wall clock jumped, or this is the first tick of a process and nobody knows. */
  readonly clockJumped: boolean;
};

export function tick(tx: QueueTransaction, context: CommandContext, request: TickRequest): Result<TickReceipt> {
  let woken = fireSchedules(tx, context, request);
  for (const row of tx.due(context.nowMs, TICK_BATCH)) {
    const after = placed(tx, context, row);
    move(tx, row, after);
    record(tx, context, "task.ready", after, { because: row.wakeReason ?? "due" });
    woken += 1;
  }
  // After a jump every key that waits for a token is asked anew: its instant may lie as far ahead as the jump.
  const keys = request.clockJumped
    ? tx.keysDue(Number.MAX_SAFE_INTEGER, MAX_CLAMPED)
    : tx.keysDue(context.nowMs, TICK_BATCH);
  for (const key of keys) {
    if (isLimited(key.policy)) admitNext(tx, context, key.key);
    else admitAll(tx, context, key);
  }
  if (request.clockJumped) {
    clampRetries(tx, context);
    clampSchedules(tx, context);
  }
  return ok({ woken, nextWakeMs: tx.nextWakeMs() });
}

/** A key whose last limit was taken away lets everything through, a batch at a time. */
function admitAll(tx: QueueTransaction, context: CommandContext, key: KeyRow): void {
  const held = tx.heldBack(key.key, TICK_BATCH);
  let row = key;
  for (const task of held) {
    row = admitOne(row, context.nowMs).key;
    move(tx, task, admitted(task, true));
  }
  tx.putKey({ ...row, wakeAtMs: held.length < TICK_BATCH ? null : context.nowMs });
}

/**
 * A wall clock that was set back would leave retries waiting for as long as it jumped. No retry waits longer than
 * its own longest backoff from now on.
 */
function clampRetries(tx: QueueTransaction, context: CommandContext): void {
  for (const row of tx.retriesAfter(context.nowMs, MAX_CLAMPED)) {
    if (row.wakeAtMs !== null && row.wakeAtMs > context.nowMs + row.retryMaxMs) {
      move(tx, row, { ...row, wakeAtMs: context.nowMs + row.retryMaxMs });
    }
  }
}

/**
 * A wall clock that ran ahead and was set right would silence schedules until it is that late again. As in Debian's
 * cron, a step back of up to three hours repeats nothing; after a greater one the new time counts.
 */
function clampSchedules(tx: QueueTransaction, context: CommandContext): void {
  const trustedMs = context.nowMs + SCHEDULE_REPEAT_MS;
  for (const schedule of tx.schedulesDue(Number.MAX_SAFE_INTEGER, MAX_CLAMPED)) {
    if (schedule.nextAtMs <= trustedMs) continue;
    const next = nextDueMs(schedule.cron, schedule.timezone, trustedMs);
    if (next.ok && next.value < schedule.nextAtMs) tx.putSchedule({ ...schedule, nextAtMs: next.value });
  }
}

/** Submits the task of each schedule that is due. */
function fireSchedules(tx: QueueTransaction, context: CommandContext, request: TickRequest): number {
  const { scheduleIds: ids, limits } = request;
  let fired = 0;
  for (const [index, schedule] of tx.schedulesDue(context.nowMs, ids.length).entries()) {
    const id = ids[index];
    if (id === undefined) break;
    const next = nextDueMs(schedule.cron, schedule.timezone, context.nowMs);
    // An expression was checked when it was added; one that is never due again stops here, in plain sight.
    const base: ScheduleRow = next.ok ? { ...schedule, nextAtMs: next.value } : { ...schedule, paused: true };
    const skip = skipReason(tx, schedule) ?? submitFrom(tx, context, schedule, id, limits);
    if (skip !== undefined) {
      tx.putSchedule(base);
      record(tx, context, "schedule.skipped", null, { schedule: schedule.id, why: skip });
      continue;
    }
    tx.putSchedule({ ...base, lastAtMs: context.nowMs, lastTaskId: id });
    record(tx, context, "schedule.fired", null, { schedule: schedule.id, taskId: id });
    fired += 1;
  }
  return fired;
}

function skipReason(tx: QueueTransaction, schedule: ScheduleRow): string | undefined {
  if (schedule.overlap === "allow" || schedule.lastTaskId === null) return undefined;
  // `as`: written by this module from a TaskId.
  const last = tx.task(schedule.lastTaskId as TaskId);
  return last === undefined || hasEnded(last) ? undefined : `task ${last.id} of the last run has not ended`;
}

/** @returns why it was not submitted, or undefined when it was. */
function submitFrom(
  tx: QueueTransaction,
  context: CommandContext,
  schedule: ScheduleRow,
  id: TaskId,
  limits: OpenLimits,
): string | undefined {
  // `as`: written by the service from a NewTask without its id.
  const template = JSON.parse(schedule.template) as Omit<NewTask, "id">;
  const submitted = submit(tx, context, [{ ...template, id, idempotencyKey: null, runAtMs: null }], limits);
  return submitted.ok ? undefined : submitted.error.message;
}

/** @returns the schedule that is asked for, due for the first time after `nowMs`; refused when it never is. */
export function scheduleFrom(request: ScheduleRequest, id: ScheduleId, nowMs: number): Result<ScheduleRow> {
  const { name, cron, timezone, overlap, task } = request;
  const next = nextDueMs(cron, timezone, nowMs);
  if (!next.ok) return next;
  return ok({
    id,
    name,
    cron,
    timezone,
    overlap,
    paused: false,
    nextAtMs: next.value,
    lastAtMs: null,
    lastTaskId: null,
    template: scheduleTemplate(task),
    createdAtMs: nowMs,
  });
}

/** A submission without its id, as it is stored with a schedule. */
function scheduleTemplate(task: NewTask): string {
  const { id: _id, ...template } = task;
  return canonicalJson(template);
}
