/**
 * Reads what clients of Ollama send (api/types.go of ollama), into drover's words. Null is as good as nothing there, as
 * Go reads JSON.
 */
import { z } from "zod";
import { err, ok, type Result } from "#base";
import type { ChatMessage, ChatOptions, ChatRequest, EmbedRequest, ToolDefinition } from "#inference";
import {
  argumentsOf,
  type EmbedAsked,
  type GatewayRequest,
  gatewayContext,
  given,
  parseBody,
  toolCallOf,
} from "./request.ts";

type Classify = Parameters<typeof gatewayContext>[2];

const MAX_MESSAGES = 10_000;
const MAX_TOOLS = 500;
const MAX_TEXTS = 2_048;
const model = z.string().min(1).max(200);
const jsonObject = z.record(z.string(), z.json());

const optionsSchema = z.looseObject({
  num_ctx: z.int().min(0).nullish(),
  num_predict: z.int().nullish(),
  temperature: z.number().nullish(),
  top_p: z.number().nullish(),
  top_k: z.number().nullish(),
  seed: z.int().nullish(),
  stop: z.array(z.string()).nullish(),
  frequency_penalty: z.number().nullish(),
  presence_penalty: z.number().nullish(),
});

const common = {
  model,
  stream: z.boolean().nullish(),
  format: z.union([z.literal(""), z.literal("json"), jsonObject]).nullish(),
  options: optionsSchema.nullish(),
  keep_alive: z.union([z.number(), z.string()]).nullish(),
  think: z.union([z.boolean(), z.enum(["low", "medium", "high", "max"])]).nullish(),
};

const messageSchema = z.object({
  role: z.enum(["system", "user", "assistant", "tool"]),
  content: z.string().nullish(),
  thinking: z.string().nullish(),
  images: z.array(z.string()).nullish(),
  tool_calls: z
    .array(z.object({ id: z.string().nullish(), function: z.object({ name: z.string(), arguments: z.unknown() }) }))
    .nullish(),
  tool_name: z.string().nullish(),
  tool_call_id: z.string().nullish(),
});

const chatSchema = z.object({
  ...common,
  messages: z.array(messageSchema).max(MAX_MESSAGES).nullish(),
  tools: z
    .array(
      z.object({
        function: z.object({ name: z.string(), description: z.string().nullish(), parameters: jsonObject.nullish() }),
      }),
    )
    .max(MAX_TOOLS)
    .nullish(),
});

const generateSchema = z.object({
  ...common,
  prompt: z.string().nullish(),
  suffix: z.string().nullish(),
  system: z.string().nullish(),
  template: z.string().nullish(),
  raw: z.boolean().nullish(),
  images: z.array(z.string()).nullish(),
});

const embedSchema = z.object({
  model,
  input: z.union([z.string(), z.array(z.string()).max(MAX_TEXTS)]).nullish(),
  dimensions: z.int().min(0).nullish(),
  truncate: z.boolean().nullish(),
  options: optionsSchema.nullish(),
});

const embeddingsSchema = z.object({ model, prompt: z.string().nullish(), options: optionsSchema.nullish() });

const showSchema = z.object({ model: model.nullish(), name: model.nullish() });

const UNLOADING = "models are unloaded at the endpoints themselves, not through drover";

/** To Ollama a request that says nothing and keeps nothing unloads the model; here it would load it. */
function unloads(keepAlive: number | string | null | undefined): boolean {
  return keepAlive === 0 || (typeof keepAlive === "string" && /^0[^1-9]*$/.test(keepAlive));
}

/** @returns the request of `/api/chat`, or what is wrong with it. */
export function readOllamaChat(text: string, classify: Classify): Result<GatewayRequest, string> {
  const parsed = parseBody(chatSchema, text);
  if (!parsed.ok) return parsed;
  const { messages, tools, stream } = parsed.value;
  if ((messages ?? []).length === 0 && unloads(parsed.value.keep_alive)) return err(UNLOADING);
  const read = (messages ?? []).map(messageOf);
  const request: ChatRequest = {
    messages: read,
    ...(tools === null || tools === undefined ? {} : { tools: tools.map(toolOf) }),
    ...shared(parsed.value),
  };
  return ok({
    request,
    context: gatewayContext(parsed.value.model, read, classify),
    model: parsed.value.model,
    isStreamed: stream ?? true,
  });
}

/** @returns the request of `/api/generate`, or what is wrong with it. */
export function readOllamaGenerate(text: string, classify: Classify): Result<GatewayRequest, string> {
  const parsed = parseBody(generateSchema, text);
  if (!parsed.ok) return parsed;
  const { suffix, system, template, raw, images, stream } = parsed.value;
  const prompt = parsed.value.prompt ?? "";
  if (prompt === "" && unloads(parsed.value.keep_alive)) return err(UNLOADING);
  const request: ChatRequest = {
    messages: [],
    // Without a prompt the model is loaded and says nothing.
    completion: {
      prompt,
      ...given("suffix", suffix),
      ...given("system", system),
      ...given("template", template),
      ...given("raw", raw),
      ...given("images", images),
    },
    ...shared(parsed.value),
  };
  const said: ChatMessage[] = [{ role: "user", content: prompt }];
  return ok({
    request,
    context: gatewayContext(parsed.value.model, said, classify),
    model: parsed.value.model,
    isStreamed: stream ?? true,
  });
}

