/** What the attempts of a task printed and did: part by part, or as it happens. */

import { type Context, Hono } from "hono";
import { z } from "zod";
import { refused } from "#base";
import { type ApiEnv, bindingsOf } from "../environment.ts";
import { LOG_FORMS, type LogPlace, placeFrom } from "../log-frames.ts";
import type { LogStreams } from "../log-streams.ts";
import { integerField } from "../parameters.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem, type ProblemResponse } from "../problem.ts";
import { route, text } from "../route.ts";
import { STREAM_MEDIA_TYPE } from "./events.ts";
import { findTask } from "./tasks.ts";

/** Most of a log that one answer carries; the rest is asked for from `X-Next-Offset` on. */
export const MAX_LOG_CHUNK_BYTES = 1024 * 1024;
const MAX_ATTEMPT = 1_000_000;
const MAX_PLACE_CHARS = 40;

const logQuery = z.strictObject({
  attempt: integerField(1, MAX_ATTEMPT),
  offset: integerField(0, Number.MAX_SAFE_INTEGER),
});

const streamQuery = z.strictObject({
  attempt: integerField(1, MAX_ATTEMPT),
  form: z.enum(LOG_FORMS).optional(),
  after: z.string().max(MAX_PLACE_CHARS).optional(),
});

const EXAMPLE_STEP = `id: 1.steps.214
event: step
data: {"attempt":1,"atMs":1700000000000,"kind":"called","tool":"read_file","call":"read_file README.md"}

`;

export function taskLogRoutes(ports: ApiPorts, streams: LogStreams) {
  return new Hono<ApiEnv>()
    .get(
      "/api/tasks/:id/log",
      route({
        tag: "tasks",
        summary: "Output of an attempt, from an offset in bytes on",
        description:
          "Without `attempt` the running or latest one. `X-Next-Offset` says where to go on, `X-Log-Size` how much there is; a cut may fall inside a character. What another node runs or ran comes from there, or from the hub.",
        query: logQuery,
        responses: {
          200: text("Part of the log, at most 1 MiB", "text/plain; charset=utf-8", "41 of 41 tests passed\n"),
        },
      }),
      (c) => answerLog(c, ports, c.req.param("id"), c.req.valid("query")),
    )
    .get(
      "/api/tasks/:id/log/stream",
      route({
        tag: "tasks",
        summary: "What the attempts of a task do, as it happens, until the task has ended",
        description:
          "Server-sent events. With `form=steps` a `step` for each request, call and result of a tool loop, none left out; attempts without steps, such as commands, come as `output`. With `form=output` (unless told) everything that is printed, as `output` with `text`, or with `base64` where it is no text. An `attempt` event says that the next attempt follows, a `gap` event that the rest of one lies on a node that does not answer, an `end` event why the stream ends: `ended` with the task, otherwise connect again. It begins with the running or latest attempt; `attempt` gives that one alone. `Last-Event-ID` or `after`, an id of this stream, says behind which event it begins, also of an earlier attempt: `1.steps.0` is the very beginning.",
        headers: { "Last-Event-ID": "Id of the last event that was seen" },
        query: streamQuery,
        responses: { 200: text("The stream", STREAM_MEDIA_TYPE, EXAMPLE_STEP) },
      }),
      (c) => answerStream(c, ports, streams, c.req.valid("query")),
    );
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

async function answerStream(
  c: Context<ApiEnv>,
  ports: ApiPorts,
  streams: LogStreams,
  query: z.output<typeof streamQuery>,
): Promise<Response | ProblemResponse> {
  const record = await findTask(ports, c.req.param("id") ?? "");
  if (!record.ok) return answerProblem(c, record.error);
  const given = c.req.header("last-event-id") ?? query.after ?? "";
  const after: LogPlace | undefined = given === "" ? undefined : placeFrom(given);
  if (given !== "" && after === undefined) {
    return answerProblem(c, refused("invalid", "Last-Event-ID is not an id of this stream", "Leave it out"));
  }
  const headers = { "content-type": STREAM_MEDIA_TYPE, "cache-control": "no-store", "x-accel-buffering": "no" };
  // An answer to HEAD has no body, and a stream that nobody reads would stay open.
  if (c.req.method === "HEAD") return c.body(null, 200, headers);
  const { clock, logger, queue } = ports;
  const stream = streams.open({
    store: queue.store,
    clock,
    logger,
    logs: ports,
    taskId: record.value.row.id,
    form: query.form ?? "output",
    after,
    only: query.attempt,
    // A stream that has ended and is not read to its end must not hold its connection for ever.
    onEnd: () => bindingsOf(c).exemptFromIdleTimeout?.(false),
  });
  if (stream === undefined) {
    const message = "no more streams of logs are taken now";
    const remedy = "Close some, or try again later";
    return answerProblem(c, { code: "unavailable", message, remedy }, { "retry-after": "5" });
  }
  bindingsOf(c).exemptFromIdleTimeout?.(true);
  return c.body(stream, 200, headers);
}
