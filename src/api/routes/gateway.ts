/** The fleet as one model server: unmodified clients of Ollama and of OpenAI work against it. */

import { type Context, Hono, type MiddlewareHandler } from "hono";
import type { Result } from "#base";
import { modelOf } from "#hw";
import type { ChatEvent, InferenceFailure, RequestContext } from "#inference";
import type { ApiEnv } from "../environment.ts";
import { bindingsOf } from "../environment.ts";
import { type OllamaAnswerFacts, ollamaLine, ollamaWhole } from "../gateway/ollama-answer.ts";
import { ollamaPs, ollamaShow, ollamaTags } from "../gateway/ollama-models.ts";
import {
  readOllamaChat,
  readOllamaEmbed,
  readOllamaEmbeddings,
  readOllamaGenerate,
  readOllamaShow,
} from "../gateway/ollama-request.ts";
import { OpenaiChunks, openaiEmbeddings, openaiError, openaiWhole } from "../gateway/openai-answer.ts";
import { type OpenaiChat, readOpenaiChat, readOpenaiEmbed } from "../gateway/openai-request.ts";
import { beginReply, replyBody, statusOf, wholeReply } from "../gateway/reply-stream.ts";
import type { EmbedAsked, GatewayRequest } from "../gateway/request.ts";
import { type TierModel, tierModels } from "../gateway/tier-models.ts";
import type { ApiPorts } from "../ports.ts";
import { readBody } from "../request-body.ts";
import { route, text } from "../route.ts";

/** A conversation with images in it. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;
const NDJSON = "application/x-ndjson";
const SSE = "text/event-stream; charset=utf-8";
const RUNNING = "Ollama is running";
const CLOSED = "the gateway is closed: set http.gateway = true in drover.toml";

type Say = (c: Context<ApiEnv>, message: string, status: 400 | 403 | 404 | 405 | 413) => Response;

const sayOllama: Say = (c, message, status) => c.json({ error: message }, status);
const sayOpenai: Say = (c, message, status) =>
  c.json(openaiError({ kind: status === 404 ? "notFound" : "refused", message }), status);

function described(summary: string, mediaType = "application/json", example = "{}") {
  return route({
    tag: "gateway",
    summary,
    description: "As the original API describes it; errors have its form too.",
    responses: { 200: text("As the original API describes it", mediaType, example) },
  });
}

/** `/ollama/api/*`, as `OLLAMA_HOST=http://127.0.0.1:7433/ollama` finds it. */
export function ollamaGateway(ports: ApiPorts) {
  const { models } = ports;
  const classify = (prompt: string) => models.classify(prompt);
  return (
    new Hono<ApiEnv>()
      .use("/ollama/*", openOnly(ports, sayOllama))
      .get("/ollama", described("That something answers, as Ollama says it", "text/plain", RUNNING), running)
      // Ollama's own command asks for its root, which has a slash here.
      .all("/ollama/", running)
      .get("/ollama/api/version", described("Version, in Ollama's form"), (c) =>
        c.json({ version: ports.node.version }),
      )
      .get("/ollama/api/tags", described("Models of the fleet, in Ollama's form"), (c) =>
        c.json(ollamaTags(models.endpoints(), tiersOf(ports))),
      )
      .get("/ollama/api/ps", described("Loaded models, in Ollama's form"), (c) => c.json(ollamaPs(models.endpoints())))
      .post("/ollama/api/show", described("One model, in Ollama's form"), (c) =>
        withBody(c, readOllamaShow, sayOllama, (name) => {
          const found = ollamaShow(models.endpoints(), tiersOf(ports), name);
          return found === undefined ? sayOllama(c, `model '${name}' not found`, 404) : c.json(found);
        }),
      )
      .post("/ollama/api/chat", described("A reply, in Ollama's form", NDJSON), (c) =>
        withBody(
          c,
          (body) => readOllamaChat(body, classify),
          sayOllama,
          (asked) =>
            answerOllama(c, ports, asked, {
              call: "chat",
              model: asked.model,
              isLoad: asked.request.messages.length === 0,
            }),
        ),
      )
      .post("/ollama/api/generate", described("A continuation, in Ollama's form", NDJSON), (c) =>
        withBody(
          c,
          (body) => readOllamaGenerate(body, classify),
          sayOllama,
          (asked) =>
            answerOllama(c, ports, asked, {
              call: "generate",
              model: asked.model,
              isLoad: asked.request.completion?.prompt === "",
            }),
        ),
      )
      .post("/ollama/api/embed", described("Vectors of texts, in Ollama's form"), (c) =>
        withBody(c, readOllamaEmbed, sayOllama, (asked) => answerOllamaEmbed(c, ports, asked)),
      )
      .post("/ollama/api/embeddings", described("The vector of one text, in Ollama's older form"), (c) =>
        withBody(c, readOllamaEmbeddings, sayOllama, async (asked) => {
          const outcome = await embed(c, ports, asked);
          if (outcome.kind === "failed") return failedOllama(c, outcome.failure);
          return c.json({ embedding: outcome.reply.vectors[0] ?? [] });
        }),
      )
      .all("/ollama/api/:call{pull|push|create|copy|delete}", (c) =>
        sayOllama(c, "models are managed at the endpoints themselves, not through drover", 405),
      )
  );
}

