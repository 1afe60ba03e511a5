/**
 * The one vocabulary in which chats with models are spoken of inside drover. Dialects (Ollama, OpenAI, Anthropic)
 * translate into it and out of it; nothing else knows their field names.
 */
import type { JsonObject } from "#base";
import type { EndpointKind, Tier } from "#hw";

/** A function a model may call. `parameters` is a JSON Schema of an object. */
export type ToolDefinition = {
  readonly name: string;
  readonly description: string;
  readonly parameters: JsonObject;
};

/** A call whose name and arguments were found valid. */
export type ToolCall = { readonly id: string; readonly name: string; readonly arguments: JsonObject };

/** A call as a server sent it: the arguments may be an object, a text, damaged, or missing. */
export type RawToolCall = { readonly id: string | undefined; readonly name: string; readonly arguments: unknown };

export type ChatMessage =
  | { readonly role: "system"; readonly content: string }
  /** `images` are base64 without a prefix. */
  | { readonly role: "user"; readonly content: string; readonly images?: readonly string[] }
  | {
      readonly role: "assistant";
      readonly content: string;
      readonly thinking?: string;
      readonly toolCalls?: readonly ToolCall[];
    }
  | { readonly role: "tool"; readonly content: string; readonly toolCallId: string; readonly toolName: string };

export type Thinking = boolean | "low" | "medium" | "high";

/** What a caller wants of one reply. Everything left out is the server's default. */
export type ChatOptions = {
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly seed?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  readonly stop?: readonly string[];
  /** At most this many tokens of reply. */
  readonly maxTokens?: number;
  /** The context the caller needs in tokens; the router decides what the model is loaded with. */
  readonly contextTokens?: number;
  readonly thinking?: Thinking;
};

/** One request for one reply, not yet bound to a model on an endpoint. */
export type ChatRequest = {
  /** None, and no completion: the model is loaded, and the reply is empty. */
  readonly messages: readonly ChatMessage[];
  /** Plain text to go on from instead of messages; servers without such a call get it as a message of the user. */
  readonly completion?: Completion;
  readonly tools?: readonly ToolDefinition[];
  /**
   * That a tool must be called, any or this one; the model decides when left out. Ollama has no such field: there only
   * the one named is offered, and nothing is forced.
   */
  readonly toolChoice?: "required" | { readonly name: string };
  /** `"json"`, or a JSON Schema that the reply must follow (constrained decoding where the server has it). */
  readonly format?: "json" | JsonObject;
  readonly options?: ChatOptions;
  /** Further `options` of the Ollama dialect (`repeat_penalty`, …), handed on to such endpoints and left out elsewhere. */
  readonly ollamaOptions?: JsonObject;
};

/** A text to be continued. With `suffix` the model fills the gap between; `raw` sends it without the model's template. */
export type Completion = {
  readonly prompt: string;
  readonly system?: string;
  readonly suffix?: string;
  readonly raw?: boolean;
  readonly template?: string;
  readonly images?: readonly string[];
};

/** Tokens of one reply; 0 where the server did not say. */
export type TokenUsage = {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Of the prompt's, those that the server had in its cache, where it bills them apart. */
  readonly cachedPromptTokens?: number;
};

/** What a server measured of one reply, in milliseconds; null where it did not say. */
export type ReplyTimings = {
  readonly loadMs: number | null;
  readonly prefillMs: number | null;
  readonly decodeMs: number | null;
};

/** Why a reply ended: `stop` by the model, `length` at a token limit, `toolCalls` to have tools called. */
export type FinishReason = "stop" | "length" | "toolCalls";

/** What a reply consists of, in order; ends with exactly one `done` or `failed`. */
export type ChatEvent =
  /** Said once before anything else: which model on which endpoint answers. */
  | {
      readonly kind: "routed";
      readonly endpoint: string;
      readonly model: string;
      readonly contextTokens: number | null;
    }
  | { readonly kind: "thinking"; readonly text: string }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "toolCall"; readonly call: RawToolCall }
  | {
      readonly kind: "done";
      readonly reason: FinishReason;
      readonly usage: TokenUsage;
      readonly timings: ReplyTimings;
      /** What this reply cost, in millionths of a dollar; 0 for local models without a price. */
      readonly costMicrodollars: number;
    }
  /** `model`: which one was asked last, where one was and `routed` did not say so. */
  | { readonly kind: "failed"; readonly failure: InferenceFailure; readonly model?: string };

/**
 * Why there is no (whole) reply. `tried` lists endpoint and reason of each try, for a person.
 * - `unreachable`, `overloaded` (503, 429), `loadFailed`, `serverFault`, `denied` (401, 403), `timedOut` (one of the
 *   deadlines): another endpoint may do better.
 * - `badToolCall`: the server could not read the model's own tool call (Ollama answers 500); ask without `tools`.
 * - `notSupported`: the model lacks a capability (`tools`, `thinking`, …), which is learned.
 * - `notFound`: no endpoint has the model. `refused`: the request is wrong. `budget`: a budget is used up.
 * - `noRoute`: no candidate can take the request now. `cut`: the stream ended without its end.
 */
export type InferenceFailure = {
  readonly kind:
    | "unreachable"
    | "overloaded"
    | "loadFailed"
    | "serverFault"
    | "denied"
    | "timedOut"
    | "badToolCall"
    | "notSupported"
    | "notFound"
    | "refused"
    | "budget"
    | "noRoute"
    | "cut"
    | "cancelled"
    | "internal";
  readonly message: string;
  /** Whether the same request may succeed later. */
  readonly isRetryable: boolean;
  /** Whether anything of the reply was seen before it failed; then only the caller may ask again. */
  readonly afterFirstToken: boolean;
  readonly status?: number;
  readonly retryAfterMs?: number;
  /** What `notSupported` is about: `tools`, `thinking`, `vision`, … */
  readonly capability?: string;
};

/** For whom a request is made: who pays, where it is routed, what the decision is filed under. */
export type RequestContext = {
  readonly purpose: "task" | "gateway";
  readonly taskId?: string;
  readonly attempt?: number;
  /** The goal that the task belongs to. */
  readonly goal?: string;
  /** Requests of one session prefer the endpoint that has the session's prefix in its cache. */
  readonly session?: string;
  /** Explicit models in order of preference; otherwise the tier's. */
  readonly models?: readonly string[];
  /** Of a task's models those that it names itself; at the gateway whatever is asked for is named. */
  readonly namedModels?: readonly string[];
  readonly tier?: Tier;
  /** Which kinds of endpoint may answer; all local ones when left out. */
  readonly kinds?: readonly EndpointKind[];
  /** Whether a model may run partly on the CPU when it does not fit into VRAM; as the node is set when left out. */
  readonly allowSpill?: boolean;
  readonly priority?: "critical" | "high" | "normal" | "low" | "background";
};

/** Whatever answers chats: the router in the node, its link in a worker, a script in a test. */
export interface ChatModel {
  /**
   * Streams one reply. Never throws: faults are a `failed` event. Aborting ends the stream with `cancelled`, also
   * during a load or the prefill. Reading slowly holds the sender back.
   */
  chat(request: ChatRequest, context: RequestContext, signal: AbortSignal): AsyncIterable<ChatEvent>;
}
