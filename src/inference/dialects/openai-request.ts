/** From drover's words to the body of OpenAI's chat completions, as llama.cpp, vLLM and LM Studio read it too. */
import type { JsonObject } from "#base";
import type { ChatMessage, ChatOptions, ChatRequest } from "../chat.ts";
import type { Target } from "../client.ts";

/** @returns the body of a streamed chat completion with usage at its end. */
export function openaiChatBody(target: Target, request: ChatRequest): JsonObject {
  const tools = request.tools ?? [];
  return {
    model: target.wireName,
    messages: messagesOf(request).map(openaiMessage),
    stream: true,
    stream_options: { include_usage: true },
    ...(tools.length === 0
      ? {}
      : {
          tools: tools.map(({ name, description, parameters }) => ({
            type: "function",
            function: { name, description, parameters },
          })),
          ...choiceBody(request.toolChoice),
        }),
    ...formatBody(request.format),
    ...optionsBody(request.options ?? {}),
  };
}

/** @returns the messages; a text to be continued becomes one of the user. */
export function messagesOf(request: ChatRequest): readonly ChatMessage[] {
  const { completion } = request;
  if (completion === undefined) return request.messages;
  const { system, prompt, images } = completion;
  const user: ChatMessage = { role: "user", content: prompt, ...(images === undefined ? {} : { images }) };
  return system === undefined ? [user] : [{ role: "system", content: system }, user];
}

function choiceBody(choice: ChatRequest["toolChoice"]): JsonObject {
  if (choice === undefined) return {};
  return { tool_choice: choice === "required" ? choice : { type: "function", function: { name: choice.name } } };
}

function formatBody(format: ChatRequest["format"]): JsonObject {
  if (format === undefined) return {};
  if (format === "json") return { response_format: { type: "json_object" } };
  return { response_format: { type: "json_schema", json_schema: { name: "reply", schema: format, strict: true } } };
}

function optionsBody(options: ChatOptions): JsonObject {
  const { temperature, topP, seed, stop, maxTokens, thinking, frequencyPenalty, presencePenalty } = options;
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(seed === undefined ? {} : { seed }),
    ...(frequencyPenalty === undefined ? {} : { frequency_penalty: frequencyPenalty }),
    ...(presencePenalty === undefined ? {} : { presence_penalty: presencePenalty }),
    ...(stop === undefined ? {} : { stop }),
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    ...(typeof thinking === "string" ? { reasoning_effort: thinking } : {}),
  };
}

function openaiMessage(message: ChatMessage): JsonObject {
  switch (message.role) {
    case "system":
      return { role: "system", content: message.content };
    case "user":
      return {
        role: "user",
        content: message.images === undefined ? message.content : parts(message.content, message.images),
      };
    case "assistant":
      return {
        role: "assistant",
        content: message.content,
        ...(message.toolCalls === undefined || message.toolCalls.length === 0
          ? {}
          : {
              tool_calls: message.toolCalls.map((call) => ({
                id: call.id,
                type: "function",
                // A text here, an object with Ollama.
                function: { name: call.name, arguments: JSON.stringify(call.arguments) },
              })),
            }),
      };
    case "tool":
      return { role: "tool", content: message.content, tool_call_id: message.toolCallId };
  }
}

function parts(text: string, images: readonly string[]): JsonObject[] {
  return [
    { type: "text", text },
    ...images.map((image) => ({ type: "image_url", image_url: { url: `data:${mediaTypeOf(image)};base64,${image}` } })),
  ];
}

/** By the first bytes of the file, as base64 shows them. */
export function mediaTypeOf(base64: string): string {
  if (base64.startsWith("/9j/")) return "image/jpeg";
  if (base64.startsWith("R0lG")) return "image/gif";
  if (base64.startsWith("UklG")) return "image/webp";
  return "image/png";
}
