/** Words for servers that run models: what they are, what was seen of them, how healthy they are. */

export const ENDPOINT_KINDS = ["ollama", "openai", "anthropic"] as const;
export type EndpointKind = (typeof ENDPOINT_KINDS)[number];

/** Where knowledge of an endpoint came from; a person's word (`config`, `api`) counts more than a finding. */
export type EndpointOrigin = "config" | "api" | "localhost" | "node";

/** An endpoint as it is configured. The key itself is read from `apiKeyFile` when a request is made, never kept here. */
export type Endpoint = {
  /** Short, stable, made of the URL or the name given: `ollama-11434`. */
  readonly id: string;
  readonly kind: EndpointKind;
  /** Without a slash at the end, without a path of the API: `http://127.0.0.1:11434`. */
  readonly url: string;
  readonly origin: EndpointOrigin;
  readonly apiKeyFile: string | null;
  readonly labels: Readonly<Record<string, string>>;
  /** Whether it runs on this host, so that this host's memory and graphics cards are its own. */
  readonly isLocal: boolean;
  /** Requests that one model answers at once; null when it has to be learned. */
  readonly parallel: number | null;
  /** Models it may be used for; all of them when empty. */
  readonly models: readonly string[];
  /** Memory of its graphics cards as a person states it, 0 without any; absent: not stated. */
  readonly vramBytes?: number;
};

/** A graphics card of another host, as it is announced. */
export type AnnouncedGpu = {
  readonly name: string;
  readonly vramBytes: number | null;
  /** Free at that moment, whoever holds the rest. */
  readonly freeVramBytes: number | null;
  /** It shares the CPU's memory. */
  readonly unified: boolean;
};

/** What another node, or a program beside a server of models, says of the host under an endpoint. */
export type Announcement = {
  /** Who says it. */
  readonly node: string;
  readonly heardAtMs: number;
  /** It counts until then, unless it is said again. */
  readonly expiresAtMs: number;
  /** Null: not said. Empty: there is none. */
  readonly gpus: readonly AnnouncedGpu[] | null;
  /** Name of the processor. */
  readonly cpu: string | null;
  readonly ramBytes: number | null;
  readonly freeRamBytes: number | null;
};

/** What decides the memory that a model needs beside its weights. From `model_info` of `/api/show`. */
export type ModelShape = {
  readonly architecture: string;
  readonly blockCount: number;
  readonly embeddingLength: number;
  readonly headCount: number;
  /** Key-value heads of each layer. */
  readonly headCountKv: readonly number[];
  readonly keyLength: number;
  readonly valueLength: number;
  /** Tokens a layer looks back; null when every layer sees the whole context. */
  readonly slidingWindow: number | null;
  /** Every n-th layer sees the whole context where the others slide; null when all slide. */
  readonly fullAttentionEvery: number | null;
  readonly vocabularySize: number | null;
  readonly expertCount: number | null;
  readonly expertUsedCount: number | null;
  readonly parameterCount: number | null;
  /** Which layers slide, where the file lists them one by one; counts instead of `fullAttentionEvery`. */
  readonly slidingLayers?: readonly boolean[];
  /** Where sliding layers have other lengths of key and value than the rest. */
  readonly slidingKeyLength?: number;
  readonly slidingValueLength?: number;
  /** State of all recurrent layers for one sequence; does not grow with the context. */
  readonly recurrentStateBytes?: number;
};

/** A model that an endpoint offers. */
export type Model = {
  /** Canonical: with its tag, `llama3.2:latest`. */
  readonly name: string;
  /** As the server writes it, where that differs; requests carry this one. */
  readonly serverName?: string;
  readonly digest: string | null;
  /** Bytes of weights on disk; null when the server does not say. */
  readonly sizeBytes: number | null;
  /** Runs elsewhere (a cloud model): uses no local memory, and must not count as local. */
  readonly isRemote: boolean;
  readonly family: string | null;
  readonly parameterSize: string | null;
  readonly quantization: string | null;
  /** `tools`, `vision`, `thinking`, `embedding`, `completion`, …; null when the server does not say. */
  readonly capabilities: readonly string[] | null;
  /** The longest context in tokens the model was made for. */
  readonly contextLength: number | null;
  readonly shape: ModelShape | null;
};

