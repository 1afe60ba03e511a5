import { Ollama } from "ollama";
import type { ChatRequest } from "../chat.ts";
import type { ClientEvent, EmbedOutcome, EmbedRequest, ModelClient, Target } from "../client.ts";
import { OllamaReplyReader } from "../dialects/ollama-reply.ts";
import { ollamaChatBody, ollamaEmbedBody, ollamaGenerateBody } from "../dialects/ollama-request.ts";
import { inferenceFailure } from "../failure.ts";
import { CallFailed, type Fetch, failureOf, fetchUnder, readKey } from "./http.ts";

/** A line is one token, or one tool call with a file in it. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/**
 * Ollama through its own client. WHY with our fetch: the client cannot be aborted per request before the headers
 * came (ollama-js#274), lets Bun cut silent servers off, logs errors to the console and skips lines that it cannot read.
 */
export const ollamaClient: ModelClient = {
  async *chat(target: Target, request: ChatRequest, signal: AbortSignal): AsyncGenerator<ClientEvent, void, void> {
    const reader = new OllamaReplyReader();
    try {
      for await (const line of await openStream(target, request, signal)) {
        for (const event of reader.read(line)) {
          yield event;
          if (event.kind === "done" || event.kind === "failed") return;
        }
      }
    } catch (error) {
      yield { kind: "failed", failure: failureOf(error, signal) };
    }
  },

  async embed(target: Target, request: EmbedRequest, signal: AbortSignal): Promise<EmbedOutcome> {
    try {
      // `as`: the client only writes the body as JSON; its types want every option under its own name.
      const body = ollamaEmbedBody(target, request) as unknown as Parameters<Ollama["embed"]>[0];
      const { embeddings, prompt_eval_count: tokens } = await (await connect(target, signal)).embed(body);
      const usage = { promptTokens: countOf(tokens), completionTokens: 0 };
      return { kind: "done", reply: { vectors: embeddings, usage } };
    } catch (error) {
      return { kind: "failed", failure: failureOf(error, signal) };
    }
  },
};

async function openStream(target: Target, request: ChatRequest, signal: AbortSignal): Promise<AsyncIterable<unknown>> {
  const client = await connect(target, signal, wholeLines);
  // `as`: the client only writes the body as JSON; its types are narrower than the API (ps, think, schemas).
  if (request.completion !== undefined) {
    const body = { ...ollamaGenerateBody(target, request, request.completion), stream: true };
    return client.generate(body as unknown as Parameters<Ollama["generate"]>[0] & { stream: true });
  }
  const body = { ...ollamaChatBody(target, request), stream: true };
  return client.chat(body as unknown as Parameters<Ollama["chat"]>[0] & { stream: true });
}

async function connect(
  target: Target,
  signal: AbortSignal,
  read: (response: Response) => Response = (response) => response,
): Promise<Ollama> {
  const key = await readKey(target.endpoint.apiKeyFile);
  const send = fetchUnder(signal, key === undefined ? {} : { authorization: `Bearer ${key}` });
  const checked: Fetch = async (input, init) => read(await send(input, init));
  // `as`: the client calls it as a function and no more.
  return new Ollama({ host: target.endpoint.url, fetch: checked as typeof fetch });
}

/** Fails where the client would skip a line in silence: one that is cut off, or is no object. */
function wholeLines(response: Response): Response {
  const decoder = new TextDecoder();
  let open = "";
  const check = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      const lines = (open + decoder.decode(chunk, { stream: true })).split("\n");
      open = lines.pop() ?? "";
      const damaged = lines.find((line) => !isObject(line)) ?? (open.length > MAX_LINE_BYTES ? open : undefined);
      if (damaged === undefined) controller.enqueue(chunk);
      else controller.error(new CallFailed(inferenceFailure("cut", "the server sent a line that is no JSON object")));
    },
    flush(controller) {
      if (open.trim() === "" || isObject(open)) return;
      controller.error(new CallFailed(inferenceFailure("cut", "the stream broke off within a line")));
    },
  });
  return new Response(response.body?.pipeThrough(check) ?? null, {
    status: response.status,
    headers: response.headers,
  });
}

function isObject(line: string): boolean {
  const text = line.trim();
  return text === "" || (text.startsWith("{") && text.endsWith("}"));
}

/** The client's types promise a figure that older servers leave out. */
function countOf(given: unknown): number {
  return typeof given === "number" ? given : 0;
}
