/** Reads what clients of OpenAI's API send, into drover's words. Fields that models here do not have are left aside. */
import { z } from "zod";
import { err, type JsonObject, ok, type Result } from "#base";
import type { ChatMessage, ChatOptions, ChatRequest } from "#inference";
import { type EmbedAsked, type GatewayRequest, gatewayContext, given, parseBody, toolCallOf } from "./request.ts";

type Classify = Parameters<typeof gatewayContext>[2];

const MAX_MESSAGES = 10_000;
const MAX_TOOLS = 500;
const MAX_TEXTS = 2_048;
/** More than any model of embeddings has. */
const MAX_DIMENSIONS = 1_000_000;
const model = z.string().min(1).max(200);
const jsonObject = z.record(z.string(), z.json());

const partSchema = z.union([
  z.object({ type: z.literal("text"), text: z.string() }),
  z.object({ type: z.literal("image_url"), image_url: z.object({ url: z.string() }) }),
]);

const messageSchema = z.object({
  role: z.enum(["system", "developer", "user", "assistant", "tool"]),
  content: z.union([z.string(), z.array(partSchema)]).nullish(),
  tool_calls: z
    .array(z.object({ id: z.string(), function: z.object({ name: z.string(), arguments: z.string() }) }))
    .nullish(),
  tool_call_id: z.string().nullish(),
});

const formatSchema = z.union([
  z.object({ type: z.literal("text") }),
  z.object({ type: z.literal("json_object") }),
  z.object({ type: z.literal("json_schema"), json_schema: z.object({ schema: jsonObject.optional() }) }),
]);

const chatSchema = z.object({
  model,
  messages: z.array(messageSchema).min(1).max(MAX_MESSAGES),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  tools: z
    .array(
      z.object({
        type: z.literal("function"),
        function: z.object({
          name: z.string(),
          description: z.string().nullish(),
          parameters: jsonObject.nullish(),
        }),
      }),
    )
    .max(MAX_TOOLS)
    .nullish(),
  tool_choice: z
    .union([
      z.enum(["none", "auto", "required"]),
      z.object({ type: z.literal("function"), function: z.object({ name: z.string() }) }),
    ])
    .nullish(),
  response_format: formatSchema.nullish(),
  temperature: z.number().nullish(),
  top_p: z.number().nullish(),
  seed: z.int().nullish(),
  stop: z.union([z.string(), z.array(z.string())]).nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  reasoning_effort: z.string().nullish(),
  n: z.int().nullish(),
  frequency_penalty: z.number().nullish(),
  presence_penalty: z.number().nullish(),
  logprobs: z.boolean().nullish(),
});

const embedSchema = z.object({
  model,
  input: z.union([z.string(), z.array(z.string()).min(1).max(MAX_TEXTS)]),
  dimensions: z.int().min(1).max(MAX_DIMENSIONS).nullish(),
  encoding_format: z.enum(["float", "base64"]).nullish(),
});

export type OpenaiChat = GatewayRequest & { readonly wantsUsage: boolean };

/** @returns the request of `/v1/chat/completions`, or what is wrong with it. */
export function readOpenaiChat(text: string, classify: Classify): Result<OpenaiChat, string> {
  const parsed = parseBody(chatSchema, text);
  if (!parsed.ok) return parsed;
  const body = parsed.value;
  if ((body.n ?? 1) !== 1) return err("invalid request: n: only one reply can be asked for at once");
  if (body.logprobs === true) return err("invalid request: logprobs: they are not handed on by all endpoints");
  const names = new Map(
    body.messages.flatMap((message) =>
      (message.tool_calls ?? []).map((call) => [call.id, call.function.name] as const),
    ),
  );
  const messages: ChatMessage[] = [];
  for (const message of body.messages) {
    const read = messageOf(message, names);
    if (!read.ok) return read;
    messages.push(read.value);
  }
  const tools = body.tool_choice === "none" ? [] : (body.tools ?? []);
  const request: ChatRequest = {
    messages,
    ...(tools.length === 0
      ? {}
      : {
          tools: tools.map(({ function: tool }) => ({
            name: tool.name,
            description: tool.description ?? "",
            parameters: tool.parameters ?? { type: "object", properties: {} },
          })),
        }),
    ...(tools.length === 0 ? {} : choiceOf(body.tool_choice)),
    ...formatOf(body.response_format),
    options: optionsOf(body),
  };
  return ok({
    request,
    context: gatewayContext(body.model, messages, classify),
    model: body.model,
    isStreamed: body.stream === true,
    wantsUsage: body.stream_options?.include_usage === true,
  });
}

