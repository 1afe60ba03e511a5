/** Submitting, reading and steering tasks. */
import { type Failure, MAX_PAGE_ROWS, type Result, refused, type TaskId } from "#base";
import { LANES, TASK_STATES, type TaskFilter, type TaskRecord } from "#queue";
import { type Context, Hono } from "hono";
import { z } from "zod";
import type { ApiEnv } from "../environment.ts";
import { exampleEvent, exampleExplanation, exampleSubmission, exampleTask, exampleWaitingTask } from "../examples.ts";
import { explainTask, explanationSchema, loadExplainFacts } from "../explain.ts";
import { integerField, listField, taskIdFrom } from "../parameters.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem, type ProblemResponse } from "../problem.ts";
import { eventSchema, eventView } from "../queue-view.ts";
import { body, type JsonBody, json, route, text } from "../route.ts";
import { type Batch, newTasks, parseSubmissions } from "../submission.ts";
import { keySchema, type SubmissionInput, submissionSchema } from "../submission-schema.ts";
import { type TaskView, taskSchema, taskView } from "../task-view.ts";

/** Rows on a page when none is asked for. */
const DEFAULT_PAGE_ROWS = 50;
/** Most of a log that one answer carries; the rest is asked for from `X-Next-Offset` on. */
export const MAX_LOG_CHUNK_BYTES = 1024 * 1024;
const MAX_REASON_CHARS = 500;

const receiptsSchema = z.object({
  tasks: z.array(z.object({ id: z.string(), ref: z.string().nullable(), created: z.boolean() })),
});
const taskPageSchema = z.object({ items: z.array(taskSchema), nextCursor: z.string().nullable() });

const submissionBody: JsonBody<SubmissionInput | SubmissionInput[], Batch> = {
  schema: z.union([submissionSchema, z.array(submissionSchema)]),
  example: exampleSubmission,
  optional: false,
  parse: parseSubmissions,
};

const listQuery = z.strictObject({
  state: listField(TASK_STATES),
  lane: z.enum(LANES).optional(),
  key: keySchema.optional(),
  label: z
    .string()
    .regex(/^[^=:]+[=:].*$/, 'must be name=value, such as "team=core"')
    .optional(),
  cursor: z.string().max(200).optional(),
  limit: integerField(1, MAX_PAGE_ROWS),
});

const cancelBody = body(
  z.strictObject({ reason: z.string().min(1).max(MAX_REASON_CHARS).optional() }),
  { reason: "superseded" },
  true,
);

const eventsQuery = z.strictObject({ after: integerField(0, Number.MAX_SAFE_INTEGER), limit: integerField(1, MAX_PAGE_ROWS) });
const logQuery = z.strictObject({
  attempt: integerField(1, 1_000_000),
  offset: integerField(0, Number.MAX_SAFE_INTEGER),
});

