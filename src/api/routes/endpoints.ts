/** Servers that run models, the models on them, and where a request would go. */

import { Hono } from "hono";
import { z } from "zod";
import { MAX_PAGE_ROWS, type Result } from "#base";
import type { EndpointState } from "#hw";
import { type ChatMessage, type ChatRequest, type RequestContext, USAGE_GROUPS } from "#inference";
import { announcedFrom } from "../announcement.ts";
import { endpointSchema, endpointView, fleetModelSchema, fleetModels, newEndpointSchema } from "../endpoint-view.ts";
import type { ApiEnv } from "../environment.ts";
import { exampleDecision, exampleElsewhere, exampleEndpoint, exampleModel } from "../examples-models.ts";
import { elsewhereSchema, endpointsElsewhere } from "../fleet-endpoints.ts";
import { integerField, spanField } from "../parameters.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";
import { decisionView, explainRouteSchema, routeExplanationSchema, usageSchema } from "../route-view.ts";

const DAY_MS = 86_400_000;
const MAX_WINDOW_MS = 366 * DAY_MS;
/** Days of a year and hours of a week fit onto a page; other groups are cut after the largest. */
const DEFAULT_SUMS = 100;
const CHARS_PER_TOKEN = 4;
/** A prompt of any size is made of pieces that are one and the same text: 40 MB at once would hold up other requests. */
const PIECE_TOKENS = 50_000;

const endpointsSchema = z.object({ endpoints: z.array(endpointSchema), elsewhere: z.array(elsewhereSchema) });

export function endpointRoutes(ports: ApiPorts) {
  const { models } = ports;
  return new Hono<ApiEnv>()
    .get(
      "/api/endpoints",
      route({
        tag: "models",
        summary: "Every endpoint with its health, its models and what is loaded",
        description:
          "`endpoints` are those that this node asks. `elsewhere` are those of the other nodes of its fleet, as these " +
          "told them last: requests of this node do not go there, but tasks go to their nodes.",
        responses: {
          200: json("The endpoints", endpointsSchema, {
            endpoints: [exampleEndpoint],
            elsewhere: [exampleElsewhere],
          }),
        },
      }),
      (c) =>
        c.json({ endpoints: models.endpoints().map(endpointView), elsewhere: [...endpointsElsewhere(ports)] }, 200),
    )
    .post(
      "/api/endpoints",
      route({
        tag: "models",
        summary: "Add an endpoint, or announce one",
        description:
          "It is kept in the database and looked at once; one that does not answer is added all the same. With " +
          "`announcedBy` it is an announcement of another node or of a program beside the server: it counts for " +
          "`leaseMs` (a minute, when it is left out) and is to be sent again before that, with what the host has now. It changes nothing that a " +
          "person said of the same server.",
        json: body(newEndpointSchema, { url: "http://192.168.1.20:11434", kind: "ollama", parallel: 2 }),
        responses: { 201: json("As it was found", endpointSchema, exampleEndpoint) },
      }),
      async (c) => {
        const added = await addOrAnnounce(models, c.req.valid("json"));
        return added.ok ? c.json(endpointView(added.value), 201) : answerProblem(c, added.error);
      },
    )
    .delete(
      "/api/endpoints/:id",
      route({
        tag: "models",
        summary: "Remove an endpoint that was added",
        responses: { 200: json("It is gone", z.object({ removed: z.boolean() }), { removed: true }) },
      }),
      async (c) => {
        const removed = await models.removeEndpoint(c.req.param("id"));
        return removed.ok ? c.json({ removed: true }, 200) : answerProblem(c, removed.error);
      },
    )
    .post(
      "/api/endpoints/:id/probe",
      route({
        tag: "models",
        summary: "Look at an endpoint now",
        responses: { 200: json("As it was found", endpointSchema, exampleEndpoint) },
      }),
      async (c) => {
        const probed = await models.probeEndpoint(c.req.param("id"));
        return probed.ok ? c.json(endpointView(probed.value), 200) : answerProblem(c, probed.error);
      },
    );
}

export function modelRoutes({ models }: ApiPorts) {
  return new Hono<ApiEnv>().get(
    "/api/models",
    route({
      tag: "models",
      summary: "Every model, where it is, and how often it passed verification",
      responses: {
        200: json("The models", z.object({ models: z.array(fleetModelSchema) }), { models: [exampleModel] }),
      },
    }),
    (c) => c.json({ models: [...fleetModels(models.endpoints(), models.passRates())] }, 200),
  );
}

