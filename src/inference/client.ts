import type { JsonObject } from "#base";
import type { Endpoint } from "#hw";
import type { ChatEvent, ChatRequest, InferenceFailure, TokenUsage } from "./chat.ts";

/** Where a request goes: decided before, for one try. */
export type Target = {
  readonly endpoint: Endpoint;
  /** Canonical, as it is accounted. */
  readonly model: string;
  /** As the server calls it. */
  readonly wireName: string;
  /** Context to use the model with; null leaves it to the server. */
  readonly contextTokens: number | null;
  /** How long the server keeps the model in memory afterwards, in seconds; negative for ever. */
  readonly keepAliveSeconds: number | null;
};

/** What a server's stream consists of: as {@link ChatEvent}, without what only the router knows. */
export type ClientEvent =
  | Exclude<ChatEvent, { readonly kind: "routed" | "done" }>
  | Omit<Extract<ChatEvent, { readonly kind: "done" }>, "costMicrodollars">;

/** Texts to be made vectors. What is left out is the server's default. */
export type EmbedRequest = {
  readonly texts: readonly string[];
  /** Numbers of each vector, where the model was made for several lengths. */
  readonly dimensions?: number;
  /** Whether a text that is too long is cut (Ollama, its default) or refused (all others, always). */
  readonly truncate?: boolean;
  /** The context the caller needs in tokens. */
  readonly contextTokens?: number;
  /** Further `options` of the Ollama dialect, handed on to such endpoints and left out elsewhere. */
  readonly ollamaOptions?: JsonObject;
};

export type EmbedReply = { readonly vectors: readonly (readonly number[])[]; readonly usage: TokenUsage };
export type EmbedOutcome =
  | { readonly kind: "done"; readonly reply: EmbedReply }
  | { readonly kind: "failed"; readonly failure: InferenceFailure };

/** Speaks one dialect. Neither method throws; an aborted signal ends both at once, as `cancelled`. */
export interface ModelClient {
  /** Streams always; ends with one `done` or `failed`. */
  chat(target: Target, request: ChatRequest, signal: AbortSignal): AsyncIterable<ClientEvent>;
  /** One vector per text, in order. */
  embed(target: Target, request: EmbedRequest, signal: AbortSignal): Promise<EmbedOutcome>;
}
