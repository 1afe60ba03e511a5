/** From drover's words to the body of Anthropic's Messages API. */
import type { JsonObject } from "#base";
import type { ChatMessage, ChatRequest } from "../chat.ts";
import type { Target } from "../client.ts";
import { mediaTypeOf, messagesOf } from "./openai-request.ts";

/** The API wants a limit; a reply with a whole file in it fits. */
const DEFAULT_MAX_TOKENS = 8_192;
/** The least the API takes as a budget for thinking. */
const THINKING_BUDGET_TOKENS = { low: 1_024, medium: 4_096, high: 16_384 } as const;

/** The tool whose input is the reply, when a schema was asked for: the API has no other way to force one. */
export const REPLY_TOOL = "reply";

/** @returns the body of a streamed message. */
export function anthropicBody(target: Target, request: ChatRequest): JsonObject {
  const messages = messagesOf(request);
  const system = messages.flatMap((message) => (message.role === "system" ? [message.content] : [])).join("\n\n");
  const { temperature, topP, topK, stop, maxTokens = DEFAULT_MAX_TOKENS, thinking } = request.options ?? {};
  const budget = typeof thinking === "string" ? THINKING_BUDGET_TOKENS[thinking] : THINKING_BUDGET_TOKENS.medium;
  const thinks = thinking !== undefined && thinking !== false;
  return {
    model: target.wireName,
    max_tokens: thinks ? maxTokens + budget : maxTokens,
    messages: turns(messages),
    stream: true,
    ...(system === "" ? {} : { system }),
    ...toolsBody(request),
    // The API refuses both at once.
    ...(temperature === undefined || thinks ? {} : { temperature }),
    ...(topP === undefined || thinks ? {} : { top_p: topP }),
    ...(topK === undefined || thinks ? {} : { top_k: topK }),
    ...(stop === undefined ? {} : { stop_sequences: stop }),
    ...(thinks ? { thinking: { type: "enabled", budget_tokens: budget } } : {}),
  };
}

function toolsBody({ tools = [], format, toolChoice, options }: ChatRequest): JsonObject {
  if (format !== undefined) {
    const schema = format === "json" ? { type: "object" } : format;
    return {
      tools: [{ name: REPLY_TOOL, description: "Gives the reply.", input_schema: wrapped(schema) }],
      tool_choice: { type: "tool", name: REPLY_TOOL },
    };
  }
  if (tools.length === 0) return {};
  // The API refuses to force a tool while it thinks.
  const thinks = options?.thinking !== undefined && options.thinking !== false;
  return {
    tools: tools.map(({ name, description, parameters }) => ({ name, description, input_schema: parameters })),
    ...(toolChoice === undefined || thinks ? {} : { tool_choice: choiceOf(toolChoice) }),
  };
}

function choiceOf(choice: NonNullable<ChatRequest["toolChoice"]>): JsonObject {
  return choice === "required" ? { type: "any" } : { type: "tool", name: choice.name };
}

/** The input of a tool is an object; a schema of another kind travels in its only field. */
function wrapped(schema: JsonObject): JsonObject {
  return isObjectSchema(schema)
    ? schema
    : { type: "object", properties: { [REPLY_TOOL]: schema }, required: [REPLY_TOOL] };
}

/** @returns whether {@link REPLY_TOOL} gets the reply itself, and not wrapped in a field. */
export function isObjectSchema(schema: JsonObject | "json"): boolean {
  return schema === "json" || schema["type"] === "object";
}

/** Turns of user and assistant alternate; results of tools are said by the user. */
function turns(messages: readonly ChatMessage[]): JsonObject[] {
  const result: { role: "user" | "assistant"; content: JsonObject[] }[] = [];
  for (const message of messages) {
    if (message.role === "system") continue;
    const role = message.role === "assistant" ? "assistant" : "user";
    const blocks = blocksOf(message);
    const last = result.at(-1);
    if (last?.role === role) last.content.push(...blocks);
    else result.push({ role, content: blocks });
  }
  return result;
}

function blocksOf(message: Exclude<ChatMessage, { readonly role: "system" }>): JsonObject[] {
  switch (message.role) {
    case "user":
      return [
        ...(message.images ?? []).map((data) => ({
          type: "image",
          source: { type: "base64", media_type: mediaTypeOf(data), data },
        })),
        { type: "text", text: message.content },
      ];
    case "assistant":
      return [
        // An empty text block is refused.
        ...(message.content.trim() === "" ? [] : [{ type: "text", text: message.content }]),
        ...(message.toolCalls ?? []).map((call) => ({
          type: "tool_use",
          id: call.id,
          name: call.name,
          input: call.arguments,
        })),
      ];
    case "tool":
      return [{ type: "tool_result", tool_use_id: message.toolCallId, content: message.content }];
  }
}