async function addOrAnnounce(
  models: ApiPorts["models"],
  { announcedBy, leaseMs, host, ...asked }: z.output<typeof newEndpointSchema>,
): Promise<Result<EndpointState>> {
  if (announcedBy !== undefined) {
    return models.announceEndpoint(announcedFrom({ announcedBy, leaseMs, host, spec: asked }));
  }
  const { id = null, parallel = null, apiKeyFile = null, vramBytes, ...given } = asked;
  const stated = vramBytes === undefined ? {} : { vramBytes };
  return models.addEndpoint({ ...given, ...stated, id, parallel, apiKeyFile });
}

export function routingRoutes(ports: ApiPorts) {
  const { models, clock } = ports;
  return new Hono<ApiEnv>()
    .post(
      "/api/route/explain",
      route({
        tag: "models",
        summary: "Where a request would go now, and why",
        description: "Every candidate with its expected times, or the reason why it cannot serve. Nothing is reserved.",
        json: body(explainRouteSchema, { prompt: "Fix the failing test in src/parse.ts", tools: true }),
        responses: {
          200: json("The decision", routeExplanationSchema, {
            classification: { tier: "standard", reason: "a prompt of 36 characters that changes code" },
            decision: exampleDecision,
            accuracy: { samples: 120, meanAbsoluteErrorRatio: 0.41 },
          }),
        },
      }),
      (c) => {
        const asked = c.req.valid("json");
        const classification = models.classify(asked.prompt);
        const context: RequestContext = {
          purpose: "gateway",
          tier: asked.tier ?? classification.tier,
          ...(asked.allowSpill === undefined ? {} : { allowSpill: asked.allowSpill }),
          ...(asked.models === undefined ? {} : { models: asked.models }),
          ...(asked.kinds === undefined ? {} : { kinds: asked.kinds }),
        };
        const decision = models.inference.explain(requestOf(asked), context);
        const accuracy = { ...models.accuracy() };
        return c.json({ classification: { ...classification }, decision: decisionView(decision), accuracy }, 200);
      },
    )
    .get(
      "/api/usage",
      route({
        tag: "models",
        summary: "Tokens, money and energy that models used, and what is left of the budgets",
        query: z.strictObject({
          by: z.enum(USAGE_GROUPS).optional(),
          window: spanField(MAX_WINDOW_MS),
          task: z.string().max(64).optional(),
          limit: integerField(1, MAX_PAGE_ROWS),
        }),
        responses: {
          200: json("The sums", usageSchema, { fromMs: 0, toMs: DAY_MS, by: "day", sums: [], budgets: [] }),
        },
      }),
      async (c) => {
        const { by = "day", window = 7 * DAY_MS, task } = c.req.valid("query");
        const isTime = by === "day" || by === "hour";
        const limit = c.req.valid("query").limit ?? (isTime ? MAX_PAGE_ROWS : DEFAULT_SUMS);
        const toMs = clock.nowMs() + 1;
        const query = { fromMs: toMs - window, toMs, by, limit, ...(task === undefined ? {} : { taskId: task }) };
        const sums = await models.store.usage(query);
        if (!sums.ok) return answerProblem(c, sums.error);
        const budgets = await models.budgets();
        if (!budgets.ok) return answerProblem(c, budgets.error);
        const { fromMs } = query;
        return c.json(
          { fromMs, toMs, by, sums: [...sums.value], budgets: budgets.value.map((one) => ({ ...one })) },
          200,
        );
      },
    );
}

/** A request of the size asked about. */
function requestOf(asked: z.output<typeof explainRouteSchema>): ChatRequest {
  const { promptTokens, outputTokens, contextTokens } = asked;
  return {
    messages: promptTokens === undefined ? [{ role: "user", content: asked.prompt }] : messagesOf(promptTokens),
    ...(asked.tools ? { tools: [{ name: "tool", description: "", parameters: { type: "object" } }] } : {}),
    options: {
      ...(outputTokens === undefined ? {} : { maxTokens: outputTokens }),
      ...(contextTokens === undefined ? {} : { contextTokens }),
    },
  };
}

function messagesOf(tokens: number): readonly ChatMessage[] {
  const piece = "x".repeat(Math.min(tokens, PIECE_TOKENS) * CHARS_PER_TOKEN);
  const whole = Math.floor(tokens / PIECE_TOKENS);
  const rest = piece.slice(0, (tokens - whole * PIECE_TOKENS) * CHARS_PER_TOKEN);
  return [...Array.from({ length: whole }, () => piece), rest].map((content) => ({ role: "user", content }));
}