/** `/openai/v1/*`, as `baseURL: "http://127.0.0.1:7433/openai/v1"` finds it. */
export function openaiGateway(ports: ApiPorts) {
  const { models, clock } = ports;
  const classify = (prompt: string) => models.classify(prompt);
  return new Hono<ApiEnv>()
    .use("/openai/*", openOnly(ports, sayOpenai))
    .get("/openai/v1/models", described("Models of the fleet, in OpenAI's form"), (c) =>
      c.json({ object: "list", data: modelIds(ports).map(openaiModel) }),
    )
    .get("/openai/v1/models/:id", described("One model, in OpenAI's form"), (c) => {
      const id = c.req.param("id");
      const isKnown =
        modelIds(ports).includes(id) || models.endpoints().some((state) => modelOf(state, id) !== undefined);
      return isKnown ? c.json(openaiModel(id)) : sayOpenai(c, `there is no model ${id}`, 404);
    })
    .post("/openai/v1/chat/completions", described("A reply, in OpenAI's form", SSE), (c) =>
      withBody(
        c,
        (body) => readOpenaiChat(body, classify),
        sayOpenai,
        (asked) => answerOpenai(c, ports, asked),
      ),
    )
    .post("/openai/v1/embeddings", described("Vectors of texts, in OpenAI's form"), (c) =>
      withBody(c, readOpenaiEmbed, sayOpenai, async (asked) => {
        const outcome = await embed(c, ports, asked);
        if (outcome.kind === "failed") return failedOpenai(c, outcome.failure);
        return c.json(openaiEmbeddings(asked.model, outcome.reply.vectors, outcome.reply.usage, asked.isBase64));
      }),
    );

  function openaiModel(id: string): object {
    return { id, object: "model", created: Math.floor(clock.nowMs() / 1_000), owned_by: "drover" };
  }
}

/** Lets nobody in while the gateway is closed. */
function openOnly({ models }: ApiPorts, say: Say): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    if (!models.isGatewayOpen) return say(c, CLOSED, 403);
    await next();
    return undefined;
  };
}

function running(c: Context<ApiEnv>): Response {
  return c.text(RUNNING);
}

/** The names of tiers, then those of models. */
function modelIds(ports: ApiPorts): readonly string[] {
  const names = ports.models.endpoints().flatMap(({ models }) => models.map(({ name }) => name));
  return [...tiersOf(ports).map(({ name }) => name), ...[...new Set(names)].sort()];
}

function tiersOf({ models }: ApiPorts): readonly TierModel[] {
  return tierModels(models.endpoints(), (context) => models.inference.explain({ messages: [] }, context));
}

