/** What people and other programs are told, by which channels, and what became of it. */
import { Hono } from "hono";
import { z } from "zod";
import { type ChannelStanding, NOTICE_KINDS, SEVERITIES } from "#hooks";
import type { ApiEnv } from "../environment.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { json, route } from "../route.ts";

const MAX_PAGE = 500;
const DEFAULT_PAGE = 50;

const channelSchema = z.object({
  name: z.string(),
  kind: z.string(),
  /** Where to, without what is secret in it. */
  target: z.string(),
  kinds: z.array(z.string()),
  leastSeverity: z.enum(SEVERITIES),
  quiet: z.object({ fromMinute: z.int(), toMinute: z.int(), timezone: z.string() }).nullable(),
  perHour: z.int(),
  waiting: z.int(),
  /** Here and below of those that are kept. */
  sent: z.int(),
  failed: z.int(),
  left: z.int(),
  lastError: z.string().nullable(),
  lastSentAtMs: z.int().nullable(),
});

const noticeSchema = z.object({
  n: z.int(),
  channel: z.string(),
  kind: z.enum(NOTICE_KINDS),
  severity: z.enum(SEVERITIES),
  title: z.string(),
  message: z.string(),
  subject: z.string(),
  atMs: z.int(),
  key: z.string().nullable(),
  /** `left`: not sent, for the reason in `error`. */
  state: z.enum(["waiting", "sent", "failed", "left"]),
  tries: z.int(),
  nextAtMs: z.int(),
  error: z.string().nullable(),
  endedAtMs: z.int().nullable(),
  /** Id of the message it went with; several share one. */
  sentAs: z.string().nullable(),
});

const exampleChannel: z.input<typeof channelSchema> = {
  name: "phone",
  kind: "ntfy",
  target: "ntfy.example.org",
  kinds: ["*"],
  leastSeverity: "warning",
  quiet: { fromMinute: 1_320, toMinute: 420, timezone: "Europe/Berlin" },
  perHour: 20,
  waiting: 0,
  sent: 3,
  failed: 0,
  left: 0,
  lastError: null,
  lastSentAtMs: 1_795_844_453_123,
};

const exampleNotice: z.input<typeof noticeSchema> = {
  n: 4,
  channel: "phone",
  kind: "task.dead",
  severity: "warning",
  title: "Dead letter: Run the tests",
  message: "it used up its attempts",
  subject: "t_06d3w4q000e7v9w2m5x1y3z6ab",
  atMs: 1_795_844_453_000,
  key: "event:812",
  state: "sent",
  tries: 1,
  nextAtMs: 1_795_844_453_000,
  error: null,
  endedAtMs: 1_795_844_453_123,
  sentAs: "phone-4-4",
};

export function noticeRoutes({ notices }: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/notify",
      route({
        tag: "notices",
        summary: "The channels by which this node tells people and other programs",
        responses: {
          200: json("The channels", z.object({ channels: z.array(channelSchema) }), { channels: [exampleChannel] }),
        },
      }),
      (c) => {
        const found = notices.standing();
        if (!found.ok) return answerProblem(c, found.error);
        return c.json({ channels: found.value.map(channelView) }, 200);
      },
    )
    .get(
      "/api/notify/history",
      route({
        tag: "notices",
        summary: "Notices that wait, and what became of the others",
        query: z.object({
          channel: z.string().max(63).optional(),
          before: z.coerce.number().int().min(1).optional(),
          limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE),
        }),
        responses: {
          200: json("The newest first", z.object({ notices: z.array(noticeSchema), nextBefore: z.int().nullable() }), {
            notices: [exampleNotice],
            nextBefore: null,
          }),
        },
      }),
      (c) => {
        const { channel, before, limit } = c.req.valid("query");
        const found = notices.list({ channel, before, limit });
        if (!found.ok) return answerProblem(c, found.error);
        const nextBefore = found.value.length < limit ? null : (found.value.at(-1)?.n ?? null);
        return c.json({ notices: found.value.map((notice) => ({ ...notice })), nextBefore }, 200);
      },
    )
    .post(
      "/api/notify/:channel/test",
      route({
        tag: "notices",
        summary: "Send a test by a channel at once, whatever the hour and its limits",
        responses: {
          200: json("It was taken there", z.object({ channel: z.string(), target: z.string() }), {
            channel: "phone",
            target: "ntfy.example.org",
          }),
        },
      }),
      async (c) => {
        const channel = c.req.param("channel");
        const tested = await notices.test(channel);
        if (tested.ok) return c.json({ channel, target: tested.value.target }, 200);
        // What is not known here is the caller's fault; everything else is that of what stands behind.
        if (tested.error.code === "not_found") return answerProblem(c, tested.error);
        const { message, remedy } = tested.error;
        return answerProblem(c, { code: "bad_gateway", message, remedy: remedy ?? "See: drover notify list" });
      },
    );
}

function channelView({ policy, ...standing }: ChannelStanding): z.output<typeof channelSchema> {
  const { kinds, leastSeverity, quiet, perHour } = policy;
  return { ...standing, kinds: [...kinds], leastSeverity, quiet: quiet === null ? null : { ...quiet }, perHour };
}