export function taskRoutes(ports: ApiPorts) {
  const { queue, clock } = ports;
  return new Hono<ApiEnv>()
    .post(
      "/api/tasks",
      route({
        tag: "tasks",
        summary: "Submit one task, or an array of them in one transaction",
        description:
          "All tasks of an array are accepted or none. With an idempotency key a repetition returns the tasks that are there (200); the same key with another body is refused (409).",
        headers: { "Idempotency-Key": "Names this request, so that it can be repeated safely" },
        json: submissionBody,
        responses: {
          201: json("The task, or for an array the ids in order", z.union([taskSchema, receiptsSchema]), exampleWaitingTask),
          200: json("The same, when all of them were there already", z.union([taskSchema, receiptsSchema]), {
            tasks: [{ id: exampleTask.id, ref: "tests", created: false }],
          }),
        },
      }),
      async (c) => {
        const batch = c.req.valid("json");
        const header = headerKey(c);
        if (!header.ok) return answerProblem(c, header.error);
        const tasks = newTasks(batch, {
          ids: ports.ids,
          executors: ports.executors,
          batchKey: header.value,
          defaults: ports.submissionDefaults,
        });
        if (!tasks.ok) return answerProblem(c, tasks.error);
        const receipts = await queue.submit(tasks.value);
        if (!receipts.ok) return answerProblem(c, receipts.error);
        const status = receipts.value.some((receipt) => receipt.created) ? 201 : 200;
        if (batch.isArray) {
          const shown = receipts.value.map(({ id, created }, index) => ({ id, ref: batch.tasks[index]?.ref ?? null, created }));
          return c.json({ tasks: shown }, status);
        }
        const [receipt] = receipts.value;
        const record = await findTask(ports, receipt?.id ?? "");
        if (!record.ok) return answerProblem(c, record.error);
        c.header("location", `/api/tasks/${record.value.row.id}`);
        return c.json(taskView(record.value), status);
      },
    )
    .get(
      "/api/tasks",
      route({
        tag: "tasks",
        summary: "Tasks, the newest first, page by page",
        query: listQuery,
        responses: { 200: json("One page", taskPageSchema, { items: [exampleTask], nextCursor: null }) },
      }),
      async (c) => {
        const query = c.req.valid("query");
        const page = await queue.store.list(filterOf(query), query.limit ?? DEFAULT_PAGE_ROWS, query.cursor);
        if (!page.ok) return answerProblem(c, page.error);
        return c.json({ items: page.value.items.map(taskView), nextCursor: page.value.nextCursor }, 200);
      },
    )
    .get(
      "/api/tasks/:id",
      route({ tag: "tasks", summary: "One task", responses: { 200: json("The task", taskSchema, exampleTask) } }),
      async (c) => answerTask(c, await findTask(ports, c.req.param("id"))),
    )
    .post(
      "/api/tasks/:id/cancel",
      route({
        tag: "tasks",
        summary: "Cancel a task that has not ended",
        description: "A running task is asked to stop and ends a little later; repeating the call changes nothing.",
        json: cancelBody,
        responses: { 200: json("The task as it is now", taskSchema, exampleTask) },
      }),
      async (c) => {
        const id = taskIdFrom(c.req.param("id"));
        if (!id.ok) return answerProblem(c, id.error);
        const receipt = await queue.cancel(id.value, c.req.valid("json").reason ?? "cancelled by request");
        if (!receipt.ok) return answerProblem(c, receipt.error);
        return answerTask(c, await findTask(ports, id.value));
      },
    )
    .post(
      "/api/tasks/:id/retry",
      route({
        tag: "tasks",
        summary: "Run a task again that is dead, was cancelled or waits for its next attempt",
        responses: { 200: json("The task as it is now", taskSchema, exampleWaitingTask) },
      }),
      async (c) => {
        const id = taskIdFrom(c.req.param("id"));
        if (!id.ok) return answerProblem(c, id.error);
        const row = await queue.retry(id.value);
        if (!row.ok) return answerProblem(c, row.error);
        return answerTask(c, await findTask(ports, id.value));
      },
    )
    .get(
      "/api/tasks/:id/events",
      route({
        tag: "tasks",
        summary: "The history of one task",
        query: eventsQuery,
        responses: {
          200: json("Events in order", z.object({ events: z.array(eventSchema), nextAfter: z.int() }), {
            events: [exampleEvent],
            nextAfter: exampleEvent.seq,
          }),
        },
      }),
      async (c) => {
        const id = taskIdFrom(c.req.param("id"));
        if (!id.ok) return answerProblem(c, id.error);
        const { after = 0, limit = MAX_PAGE_ROWS } = c.req.valid("query");
        const events = await queue.store.events(after, limit, id.value);
        if (!events.ok) return answerProblem(c, events.error);
        if (events.value.length === 0) {
          // No event may mean no such task; its events may also have been pruned.
          const record = await findTask(ports, id.value);
          if (!record.ok) return answerProblem(c, record.error);
        }
        return c.json({ events: events.value.map(eventView), nextAfter: events.value.at(-1)?.seq ?? after }, 200);
      },
    )
    .get(
      "/api/tasks/:id/explain",
      route({
        tag: "tasks",
        summary: "Why a task is where it is, and what would change that",
        responses: { 200: json("The reasons that hold now", explanationSchema, exampleExplanation) },
      }),
      async (c) => {
        const id = taskIdFrom(c.req.param("id"));
        if (!id.ok) return answerProblem(c, id.error);
        const facts = await loadExplainFacts(queue.store, id.value, clock.nowMs(), ports.offers());
        return facts.ok ? c.json(explainTask(facts.value), 200) : answerProblem(c, facts.error);
      },
    )
    .get(
      "/api/tasks/:id/log",
      route({
        tag: "tasks",
        summary: "Output of an attempt, from an offset in bytes on",
        description:
          "Without `attempt` the running or latest one. `X-Next-Offset` says where to go on, `X-Log-Size` how much there is; a cut may fall inside a character.",
        query: logQuery,
        responses: { 200: text("Part of the log, at most 1 MiB", "text/plain; charset=utf-8", "41 of 41 tests passed\n") },
      }),
      (c) => answerLog(c, ports, c.req.param("id"), c.req.valid("query")),
    );
}