async function withBody<T>(
  c: Context<ApiEnv>,
  read: (text: string) => Result<T, string>,
  say: Say,
  answer: (asked: T) => Response | Promise<Response>,
): Promise<Response> {
  const body = await readBody(c.req.raw, MAX_BODY_BYTES);
  if (!body.ok) return say(c, body.error.message, body.error.code === "too_large" ? 413 : 400);
  const asked = read(body.value);
  if (!asked.ok) return say(c, asked.error, 400);
  // Loading a model can take minutes in which nothing is sent.
  bindingsOf(c).exemptFromIdleTimeout?.(true);
  return answer(asked.value);
}

function embed(c: Context<ApiEnv>, ports: ApiPorts, { model, request }: EmbedAsked) {
  const context: RequestContext = { purpose: "gateway", models: [model] };
  return ports.models.inference.embed(request, context, c.req.raw.signal);
}

async function answerOllamaEmbed(c: Context<ApiEnv>, ports: ApiPorts, asked: EmbedAsked): Promise<Response> {
  const startedMs = ports.clock.monotonicMs();
  const outcome = await embed(c, ports, asked);
  if (outcome.kind === "failed") return failedOllama(c, outcome.failure);
  const totalNs = Math.round((ports.clock.monotonicMs() - startedMs) * 1_000_000);
  const { vectors, usage } = outcome.reply;
  return c.json({
    model: asked.model,
    embeddings: vectors,
    total_duration: totalNs,
    prompt_eval_count: usage.promptTokens,
  });
}

async function answerOllama(
  c: Context<ApiEnv>,
  ports: ApiPorts,
  asked: GatewayRequest,
  facts: OllamaAnswerFacts,
): Promise<Response> {
  const { clock } = ports;
  const startedMs = clock.monotonicMs();
  const at = () => ({ nowMs: clock.nowMs(), elapsedMs: clock.monotonicMs() - startedMs });
  const failed = (failure: InferenceFailure): Response => failedOllama(c, failure);
  const begun = await beginReply(ports.models.inference, asked, c.req.raw.signal);
  if (begun.kind === "failed") return failed(begun.failure);
  if (!asked.isStreamed) {
    const { events, failure } = await wholeReply(begun);
    return failure === undefined ? c.json(ollamaWhole(events, facts, at())) : failed(failure);
  }
  const encode = (event: ChatEvent): string => {
    const line = ollamaLine(event, facts, at());
    return line === undefined ? "" : `${JSON.stringify(line)}\n`;
  };
  return c.body(replyBody(begun, encode), 200, { "content-type": NDJSON });
}

async function answerOpenai(c: Context<ApiEnv>, ports: ApiPorts, asked: OpenaiChat): Promise<Response> {
  const id = `chatcmpl-${Buffer.from(ports.random.bytes(12)).toString("hex")}`;
  const facts = {
    id,
    model: asked.model,
    createdS: Math.floor(ports.clock.nowMs() / 1_000),
    wantsUsage: asked.wantsUsage,
  };
  const failed = (failure: InferenceFailure): Response => failedOpenai(c, failure);
  const begun = await beginReply(ports.models.inference, asked, c.req.raw.signal);
  if (begun.kind === "failed") return failed(begun.failure);
  if (!asked.isStreamed) {
    const { events, failure } = await wholeReply(begun);
    return failure === undefined ? c.json(openaiWhole(events, facts)) : failed(failure);
  }
  const chunks = new OpenaiChunks(facts);
  const encode = (event: ChatEvent): string =>
    chunks
      .of(event)
      .map((data) => `data: ${data}\n\n`)
      .join("");
  return c.body(replyBody(begun, encode), 200, { "content-type": SSE, "x-accel-buffering": "no" });
}

function failedOllama(c: Context<ApiEnv>, failure: InferenceFailure): Response {
  return c.json({ error: failure.message }, statusOf(failure), retryHeader(failure));
}

function failedOpenai(c: Context<ApiEnv>, failure: InferenceFailure): Response {
  return c.json(openaiError(failure), statusOf(failure), retryHeader(failure));
}

function retryHeader(failure: InferenceFailure): Record<string, string> {
  if (failure.retryAfterMs === undefined) return {};
  return { "retry-after": String(Math.max(1, Math.ceil(failure.retryAfterMs / 1_000))) };
}