/** @returns model, texts and the form of the vectors that `/v1/embeddings` asks for. */
export function readOpenaiEmbed(text: string): Result<EmbedAsked & { readonly isBase64: boolean }, string> {
  const parsed = parseBody(embedSchema, text);
  if (!parsed.ok) return parsed;
  const { input, dimensions, encoding_format: form } = parsed.value;
  const texts = typeof input === "string" ? [input] : input;
  const request = { texts, ...given("dimensions", dimensions) };
  return ok({ model: parsed.value.model, request, isBase64: form === "base64" });
}

function choiceOf(choice: z.output<typeof chatSchema>["tool_choice"]): Pick<ChatRequest, "toolChoice"> {
  if (choice === "required") return { toolChoice: "required" };
  return typeof choice === "object" && choice !== null ? { toolChoice: { name: choice.function.name } } : {};
}

function formatOf(format: z.output<typeof formatSchema> | null | undefined): { readonly format?: "json" | JsonObject } {
  if (format === null || format === undefined || format.type === "text") return {};
  if (format.type === "json_object") return { format: "json" };
  return { format: format.json_schema.schema ?? "json" };
}

function optionsOf(body: z.output<typeof chatSchema>): ChatOptions {
  const { temperature, top_p: topP, seed, stop, reasoning_effort: effort } = body;
  const maxTokens = body.max_completion_tokens ?? body.max_tokens;
  return {
    ...given("temperature", temperature),
    ...given("topP", topP),
    ...given("seed", seed),
    ...given("frequencyPenalty", body.frequency_penalty),
    ...given("presencePenalty", body.presence_penalty),
    ...given("stop", typeof stop === "string" ? [stop] : stop),
    ...given("maxTokens", maxTokens),
    ...thinkingOf(effort),
  };
}

function thinkingOf(effort: string | null | undefined): Pick<ChatOptions, "thinking"> {
  if (effort === "none" || effort === "minimal") return { thinking: false };
  return effort === "low" || effort === "medium" || effort === "high" ? { thinking: effort } : {};
}

function messageOf(
  message: z.output<typeof messageSchema>,
  names: ReadonlyMap<string, string>,
): Result<ChatMessage, string> {
  const content = textOf(message.content);
  switch (message.role) {
    case "system":
    case "developer":
      return ok({ role: "system", content });
    case "user": {
      const images = imagesOf(message.content);
      if (!images.ok) return images;
      return ok({ role: "user", content, ...(images.value.length === 0 ? {} : { images: images.value }) });
    }
    case "assistant": {
      const calls = (message.tool_calls ?? []).map((call) =>
        toolCallOf(call.function.name, call.function.arguments, call.id),
      );
      return ok({ role: "assistant", content, ...(calls.length === 0 ? {} : { toolCalls: calls }) });
    }
    case "tool": {
      const id = message.tool_call_id ?? "";
      return ok({ role: "tool", content, toolCallId: id, toolName: names.get(id) ?? "" });
    }
  }
}

function textOf(content: z.output<typeof messageSchema>["content"]): string {
  if (content === null || content === undefined) return "";
  return typeof content === "string"
    ? content
    : content.map((part) => (part.type === "text" ? part.text : "")).join("");
}

/** Images travel within the request; drover fetches nothing on behalf of a client. */
function imagesOf(content: z.output<typeof messageSchema>["content"]): Result<readonly string[], string> {
  if (content === null || content === undefined || typeof content === "string") return ok([]);
  const images: string[] = [];
  for (const part of content) {
    if (part.type !== "image_url") continue;
    const data = /^data:image\/[a-z+.-]+;base64,(.+)$/s.exec(part.image_url.url)?.[1];
    if (data === undefined)
      return err("invalid request: images must be data URLs in base64; addresses are not fetched");
    images.push(data);
  }
  return ok(images);
}
