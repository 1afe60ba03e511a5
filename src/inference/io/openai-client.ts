import type OpenAI from "openai";
import type { ChatRequest } from "../chat.ts";
import type { ClientEvent, EmbedOutcome, EmbedRequest, ModelClient, Target } from "../client.ts";
import { OpenaiReplyReader } from "../dialects/openai-reply.ts";
import { openaiChatBody } from "../dialects/openai-request.ts";
import { failureOf, fetchUnder, readKey } from "./http.ts";

/** Deadlines are ours; this only has to be longer than all of them. */
const NO_TIMEOUT_MS = 24 * 60 * 60 * 1_000;
/** Servers without keys want the header all the same. */
const NO_KEY = "none";

/** Servers that speak OpenAI's API, through OpenAI's own client. */
export const openaiClient: ModelClient = {
  async *chat(target: Target, request: ChatRequest, signal: AbortSignal): AsyncGenerator<ClientEvent, void, void> {
    const reader = new OpenaiReplyReader();
    try {
      const client = await connect(target, signal);
      // `as`: the body is made field by field; the library's type differs per model and wants exact unions.
      const body = openaiChatBody(target, request) as unknown as OpenAI.ChatCompletionCreateParamsStreaming;
      for await (const chunk of await client.chat.completions.create(body, { signal })) {
        for (const event of reader.read(chunk)) {
          yield event;
          if (event.kind === "failed") return;
        }
      }
      yield* reader.end();
    } catch (error) {
      yield { kind: "failed", failure: failureOf(error, signal) };
    }
  },

  async embed(target: Target, request: EmbedRequest, signal: AbortSignal): Promise<EmbedOutcome> {
    try {
      const client = await connect(target, signal);
      const { texts, dimensions } = request;
      const asked = dimensions === undefined ? {} : { dimensions };
      const answer = await client.embeddings.create(
        { model: target.wireName, input: [...texts], encoding_format: "float", ...asked },
        { signal },
      );
      const vectors = [...answer.data].sort((a, b) => a.index - b.index).map(({ embedding }) => embedding);
      const promptTokens = promptTokensOf(answer.usage);
      return { kind: "done", reply: { vectors, usage: { promptTokens, completionTokens: 0 } } };
    } catch (error) {
      return { kind: "failed", failure: failureOf(error, signal) };
    }
  },
};

async function connect(target: Target, signal: AbortSignal): Promise<OpenAI> {
  const apiKey = (await readKey(target.endpoint.apiKeyFile)) ?? NO_KEY;
  const { default: Client } = await import("openai");
  return new Client({
    baseURL: `${target.endpoint.url}/v1`,
    apiKey,
    // From the environment they would reach servers they were not meant for.
    organization: null,
    project: null,
    maxRetries: 0,
    timeout: NO_TIMEOUT_MS,
    logLevel: "off",
    fetch: fetchUnder(signal),
  });
}

/** The client's types promise what smaller servers leave out. */
function promptTokensOf(usage: unknown): number {
  if (typeof usage !== "object" || usage === null || !("prompt_tokens" in usage)) return 0;
  return typeof usage.prompt_tokens === "number" ? usage.prompt_tokens : 0;
}
