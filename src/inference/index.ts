/** inference: one reply of one model. The words of chats, the dialects of servers, and the service that routes. */
export type {
  ChatEvent,
  ChatMessage,
  ChatModel,
  ChatOptions,
  ChatRequest,
  FinishReason,
  InferenceFailure,
  RawToolCall,
  ReplyTimings,
  RequestContext,
  Thinking,
  TokenUsage,
  ToolCall,
  ToolDefinition,
} from "./chat.ts";
export type { EmbedOutcome, EmbedReply, EmbedRequest, ModelClient, Target } from "./client.ts";
export { anthropicClient } from "./io/anthropic-client.ts";
export { ollamaClient } from "./io/ollama-client.ts";
export { openaiClient } from "./io/openai-client.ts";
export { MemoryModelStore } from "./memory-model-store.ts";
export {
  type LearnedKind,
  type LearnedRow,
  type ModelStore,
  USAGE_GROUPS,
  type UsageGroup,
  type UsageQuery,
  type UsageSum,
} from "./model-store.ts";
export {
  type Admission,
  DEFAULT_INFERENCE_LIMITS,
  type InferenceLimits,
  type InferencePorts,
  type ModelChain,
  type UsageEntry,
} from "./ports.ts";
export { InferenceService } from "./service.ts";
export { unloadModel } from "./unload-model.ts";