/** A model in memory, as `/api/ps` reports it. Sizes are measured by the server. */
export type LoadedModel = {
  readonly name: string;
  readonly digest: string | null;
  readonly sizeBytes: number;
  /** Of these in VRAM: equal means wholly on graphics cards, 0 on the CPU, between a spill. */
  readonly vramBytes: number;
  readonly contextLength: number | null;
  readonly expiresAtMs: number | null;
  /** Not reported yet: a request of this node is having it loaded, and the sizes are those of its file. */
  readonly isExpected?: true;
};

/**
 * How an endpoint fares. `unknown` was never reached, `healthy` takes requests, `open` takes none until `retryAtMs`,
 * `halfOpen` takes one to see.
 */
export type Health =
  | { readonly kind: "unknown" }
  | { readonly kind: "healthy" }
  | { readonly kind: "open"; readonly retryAtMs: number; readonly reason: string; readonly faults: number }
  | { readonly kind: "halfOpen"; readonly reason: string };

/** Everything known of one endpoint at one moment. */
export type EndpointState = {
  readonly endpoint: Endpoint;
  readonly health: Health;
  readonly version: string | null;
  readonly models: readonly Model[];
  readonly loaded: readonly LoadedModel[];
  /** When `loaded` was last seen; null before the first answer. */
  readonly polledAtMs: number | null;
  /** Answer time of the last probe. */
  readonly latencyMs: number | null;
  /** Requests of this node that are under way, by model. */
  readonly inFlight: Readonly<Record<string, number>>;
  /** Requests of other programs, where they can be seen. */
  readonly outsiders: number | null;
  /** Extra load for a time after an answer like 503, in requests. */
  readonly penalty: number;
  readonly lastError: string | null;
  /** Models that failed here while the server answered, and take no requests, or one to see; the others are well. */
  readonly modelHealth?: Readonly<Record<string, Health>>;
  /** Requests that a model here answers at once, where the server itself says so. */
  readonly parallel?: number;
  /** The context each model is loaded with here, in tokens: another one would reload it. */
  readonly pins?: Readonly<Record<string, number>>;
  /** What is announced of its host now. */
  readonly announcement?: Announcement;
};

/** How a request that went to an endpoint ended, as its health is judged. */
export type CallOutcome =
  | { readonly kind: "ok" }
  /** No connection, a cut stream, a server fault: counts against it. */
  | {
      readonly kind: "fault";
      readonly reason: string;
      /** No connection came about: nothing listens there, so one is enough. */
      readonly isRefused?: boolean;
    }
  /** 503, 429: alive, but more must not be sent; `fast` answers must not attract more. */
  | { readonly kind: "overloaded"; readonly reason: string; readonly retryAfterMs: number | null }
  /** The server answered, and the model there failed: could not be loaded, crashed. Counts against that model alone. */
  | { readonly kind: "modelFault"; readonly reason: string }
  /** The request's own fault: says nothing about the endpoint. */
  | { readonly kind: "neutral" };

/**
 * The ledger entry of one request. Counted from {@link EndpointDirectory.begin} until `end`, which may be called more
 * than once and counts once.
 */
export interface Ticket {
  readonly endpointId: string;
  readonly model: string;
  end(outcome: CallOutcome): void;
}

/** What routing and clients need of the endpoints. */
export interface EndpointDirectory {
  /** As of now: the last poll, with what this node has begun since. */
  states(): readonly EndpointState[];
  state(id: string): EndpointState | undefined;
  /** Whether servers are looked for or looked at for the first time: what is offered is not known yet. Takes seconds. */
  isLooking?(): boolean;
  /** Counts a request from here on, and expects the model to be loaded. */
  begin(endpointId: string, model: string, contextTokens: number | null): Ticket;
  /** Learned from an answer: the model there lacks a capability. */
  lacks(endpointId: string, model: string, capability: string): void;
  /** The model was not found there: what it offers is asked for again. */
  missing(endpointId: string, model: string): void;
}
