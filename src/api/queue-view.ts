/** Queue, lanes, keys, schedules and events as the API returns them. */

import { z } from "zod";
import { type JsonObject, redactValue } from "#base";
import { type KeyPolicy, type KeyRow, LANES, type LaneRow, type QueueEvent, type ScheduleRow } from "#queue";
import { storedFields } from "./submission.ts";
import { laneSchema } from "./submission-schema.ts";

const countsSchema = z.object({
  waiting: z.int(),
  ready: z.int(),
  running: z.int(),
  done: z.int(),
  dead: z.int(),
  cancelled: z.int(),
});

/** Rates and counts a policy may name; far past what one queue does. */
const MAX_CONCURRENT = 1_000_000;
const MAX_RATE = 1_000_000;
const MAX_WEIGHT = 1_000;

/** What may be set on a key; fields left out get their default, which is no limit. */
export const keyPolicySchema = z.strictObject({
  maxConcurrent: z.int().min(0).max(MAX_CONCURRENT).nullable().default(null),
  ratePerSecond: z.number().positive().max(MAX_RATE).nullable().default(null),
  burst: z.int().min(1).max(MAX_RATE).default(1),
  weight: z.number().min(0.001).max(MAX_WEIGHT).default(1),
  paused: z.boolean().default(false),
});

export const keyViewSchema = z.object({
  key: z.string(),
  running: z.int(),
  /** Let through by the key and not started yet. */
  admitted: z.int(),
  policy: z.object({
    maxConcurrent: z.int().nullable(),
    ratePerSecond: z.number().nullable(),
    burst: z.number(),
    weight: z.number(),
    paused: z.boolean(),
  }),
});
export type KeyView = z.output<typeof keyViewSchema>;

export const queueSchema = z.object({
  paused: z.boolean(),
  lanes: z.array(
    z.object({
      lane: laneSchema,
      counts: countsSchema,
      /** How long the task that would be served next has been ready; null when none is. */
      headReadyAgeMs: z.int().nullable(),
    }),
  ),
  totals: countsSchema,
  /** Age of the ready task that has waited longest among the next of each lane; null when none is ready. */
  oldestReadyAgeMs: z.int().nullable(),
  keys: z.array(keyViewSchema),
  nowMs: z.int(),
});
export type QueueView = z.output<typeof queueSchema>;
export type StateCounts = z.output<typeof countsSchema>;

export function keyView(row: KeyRow): KeyView {
  const policy: KeyPolicy = row.policy;
  return { key: row.key, running: row.running, admitted: row.admitted, policy: { ...policy } };
}

/** @param headReadyAtMs by lane number, when the task that is served next became ready */
export function queueView(
  lanes: readonly LaneRow[],
  headReadyAtMs: readonly (number | null)[],
  keys: readonly KeyRow[],
  paused: boolean,
  nowMs: number,
): QueueView {
  const ages = LANES.map((_lane, index) => {
    const since = headReadyAtMs[index] ?? null;
    return since === null ? null : Math.max(0, nowMs - since);
  });
  const known = ages.filter((age) => age !== null);
  return {
    paused,
    lanes: LANES.map((lane, index) => ({
      lane,
      counts: countsOf(lanes.filter((row) => row.lane === index)),
      headReadyAgeMs: ages[index] ?? null,
    })),
    totals: countsOf(lanes),
    oldestReadyAgeMs: known.length === 0 ? null : Math.max(...known),
    keys: keys.map(keyView),
    nowMs,
  };
}

export function countsOf(lanes: readonly LaneRow[]): StateCounts {
  const total = { waiting: 0, ready: 0, running: 0, done: 0, dead: 0, cancelled: 0 };
  for (const { counts } of lanes) {
    total.waiting += counts.waiting;
    total.ready += counts.ready;
    total.running += counts.running;
    total.done += counts.done;
    total.dead += counts.dead;
    total.cancelled += counts.cancelled;
  }
  return total;
}

export const scheduleViewSchema = z.object({
  id: z.string(),
  name: z.string(),
  cron: z.string(),
  timezone: z.string(),
  overlap: z.enum(["skip", "allow"]),
  paused: z.boolean(),
  nextAtMs: z.int(),
  lastAtMs: z.int().nullable(),
  lastTaskId: z.string().nullable(),
  createdAtMs: z.int(),
  /** The submission that is repeated. */
  task: z.record(z.string(), z.unknown()),
});
export type ScheduleView = z.output<typeof scheduleViewSchema>;

export function scheduleView(row: ScheduleRow): ScheduleView {
  const { template, ...shown } = row;
  const body = storedFields(template)["body"];
  const { env: _env, ...task } = typeof body === "string" ? storedFields(body) : {};
  return { ...shown, task };
}

export const eventSchema = z.object({
  seq: z.int(),
  atMs: z.int(),
  kind: z.string(),
  taskId: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
});
export type EventView = z.output<typeof eventSchema>;

export function eventView(event: QueueEvent): EventView {
  // `as`: a redacted copy of an object is one.
  return { ...event, data: redactValue(event.data) as JsonObject };
}
