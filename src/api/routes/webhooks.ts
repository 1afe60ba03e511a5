/** Webhooks of forges and other programs, which sign instead of carrying the token; and what came of them. */
import { Hono } from "hono";
import { z } from "zod";
import { err, type Result, refused } from "#base";
import { type Delivery, SOURCE_KINDS, type SourceStanding } from "#hooks";
import type { ApiEnv } from "../environment.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { readBytes } from "../request-body.ts";
import { json, route } from "../route.ts";

const MAX_PAGE = 500;
const DEFAULT_PAGE = 50;
/** Forges wait ten seconds for all of it. */
const BODY_MS = 10_000;

const deliverySchema = z.object({
  n: z.int(),
  source: z.string(),
  deliveryId: z.string(),
  digest: z.string(),
  event: z.string(),
  action: z.string().nullable(),
  repository: z.string().nullable(),
  sender: z.string().nullable(),
  receivedAtMs: z.int(),
  bytes: z.int(),
  /** `wake`: the mind was woken; `goal`: it became one; `ignored`: nothing follows from it. */
  outcome: z.enum(["wake", "goal", "ignored"]),
  reason: z.string(),
  state: z.enum(["due", "done", "failed"]),
  tries: z.int(),
  error: z.string().nullable(),
  goalId: z.string().nullable(),
  /** How often it came again. */
  repeats: z.int(),
  lookedAtMs: z.int().nullable(),
  hasBody: z.boolean(),
});

const sourceSchema = z.object({
  name: z.string(),
  kind: z.enum(SOURCE_KINDS),
  path: z.string(),
  repositories: z.array(z.string()),
  goalLabel: z.string().nullable(),
  senders: z.array(z.string()),
  /** Since the node started; they leave no other trace. */
  refusals: z.int(),
  lastRefusal: z.object({ atMs: z.int(), reason: z.string() }).nullable(),
  fault: z.string().nullable(),
});

const receiptSchema = z.object({
  n: z.int(),
  outcome: deliverySchema.shape.outcome,
  reason: z.string(),
  /** It had been taken before; nothing follows from it a second time. */
  isRepeated: z.boolean(),
});

const exampleDelivery: z.input<typeof deliverySchema> = {
  n: 12,
  source: "forge",
  deliveryId: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
  digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  event: "push",
  action: null,
  repository: "octo/hello",
  sender: "octo",
  receivedAtMs: 1_795_844_453_123,
  bytes: 7_324,
  outcome: "wake",
  reason: "push in octo/hello",
  state: "done",
  tries: 1,
  error: null,
  goalId: null,
  repeats: 0,
  lookedAtMs: null,
  hasBody: true,
};

const exampleSource: z.input<typeof sourceSchema> = {
  name: "forge",
  kind: "github",
  path: "/api/webhooks/forge",
  repositories: ["octo/hello"],
  goalLabel: "drover",
  senders: [],
  refusals: 0,
  lastRefusal: null,
  fault: null,
};

const exampleReceipt = { n: 12, outcome: "wake" as const, reason: "push in octo/hello", isRepeated: false };

export function webhookRoutes({ webhooks }: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/webhooks",
      route({
        tag: "webhooks",
        summary: "Who may deliver webhooks to this node",
        responses: {
          200: json("The sources", z.object({ sources: z.array(sourceSchema) }), { sources: [exampleSource] }),
        },
      }),
      (c) => c.json({ sources: webhooks.standing().map(sourceView) }, 200),
    )
    .get(
      "/api/webhooks/deliveries",
      route({
        tag: "webhooks",
        summary: "Webhooks that were believed, and what came of them",
        query: z.object({
          source: z.string().max(63).optional(),
          before: z.coerce.number().int().min(1).optional(),
          limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE),
        }),
        responses: {
          200: json(
            "The newest first",
            z.object({ deliveries: z.array(deliverySchema), nextBefore: z.int().nullable() }),
            { deliveries: [exampleDelivery], nextBefore: null },
          ),
        },
      }),
      (c) => {
        const { source, before, limit } = c.req.valid("query");
        const found = webhooks.list({ source, before, limit });
        if (!found.ok) return answerProblem(c, found.error);
        const nextBefore = found.value.length < limit ? null : (found.value.at(-1)?.n ?? null);
        return c.json({ deliveries: found.value.map((delivery) => ({ ...delivery })), nextBefore }, 200);
      },
    );
}

