import type { JsonObject, NodeId, ScheduleId, TaskId } from "#base";
import {
  type AttemptOutcome,
  type AttemptRow,
  type KeyRow,
  LANES,
  type LaneRow,
  type OverlapPolicy,
  type QueueEvent,
  type QueueEventKind,
  type ScheduleRow,
} from "#queue";
import { number, numberOrNull, type SqlRow, type SqlValue, text, textOrNull } from "./connection.ts";

/** `as` in this file: ids were branded when they were written, and only this room writes these columns. */

export const ATTEMPT_COLUMNS = [
  "task_id",
  "n",
  "fence_epoch",
  "fence_n",
  "node",
  "executor",
  "endpoint",
  "model",
  "outcome",
  "started_at_ms",
  "ended_at_ms",
  "duration_ms",
  "wait_ms",
  "tokens",
  "cost_microdollars",
  "error",
  "report",
  "result",
] as const;

export function attemptValues(row: AttemptRow): SqlValue[] {
  return [
    row.taskId,
    row.n,
    row.fenceEpoch,
    row.fenceN,
    row.node,
    row.executor,
    row.endpoint,
    row.model,
    row.outcome,
    row.startedAtMs,
    row.endedAtMs,
    row.durationMs,
    row.waitMs,
    row.tokens,
    row.costMicrodollars,
    row.error,
    row.report === null ? null : JSON.stringify(row.report),
    row.result === null ? null : JSON.stringify(row.result),
  ];
}

export function toAttemptRow(row: SqlRow): AttemptRow {
  return {
    taskId: text(row, 0) as TaskId,
    n: number(row, 1),
    fenceEpoch: number(row, 2),
    fenceN: number(row, 3),
    node: text(row, 4) as NodeId,
    executor: text(row, 5),
    endpoint: textOrNull(row, 6),
    model: textOrNull(row, 7),
    outcome: text(row, 8) as AttemptOutcome,
    startedAtMs: number(row, 9),
    endedAtMs: number(row, 10),
    durationMs: number(row, 11),
    waitMs: number(row, 12),
    tokens: number(row, 13),
    costMicrodollars: number(row, 14),
    error: textOrNull(row, 15),
    report: json(textOrNull(row, 16)),
    result: json(textOrNull(row, 17)),
  };
}

export const KEY_COLUMNS = [
  "key",
  "max_concurrent",
  "rate_per_second",
  "burst",
  "weight",
  "paused",
  "running",
  "admitted",
  ...LANES.map((_, lane) => `tag_${lane}`),
  "rate_tokens",
  "rate_at_ms",
  "wake_at_ms",
  "listed",
];

export function keyValues(row: KeyRow): SqlValue[] {
  const { policy } = row;
  const hasPolicy =
    policy.maxConcurrent !== null || policy.ratePerSecond !== null || policy.weight !== 1 || policy.paused;
  return [
    row.key,
    policy.maxConcurrent,
    policy.ratePerSecond,
    policy.burst,
    policy.weight,
    policy.paused ? 1 : 0,
    row.running,
    row.admitted,
    ...LANES.map((_, lane) => row.tags[lane] ?? 0),
    row.rateTokens,
    row.rateAtMs,
    row.wakeAtMs,
    row.key !== "" && (hasPolicy || row.running > 0 || row.admitted > 0) ? 1 : 0,
  ];
}

export function toKeyRow(row: SqlRow): KeyRow {
  return {
    key: text(row, 0),
    policy: {
      maxConcurrent: numberOrNull(row, 1),
      ratePerSecond: numberOrNull(row, 2),
      burst: number(row, 3),
      weight: number(row, 4),
      paused: row[5] === 1,
    },
    running: number(row, 6),
    admitted: number(row, 7),
    tags: [number(row, 8), number(row, 9), number(row, 10), number(row, 11), number(row, 12)],
    rateTokens: number(row, 13),
    rateAtMs: number(row, 14),
    wakeAtMs: numberOrNull(row, 15),
  };
}

export const LANE_SELECT = "lane, virtual_time, waiting, ready, running, done, dead, cancelled";

export function toLaneRow(row: SqlRow): LaneRow {
  return {
    lane: number(row, 0),
    virtualTime: number(row, 1),
    counts: {
      waiting: number(row, 2),
      ready: number(row, 3),
      running: number(row, 4),
      done: number(row, 5),
      dead: number(row, 6),
      cancelled: number(row, 7),
    },
  };
}

export const EVENT_COLUMNS = ["seq", "at_ms", "kind", "task_id", "data"] as const;
export const EVENT_INSERT_COLUMNS = ["seq", "at_ms", "kind", "task_id", "previous_seq", "data"] as const;

export function toQueueEvent(row: SqlRow): QueueEvent {
  return {
    seq: number(row, 0),
    atMs: number(row, 1),
    kind: text(row, 2) as QueueEventKind,
    taskId: textOrNull(row, 3) as TaskId | null,
    data: json(text(row, 4)) ?? {},
  };
}

export const SCHEDULE_COLUMNS = [
  "id",
  "name",
  "cron",
  "timezone",
  "overlap",
  "paused",
  "next_at_ms",
  "last_at_ms",
  "last_task_id",
  "template",
  "created_at_ms",
] as const;

export function scheduleValues(row: ScheduleRow): SqlValue[] {
  return [
    row.id,
    row.name,
    row.cron,
    row.timezone,
    row.overlap,
    row.paused ? 1 : 0,
    row.nextAtMs,
    row.lastAtMs,
    row.lastTaskId,
    row.template,
    row.createdAtMs,
  ];
}

export function toScheduleRow(row: SqlRow): ScheduleRow {
  return {
    id: text(row, 0) as ScheduleId,
    name: text(row, 1),
    cron: text(row, 2),
    timezone: text(row, 3),
    overlap: text(row, 4) as OverlapPolicy,
    paused: row[5] === 1,
    nextAtMs: number(row, 6),
    lastAtMs: numberOrNull(row, 7),
    lastTaskId: textOrNull(row, 8),
    template: text(row, 9),
    createdAtMs: number(row, 10),
  };
}

/** @returns an upsert clause that replaces every column but the first. */
export function replaceOnConflict(columns: readonly string[]): string {
  const [key, ...rest] = columns;
  return `ON CONFLICT (${key}) DO UPDATE SET ${rest.map((column) => `${column} = excluded.${column}`).join(", ")}`;
}

function json(value: string | null): JsonObject | null {
  // `as`: written by JSON.stringify from a JsonObject.
  return value === null ? null : (JSON.parse(value) as JsonObject);
}
