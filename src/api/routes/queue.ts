/** The queue as a whole, its keys and its schedules. */

import { Hono } from "hono";
import { z } from "zod";
import { MAX_PAGE_ROWS, ok, type Result } from "#base";
import { LANES, type QueueStore } from "#queue";
import type { ApiEnv } from "../environment.ts";
import { exampleKey, exampleNode, exampleQueue, exampleSchedule, exampleSubmission } from "../examples.ts";
import { runningAttemptSchema } from "../node-view.ts";
import { scheduleIdFrom } from "../parameters.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import {
  keyPolicySchema,
  keyView,
  keyViewSchema,
  type QueueView,
  queueSchema,
  queueView,
  scheduleView,
  scheduleViewSchema,
} from "../queue-view.ts";
import { body, json, route } from "../route.ts";
import { tasksOfCaller } from "../submission.ts";
import { keySchema, submissionSchema } from "../submission-schema.ts";

/** Keys shown with the queue; all of them are under /api/keys. */
const KEYS_SHOWN = 100;
const MAX_SCHEDULE_NAME_CHARS = 200;
const MAX_CRON_CHARS = 200;

const pausedSchema = z.object({ paused: z.boolean(), changed: z.boolean() });
const drainSchema = z.object({ paused: z.boolean(), changed: z.boolean(), running: z.array(runningAttemptSchema) });

const scheduleSubmission = z.strictObject({
  name: z.string().min(1).max(MAX_SCHEDULE_NAME_CHARS),
  cron: z.string().min(1).max(MAX_CRON_CHARS),
  timezone: z.string().min(1).max(MAX_CRON_CHARS).default("UTC"),
  overlap: z.enum(["skip", "allow"]).default("skip"),
  task: submissionSchema.omit({ ref: true, runAt: true, idempotencyKey: true }),
});

export function queueRoutes(ports: ApiPorts) {
  const { queue } = ports;
  return new Hono<ApiEnv>()
    .get(
      "/api/queue",
      route({
        tag: "queue",
        summary: "What the queue holds, by lane and state",
        responses: { 200: json("Depths, ages and keys", queueSchema, exampleQueue) },
      }),
      async (c) => {
        const view = await readQueue(ports);
        return view.ok ? c.json(view.value, 200) : answerProblem(c, view.error);
      },
    )
    .post(
      "/api/queue/pause",
      route({
        tag: "queue",
        summary: "Start no more tasks; running ones go on",
        responses: { 200: json("Whether it was running before", pausedSchema, { paused: true, changed: true }) },
      }),
      async (c) => {
        const changed = await queue.setPaused(true);
        return changed.ok ? c.json({ paused: true, changed: changed.value }, 200) : answerProblem(c, changed.error);
      },
    )
    .post(
      "/api/queue/resume",
      route({
        tag: "queue",
        summary: "Start tasks again",
        responses: { 200: json("Whether it was paused before", pausedSchema, { paused: false, changed: true }) },
      }),
      async (c) => {
        const changed = await queue.setPaused(false);
        return changed.ok ? c.json({ paused: false, changed: changed.value }, 200) : answerProblem(c, changed.error);
      },
    )
    .post(
      "/api/queue/drain",
      route({
        tag: "queue",
        summary: "Pause, and say which attempts still run here",
        description: "It is drained when `running` comes back empty; ask again, or follow the events.",
        responses: {
          200: json("What still runs", drainSchema, { paused: true, changed: true, running: exampleNode.running }),
        },
      }),
      async (c) => {
        const changed = await queue.setPaused(true);
        if (!changed.ok) return answerProblem(c, changed.error);
        return c.json(
          { paused: true, changed: changed.value, running: ports.workers().map((one) => ({ ...one })) },
          200,
        );
      },
    );
}

