/** Words of routing: what is asked for, what stood to choice, and why one was taken. */
import type { EndpointKind, Tier } from "#hw";

/** One model at one endpoint. */
export type EndpointModel = { readonly endpoint: string; readonly model: string };

/** A request as routing sees it. */
export type RouteRequest = {
  /** Models in order of preference, canonical or as people write them. Earlier ones win unless they cannot serve. */
  readonly models: readonly string[];
  readonly tier: Tier | null;
  readonly kinds: readonly EndpointKind[];
  /** Capabilities the model must have: `tools`, `vision`, `embedding`, … */
  readonly needs: readonly string[];
  readonly promptTokens: number;
  /** Expected tokens of reply. */
  readonly outputTokens: number;
  /** Context the request needs in tokens: prompt, reply, and room for the rounds that follow. */
  readonly contextTokens: number;
  /** Whether a model that was made for less context takes it all the same, and leaves out what does not fit. */
  readonly mayTruncate?: boolean;
  /** Requests of one session prefer the endpoint that has their prefix in its cache. */
  readonly session: string | null;
  /** Whether a model may run partly on the CPU when it does not fit into VRAM. */
  readonly allowSpill: boolean;
  /** Models that may answer although an Ollama server only hands them on to their vendor's cloud; no others may. */
  readonly remoteModels?: readonly string[];
  /** Endpoints that failed for this very request. */
  readonly excluded: readonly string[];
  /** Models that failed for it at one endpoint, which may have others that do not. */
  readonly excludedModels?: readonly EndpointModel[];
};

/** Expected completion time, term by term, in milliseconds. */
export type RouteTerms = {
  /** Until the endpoint takes it: what is in flight and queued there. */
  readonly waitMs: number;
  /** Until the model is in memory; 0 when it is. */
  readonly loadMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
  /** What the choice costs others: a model that must be evicted and is needed soon. */
  readonly displacementMs: number;
};

/** One pair of endpoint and model that stood to choice. */
export type RouteCandidate = {
  readonly endpoint: string;
  readonly model: string;
  /** Place of the model in the chain, 0 first. */
  readonly rank: number;
  /** Why it cannot take the request, in words; null when it can. */
  readonly refused: string | null;
  readonly terms: RouteTerms | null;
  readonly totalMs: number | null;
  /** Context to load or use the model with; null leaves it to the server. */
  readonly contextTokens: number | null;
  /** `loaded`, `fits`, `spills`, `tooLarge`, `remote`, or `unknown` when sizes are not known. */
  readonly fit: "loaded" | "fits" | "spills" | "tooLarge" | "remote" | "unknown";
  /** Where the speeds came from: `measured` here, `shared` by another endpoint with the digest, or `estimated`. */
  readonly basis: "measured" | "shared" | "estimated";
};

/** Kept with the task and shown by `drover task explain`. */
export type RouteDecision = {
  readonly atMs: number;
  readonly tier: Tier | null;
  /** Chosen first, then the others that can serve, best first, then the refused. */
  readonly candidates: readonly RouteCandidate[];
  readonly chosen: { readonly endpoint: string; readonly model: string; readonly contextTokens: number | null } | null;
  /** One sentence for a person. */
  readonly reason: string;
  /** When nothing can take it now although something could later: ask again after this. */
  readonly retryAfterMs: number | null;
};

/** Decides where a request goes. Deciding reserves nothing: the caller begins a ticket at once. */
export interface Router {
  route(request: RouteRequest): RouteDecision;
  /** The same decision for somebody who only asks; nothing is remembered of it. */
  explain(request: RouteRequest): RouteDecision;
  /** What came of it, for speeds, affinity and predicted against actual. */
  observed(observation: RouteObservation): void;
}

/** Measured of one reply. Null where the server did not say. */
export type RouteObservation = {
  readonly endpoint: string;
  readonly model: string;
  readonly session: string | null;
  readonly contextTokens: number | null;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly loadMs: number | null;
  readonly prefillMs: number | null;
  readonly decodeMs: number | null;
  /** From sending the request to its last token. */
  readonly totalMs: number;
  /** What {@link RouteDecision} had predicted. */
  readonly predictedMs: number | null;
};