export function webhookDeliveryRoutes({ webhooks }: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/webhooks/deliveries/:n",
      route({
        tag: "webhooks",
        summary: "One webhook with its body, as long as that is kept",
        responses: {
          200: json("The delivery", z.object({ delivery: deliverySchema, body: z.string().nullable() }), {
            delivery: exampleDelivery,
            body: '{"ref":"refs/heads/main"}',
          }),
        },
      }),
      (c) => {
        const n = numberOf(c.req.param("n"));
        const found = n.ok ? webhooks.find(n.value) : n;
        if (!found.ok) return answerProblem(c, found.error);
        if (found.value === undefined) return answerProblem(c, noDelivery(c.req.param("n")));
        return c.json({ delivery: { ...found.value.delivery }, body: found.value.body }, 200);
      },
    )
    .post(
      "/api/webhooks/deliveries/:n/redeliver",
      route({
        tag: "webhooks",
        summary: "Decide anew on a webhook whose body is kept, and let it have its effects again",
        responses: { 200: json("What came of it", deliverySchema, exampleDelivery) },
      }),
      async (c) => {
        const n = numberOf(c.req.param("n"));
        const again: Result<Delivery> = n.ok ? await webhooks.redeliver(n.value) : n;
        return again.ok ? c.json({ ...again.value }, 200) : answerProblem(c, again.error);
      },
    );
}

/** Where senders deliver, without the token. */
export function webhookIntakeRoutes(ports: ApiPorts) {
  const { webhooks } = ports;
  return new Hono<ApiEnv>().post(
    "/api/webhooks/:source",
    route({
      tag: "webhooks",
      summary: "Deliver a webhook",
      description:
        "Signed as the kind of its source does it; the token of the API is not asked for. A delivery that came before, by " +
        "its id or by its body, is answered in the same way with `isRepeated`, and nothing follows from it.",
      isPublic: true,
      responses: {
        200: json("It was taken before", receiptSchema, { ...exampleReceipt, isRepeated: true }),
        202: json("It is taken and durable", receiptSchema, exampleReceipt),
      },
    }),
    async (c) => {
      const hub = ports.fleet.standing().hub;
      if (hub !== null) {
        const message = `this node follows ${hub.name}, which takes the webhooks of its fleet`;
        return answerProblem(c, { code: "not_hub", message, remedy: `Deliver to ${hub.url}${c.req.path}` });
      }
      const body = await readBytes(c.req.raw, webhooks.maxBodyBytes, { clock: ports.clock, limitMs: BODY_MS });
      if (!body.ok) return answerProblem(c, body.error);
      const received = await webhooks.receive(c.req.param("source"), (name) => c.req.header(name), body.value);
      switch (received.kind) {
        case "unauthorized":
          return answerProblem(c, {
            code: "unauthorized",
            message: "there is no such source, or the webhook is not signed with its secret",
            remedy: "See the reason on the node: drover webhook list",
          });
        case "failed":
          return answerProblem(c, received.failure);
        case "taken": {
          const { n, outcome, reason } = received.delivery;
          return c.json({ n, outcome, reason, isRepeated: !received.isNew }, received.isNew ? 202 : 200);
        }
      }
    },
  );
}

function sourceView({ repositories, senders, lastRefusal, ...source }: SourceStanding) {
  return {
    ...source,
    path: `/api/webhooks/${source.name}`,
    repositories: [...repositories],
    senders: [...senders],
    lastRefusal: lastRefusal === null ? null : { ...lastRefusal },
  };
}

function numberOf(text: string): Result<number> {
  const n = Number(text);
  return /^\d{1,15}$/.test(text) ? { ok: true, value: n } : err(noDelivery(text));
}

function noDelivery(text: string) {
  return refused("not_found", `there is no delivery ${text.slice(0, 40)}`, "List them: drover webhook deliveries");
}