export function keyRoutes(ports: ApiPorts) {
  const { queue } = ports;
  return new Hono<ApiEnv>()
    .get(
      "/api/keys",
      route({
        tag: "queue",
        summary: "Keys that have limits, or tasks that run or are next",
        responses: { 200: json("By name", z.object({ items: z.array(keyViewSchema) }), { items: [exampleKey] }) },
      }),
      async (c) => {
        const keys = await queue.store.keys(MAX_PAGE_ROWS);
        return keys.ok ? c.json({ items: keys.value.map(keyView) }, 200) : answerProblem(c, keys.error);
      },
    )
    .put(
      "/api/keys/:key",
      route({
        tag: "queue",
        summary: "Set the limits of a key",
        description: "The policy is replaced as a whole: what is left out has no limit.",
        json: body(keyPolicySchema, { maxConcurrent: 1 }),
        responses: { 200: json("The key as it is now", keyViewSchema, exampleKey) },
      }),
      async (c) => {
        const key = keySchema.safeParse(c.req.param("key"));
        if (!key.success) {
          const reason = key.error.issues[0]?.message ?? "it was refused";
          return answerProblem(c, { code: "invalid", message: `the key is not valid: ${reason}` });
        }
        const row = await queue.setKeyPolicy(key.data, c.req.valid("json"));
        return row.ok ? c.json(keyView(row.value), 200) : answerProblem(c, row.error);
      },
    );
}

export function scheduleRoutes(ports: ApiPorts) {
  const { queue, ids, executors } = ports;
  return new Hono<ApiEnv>()
    .get(
      "/api/schedules",
      route({
        tag: "schedules",
        summary: "Tasks that are submitted again and again",
        responses: {
          200: json("The oldest first", z.object({ items: z.array(scheduleViewSchema) }), { items: [exampleSchedule] }),
        },
      }),
      async (c) => {
        const rows = await queue.store.schedules(MAX_PAGE_ROWS);
        return rows.ok ? c.json({ items: rows.value.map(scheduleView) }, 200) : answerProblem(c, rows.error);
      },
    )
    .post(
      "/api/schedules",
      route({
        tag: "schedules",
        summary: "Submit a task at each time a cron expression names",
        description:
          "Missed times are not made up for. With overlap `skip` a run is left out while the last has not ended.",
        json: body(scheduleSubmission, {
          name: "nightly",
          cron: "0 3 * * *",
          timezone: "Europe/Berlin",
          task: exampleSubmission,
        }),
        responses: { 201: json("The schedule", scheduleViewSchema, exampleSchedule) },
      }),
      async (c) => {
        const { task, ...when } = c.req.valid("json");
        const tasks = tasksOfCaller(
          { isArray: false, tasks: [task] },
          { ids, executors, defaults: ports.submissionDefaults },
        );
        if (!tasks.ok) return answerProblem(c, tasks.error);
        const [prepared] = tasks.value;
        if (prepared === undefined) return answerProblem(c, { code: "internal", message: "the task was not prepared" });
        const row = await queue.addSchedule({ ...when, task: prepared });
        return row.ok ? c.json(scheduleView(row.value), 201) : answerProblem(c, row.error);
      },
    )
    .delete(
      "/api/schedules/:id",
      route({
        tag: "schedules",
        summary: "Remove a schedule; tasks it submitted stay",
        responses: {
          200: json("The id of what was removed", z.object({ id: z.string() }), { id: exampleSchedule.id }),
        },
      }),
      async (c) => {
        const id = scheduleIdFrom(c.req.param("id"));
        if (!id.ok) return answerProblem(c, id.error);
        const removed = await queue.removeSchedule(id.value);
        return removed.ok ? c.json({ id: String(removed.value) }, 200) : answerProblem(c, removed.error);
      },
    );
}

/** @returns the queue at one glance. */
export async function readQueue({ queue, clock }: Pick<ApiPorts, "queue" | "clock">): Promise<Result<QueueView>> {
  const [lanes, keys, paused, heads] = await Promise.all([
    queue.store.lanes(),
    queue.store.keys(KEYS_SHOWN),
    queue.store.isPaused(),
    headReadyAtMs(queue.store),
  ]);
  if (!lanes.ok) return lanes;
  if (!keys.ok) return keys;
  if (!paused.ok) return paused;
  if (!heads.ok) return heads;
  return ok(queueView(lanes.value, heads.value, keys.value, paused.value, clock.nowMs()));
}

function headReadyAtMs(store: QueueStore): Promise<Result<readonly (number | null)[]>> {
  return store.transact("look at the heads of the lanes", (tx) => {
    const classIds = [...tx.classes().keys()];
    return ok(LANES.map((_lane, lane) => tx.heads(lane, classIds, 1)[0]?.readyAtMs ?? null));
  });
}
