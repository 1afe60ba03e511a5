/** From drover's words to the body of Ollama's `/api/chat` and `/api/generate` (api/types.go of ollama). */
import type { JsonObject } from "#base";
import type { ChatMessage, ChatOptions, ChatRequest, Completion, ToolDefinition } from "../chat.ts";
import type { EmbedRequest, Target } from "../client.ts";

/** @returns the body, without `stream`. */
export function ollamaChatBody(target: Target, request: ChatRequest): JsonObject {
  const { toolChoice } = request;
  const tools = (request.tools ?? []).filter(({ name }) => typeof toolChoice !== "object" || toolChoice.name === name);
  return {
    ...common(target, request),
    messages: request.messages.map(ollamaMessage),
    ...(tools.length === 0 ? {} : { tools: tools.map(toolBody) }),
  };
}

/** @returns the body of a continuation, without `stream`. */
export function ollamaGenerateBody(target: Target, request: ChatRequest, completion: Completion): JsonObject {
  const { prompt, system, suffix, raw, template, images } = completion;
  return {
    ...common(target, request),
    prompt,
    ...(system === undefined ? {} : { system }),
    ...(suffix === undefined ? {} : { suffix }),
    ...(raw === undefined ? {} : { raw }),
    ...(template === undefined ? {} : { template }),
    ...(images === undefined ? {} : { images }),
  };
}

/** @returns the body of `/api/embed`. */
export function ollamaEmbedBody(target: Target, request: EmbedRequest): JsonObject {
  const { texts, dimensions, truncate, ollamaOptions } = request;
  const { keepAliveSeconds, contextTokens } = target;
  return {
    model: target.wireName,
    input: texts,
    options: { ...ollamaOptions, ...optionsBody({}, contextTokens) },
    ...(dimensions === undefined ? {} : { dimensions }),
    ...(truncate === undefined ? {} : { truncate }),
    ...(keepAliveSeconds === null ? {} : { keep_alive: keepAliveSeconds }),
  };
}

function common(target: Target, request: ChatRequest): JsonObject {
  const thinking = request.options?.thinking;
  const { keepAliveSeconds } = target;
  return {
    model: target.wireName,
    options: { ...request.ollamaOptions, ...optionsBody(request.options ?? {}, target.contextTokens) },
    ...(request.format === undefined ? {} : { format: request.format }),
    ...(thinking === undefined ? {} : { think: thinking }),
    ...(keepAliveSeconds === null ? {} : { keep_alive: keepAliveSeconds }),
  };
}

function optionsBody(options: ChatOptions, contextTokens: number | null): JsonObject {
  const { temperature, topP, topK, seed, stop, maxTokens, frequencyPenalty, presencePenalty } = options;
  return {
    // Another num_ctx than the loaded one unloads and loads the model again, so it is the router's to say.
    ...(contextTokens === null ? {} : { num_ctx: contextTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(topK === undefined ? {} : { top_k: topK }),
    ...(seed === undefined ? {} : { seed }),
    ...(frequencyPenalty === undefined ? {} : { frequency_penalty: frequencyPenalty }),
    ...(presencePenalty === undefined ? {} : { presence_penalty: presencePenalty }),
    ...(stop === undefined ? {} : { stop }),
    ...(maxTokens === undefined ? {} : { num_predict: maxTokens }),
  };
}

function ollamaMessage(message: ChatMessage): JsonObject {
  switch (message.role) {
    case "system":
      return { role: "system", content: message.content };
    case "user":
      return {
        role: "user",
        content: message.content,
        ...(message.images === undefined ? {} : { images: message.images }),
      };
    case "assistant":
      return {
        role: "assistant",
        content: message.content,
        ...(message.thinking === undefined ? {} : { thinking: message.thinking }),
        ...(message.toolCalls === undefined
          ? {}
          : {
              tool_calls: message.toolCalls.map((call) => ({
                id: call.id,
                function: { name: call.name, arguments: call.arguments },
              })),
            }),
      };
    case "tool":
      return {
        role: "tool",
        content: message.content,
        tool_name: message.toolName,
        tool_call_id: message.toolCallId,
      };
  }
}

function toolBody({ name, description, parameters }: ToolDefinition): JsonObject {
  return { type: "function", function: { name, description, parameters } };
}