/** @returns the request of `/api/embed`, or what is wrong with it. */
export function readOllamaEmbed(text: string): Result<EmbedAsked, string> {
  const parsed = parseBody(embedSchema, text);
  if (!parsed.ok) return parsed;
  const { model: name, input, dimensions, truncate, options } = parsed.value;
  const texts = typeof input === "string" ? [input] : (input ?? []);
  const request = {
    texts,
    ...given("dimensions", dimensions === 0 ? undefined : dimensions),
    ...given("truncate", truncate),
    ...embedOptions(options),
  };
  return ok({ model: name, request });
}

/** @returns the request of the older `/api/embeddings`, which has one text. */
export function readOllamaEmbeddings(text: string): Result<EmbedAsked, string> {
  const parsed = parseBody(embeddingsSchema, text);
  if (!parsed.ok) return parsed;
  const { model: name, prompt, options } = parsed.value;
  const texts = prompt === null || prompt === undefined ? [] : [prompt];
  return ok({ model: name, request: { texts, ...embedOptions(options) } });
}

function embedOptions(
  options: z.output<typeof optionsSchema> | null | undefined,
): Pick<EmbedRequest, "contextTokens" | "ollamaOptions"> {
  const { num_ctx, ...others } = options ?? {};
  return {
    ...given("contextTokens", num_ctx === 0 ? undefined : num_ctx),
    ...(Object.keys(others).length === 0 ? {} : { ollamaOptions: argumentsOf(others) ?? {} }),
  };
}

/** @returns the model that `/api/show` asks about. */
export function readOllamaShow(text: string): Result<string, string> {
  const parsed = parseBody(showSchema, text);
  if (!parsed.ok) return parsed;
  const named = parsed.value.model ?? parsed.value.name;
  return named === undefined || named === null ? { ok: false, error: "model is required" } : ok(named);
}

function shared(body: {
  readonly format?: z.output<typeof chatSchema>["format"];
  readonly options?: z.output<typeof chatSchema>["options"];
  readonly think?: z.output<typeof chatSchema>["think"];
}): Pick<ChatRequest, "format" | "options" | "ollamaOptions"> {
  const { num_ctx, num_predict, temperature, top_p, top_k, seed, stop, ...more } = body.options ?? {};
  const { frequency_penalty: frequencyPenalty, presence_penalty: presencePenalty, ...others } = more;
  const think = body.think === "max" ? "high" : body.think;
  const options: ChatOptions = {
    // 0 leaves it to the server.
    ...given("contextTokens", num_ctx === 0 ? undefined : num_ctx),
    // Negative is without limit, as is saying nothing.
    ...given("maxTokens", (num_predict ?? -1) < 0 ? undefined : num_predict),
    ...given("temperature", temperature),
    ...given("topP", top_p),
    ...given("topK", top_k),
    ...given("seed", seed),
    ...given("frequencyPenalty", frequencyPenalty),
    ...given("presencePenalty", presencePenalty),
    ...given("stop", stop),
    ...given("thinking", think),
  };
  const { format } = body;
  return {
    options,
    ...(format === null || format === undefined || format === "" ? {} : { format }),
    ...(Object.keys(others).length === 0 ? {} : { ollamaOptions: argumentsOf(others) ?? {} }),
  };
}

function messageOf(message: z.output<typeof messageSchema>, index: number): ChatMessage {
  const { role } = message;
  const content = message.content ?? "";
  switch (role) {
    case "system":
      return { role, content };
    case "user":
      return { role, content, ...given("images", message.images) };
    case "assistant":
      return {
        role,
        content,
        ...given("thinking", message.thinking),
        ...given(
          "toolCalls",
          message.tool_calls?.map((call, at) =>
            toolCallOf(call.function.name, call.function.arguments, call.id ?? `call_${index}_${at}`),
          ),
        ),
      };
    case "tool":
      return {
        role,
        content,
        toolName: message.tool_name ?? "",
        toolCallId: message.tool_call_id ?? message.tool_name ?? "",
      };
  }
}

function toolOf(tool: {
  readonly function: {
    name: string;
    description?: string | null | undefined;
    parameters?: z.output<typeof jsonObject> | null | undefined;
  };
}): ToolDefinition {
  const { name, description, parameters } = tool.function;
  return { name, description: description ?? "", parameters: parameters ?? { type: "object", properties: {} } };
}
