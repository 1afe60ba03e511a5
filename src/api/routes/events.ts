/** What happens, in order: as a stream that can be resumed, or page by page. */

import { type Context, Hono } from "hono";
import { z } from "zod";
import { MAX_PAGE_ROWS, type Result, refused } from "#base";
import { type ApiEnv, bindingsOf } from "../environment.ts";
import type { EventStreams } from "../event-streams.ts";
import { exampleEvent } from "../examples.ts";
import { integerField } from "../parameters.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { eventSchema, eventView } from "../queue-view.ts";
import { json, route } from "../route.ts";

const eventPageSchema = z.object({
  events: z.array(eventSchema),
  /** Pass as `after` for the next page. */
  nextAfter: z.int(),
  /** What is kept; both 0 when nothing is. */
  firstSeq: z.int(),
  lastSeq: z.int(),
});

const eventsQuery = z.strictObject({
  after: integerField(0, Number.MAX_SAFE_INTEGER),
  tail: integerField(0, MAX_PAGE_ROWS),
  limit: integerField(1, MAX_PAGE_ROWS),
});
type EventsQuery = z.output<typeof eventsQuery>;
type Range = { readonly firstSeq: number; readonly lastSeq: number };

export const STREAM_MEDIA_TYPE = "text/event-stream";

/** @returns whether the client asked for a stream rather than a page. */
export function wantsStream(accept: string | undefined): boolean {
  return (accept ?? "").split(",").some((type) => type.split(";")[0]?.trim().toLowerCase() === STREAM_MEDIA_TYPE);
}

export function eventRoutes(ports: ApiPorts, streams: EventStreams) {
  const { store } = ports.queue;
  return new Hono<ApiEnv>().get(
    "/api/events",
    route({
      tag: "events",
      summary: "Every change, in order",
      description:
        "With `Accept: text/event-stream` a stream of server-sent events that goes on: `Last-Event-ID` or `after` says behind which number it begins, `tail` how many of the latest come first; without them it begins with what happens next. A `gap` event names a range that is no longer kept, an `end` event says where to resume. Otherwise one page of JSON, from the oldest kept event unless `after` or `tail` is given.",
      headers: { "Last-Event-ID": "Number of the last event that was seen" },
      query: eventsQuery,
      responses: {
        200: json("One page, or the stream", eventPageSchema, {
          events: [exampleEvent],
          nextAfter: exampleEvent.seq,
          firstSeq: 1,
          lastSeq: exampleEvent.seq,
        }),
      },
    }),
    async (c) => {
      const query = c.req.valid("query");
      if (wantsStream(c.req.header("accept"))) return answerStream(c, ports, streams, query);
      const range = await store.eventRange();
      if (!range.ok) return answerProblem(c, range.error);
      const after = query.after ?? (query.tail === undefined ? 0 : tailStart(range.value, query.tail));
      const events = await store.events(after, query.limit ?? MAX_PAGE_ROWS);
      if (!events.ok) return answerProblem(c, events.error);
      const nextAfter = events.value.at(-1)?.seq ?? Math.max(after, range.value.lastSeq);
      return c.json({ events: events.value.map(eventView), nextAfter, ...range.value }, 200);
    },
  );
}

async function answerStream(c: Context<ApiEnv>, ports: ApiPorts, streams: EventStreams, query: EventsQuery) {
  const after = await streamStart(c, ports, query);
  if (!after.ok) return answerProblem(c, after.error);
  const headers = { "content-type": STREAM_MEDIA_TYPE, "cache-control": "no-store", "x-accel-buffering": "no" };
  // An answer to HEAD has no body, and a stream that nobody reads would stay open.
  if (c.req.method === "HEAD") return c.body(null, 200, headers);
  // A stream that has ended and is not read to its end must not hold its connection for ever.
  const stream = streams.open(after.value, () => bindingsOf(c).exemptFromIdleTimeout?.(false));
  if (stream === undefined) {
    const message = "no more event streams are taken now";
    return answerProblem(
      c,
      { code: "unavailable", message, remedy: "Close some, or try again later" },
      { "retry-after": "5" },
    );
  }
  bindingsOf(c).exemptFromIdleTimeout?.(true);
  return c.body(stream, 200, headers);
}

async function streamStart(
  c: Context<ApiEnv>,
  ports: ApiPorts,
  query: EventsQuery,
): Promise<Result<number | undefined>> {
  const lastId = c.req.header("last-event-id");
  if (lastId !== undefined && lastId !== "") {
    if (/^\d{1,15}$/.test(lastId)) return { ok: true, value: Number(lastId) };
    return { ok: false, error: refused("invalid", "Last-Event-ID is not a number that this API gave", "Leave it out") };
  }
  if (query.after !== undefined) return { ok: true, value: query.after };
  if (query.tail === undefined) return { ok: true, value: undefined };
  const range = await ports.queue.store.eventRange();
  return range.ok ? { ok: true, value: tailStart(range.value, query.tail) } : range;
}

function tailStart({ firstSeq, lastSeq }: Range, tail: number): number {
  return Math.max(0, firstSeq - 1, lastSeq - tail);
}