/** @returns the task, or why there is none. */
export async function findTask(ports: ApiPorts, given: string): Promise<Result<TaskRecord>> {
  const id = taskIdFrom(given);
  if (!id.ok) return id;
  const found = await ports.queue.store.find(id.value);
  if (!found.ok) return found;
  if (found.value !== undefined) return { ok: true, value: found.value };
  return { ok: false, error: noTask(id.value) };
}

function noTask(id: TaskId): Failure {
  return refused("not_found", `there is no task ${id}`, "List tasks with: drover task list");
}

function answerTask(c: Context<ApiEnv>, record: Result<TaskRecord>) {
  if (!record.ok) return answerProblem(c, record.error);
  const view: TaskView = taskView(record.value);
  return c.json(view, 200);
}

function headerKey(c: Context<ApiEnv>): Result<string | undefined> {
  const given = c.req.header("idempotency-key");
  if (given === undefined) return { ok: true, value: undefined };
  const parsed = keySchema.safeParse(given);
  if (parsed.success) return { ok: true, value: parsed.data };
  const reason = parsed.error.issues[0]?.message ?? "it was refused";
  return { ok: false, error: refused("invalid", `the Idempotency-Key header is not valid: ${reason}`) };
}

function filterOf(query: z.output<typeof listQuery>): TaskFilter {
  const split = query.label?.search(/[=:]/) ?? -1;
  return {
    ...(query.state === undefined ? {} : { states: query.state }),
    ...(query.lane === undefined ? {} : { lane: LANES.indexOf(query.lane) }),
    ...(query.key === undefined ? {} : { key: query.key }),
    ...(query.label === undefined
      ? {}
      : { label: { name: query.label.slice(0, split), value: query.label.slice(split + 1) } }),
  };
}

async function answerLog(
  c: Context<ApiEnv>,
  ports: ApiPorts,
  given: string,
  query: z.output<typeof logQuery>,
): Promise<Response | ProblemResponse> {
  const record = await findTask(ports, given);
  if (!record.ok) return answerProblem(c, record.error);
  const { row } = record.value;
  const attempt = query.attempt ?? (row.state === "running" ? row.attempts + 1 : Math.max(1, row.attempts));
  const offset = query.offset ?? 0;
  const chunk = await ports.readLog(row.id, attempt, offset, MAX_LOG_CHUNK_BYTES);
  if (!chunk.ok) return answerProblem(c, chunk.error);
  if (chunk.value === undefined) {
    return answerProblem(c, refused("not_found", `there is no log of attempt ${attempt} of task ${row.id}`));
  }
  const { bytes, sizeBytes } = chunk.value;
  return c.body(new Uint8Array(bytes), 200, {
    "content-type": "text/plain; charset=utf-8",
    "x-attempt": String(attempt),
    "x-next-offset": String(offset + bytes.byteLength),
    "x-log-size": String(sizeBytes),
  });
}
