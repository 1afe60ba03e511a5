import { type Clock, SimulatedClock, silentLogger } from "#base";
import type { CallOutcome, Endpoint, EndpointDirectory, EndpointState, Model, Ticket } from "#hw";
import {
  anthropicClient,
  type ChatEvent,
  type ChatRequest,
  DEFAULT_INFERENCE_LIMITS,
  type InferencePorts,
  InferenceService,
  MemoryModelStore,
  ollamaClient,
  openaiClient,
  type RequestContext,
  type UsageEntry,
} from "#inference";
import type { RouteDecision, RouteObservation, RouteRequest, Router } from "#scheduler";

export const MODEL = "m:latest";

/** @returns an endpoint that offers models with every capability; one, unless others are named. */
export function endpointState(
  id: string,
  url: string,
  more: Partial<Endpoint> = {},
  names: readonly string[] = [MODEL],
): EndpointState {
  const endpoint: Endpoint = {
    id,
    kind: "ollama",
    url,
    origin: "config",
    apiKeyFile: null,
    labels: {},
    isLocal: true,
    parallel: null,
    models: [],
    ...more,
  };
  const model: Model = {
    name: MODEL,
    digest: "d1",
    sizeBytes: 1_000,
    isRemote: false,
    family: "toy",
    parameterSize: "1M",
    quantization: "F16",
    capabilities: ["completion", "tools", "embedding"],
    contextLength: 8_192,
    shape: null,
  };
  return {
    endpoint,
    health: { kind: "healthy" },
    version: "0.1.0",
    models: names.map((name) => ({ ...model, name })),
    loaded: [],
    polledAtMs: 0,
    latencyMs: 1,
    inFlight: {},
    outsiders: null,
    penalty: 0,
    lastError: null,
  };
}

/** Endpoints that stand still, with a ledger that can be looked into. */
export class StillDirectory implements EndpointDirectory {
  readonly outcomes: (readonly [string, CallOutcome["kind"]])[] = [];
  readonly learned: string[] = [];
  readonly #inFlight = new Map<string, number>();
  #states: readonly EndpointState[];

  constructor(states: readonly EndpointState[]) {
    this.#states = states;
  }

  states(): readonly EndpointState[] {
    return this.#states.map((state) => ({ ...state, inFlight: { [MODEL]: this.running(state.endpoint.id) } }));
  }

  state(id: string): EndpointState | undefined {
    return this.states().find(({ endpoint }) => endpoint.id === id);
  }

  running(id: string): number {
    return this.#inFlight.get(id) ?? 0;
  }

  begin(endpointId: string, model: string): Ticket {
    this.#inFlight.set(endpointId, this.running(endpointId) + 1);
    let isOpen = true;
    return {
      endpointId,
      model,
      end: (outcome) => {
        if (!isOpen) return;
        isOpen = false;
        this.#inFlight.set(endpointId, this.running(endpointId) - 1);
        this.outcomes.push([endpointId, outcome.kind]);
      },
    };
  }

  lacks(endpointId: string, _model: string, capability: string): void {
    this.learned.push(`${endpointId} lacks ${capability}`);
  }

  missing(endpointId: string, model: string): void {
    this.learned.push(`${endpointId} misses ${model}`);
    this.#states = this.#states.map((state) =>
      state.endpoint.id === endpointId
        ? { ...state, models: state.models.filter(({ name }) => name !== model) }
        : state,
    );
  }
}

/** Takes the first endpoint of the directory, and there the first model of the chain, that was not excluded. */
export class FirstRouter implements Router {
  readonly asked: RouteRequest[] = [];
  readonly observations: RouteObservation[] = [];
  readonly #directory: EndpointDirectory;

  constructor(directory: EndpointDirectory) {
    this.#directory = directory;
  }

  route(request: RouteRequest): RouteDecision {
    this.asked.push(request);
    return this.explain(request);
  }

  explain(request: RouteRequest): RouteDecision {
    const isOut = (endpoint: string, model: string): boolean =>
      (request.excludedModels ?? []).some((each) => each.endpoint === endpoint && each.model === model);
    const [chosen = null] = this.#directory
      .states()
      .filter(({ endpoint }) => !request.excluded.includes(endpoint.id) && request.kinds.includes(endpoint.kind))
      .flatMap(({ endpoint, models }) =>
        request.models
          .filter((wanted) => models.some(({ name }) => name === wanted) && !isOut(endpoint.id, wanted))
          .map((model) => ({ endpoint: endpoint.id, model, contextTokens: null })),
      );
    const reason = chosen === null ? "no endpoint is left" : `${chosen.endpoint} is the first`;
    return { atMs: 0, tier: request.tier, candidates: [], chosen, reason, retryAfterMs: null };
  }

  observed(observation: RouteObservation): void {
    this.observations.push(observation);
  }
}

export type InferenceWorld = {
  readonly clock: Clock;
  readonly directory: StillDirectory;
  readonly router: FirstRouter;
  readonly store: MemoryModelStore;
  readonly usage: UsageEntry[];
  readonly decisions: RouteDecision[];
  readonly service: InferenceService;
  /** What the service was made of. */
  readonly ports: InferencePorts;
};

/** The real service with the real clients over endpoints that stand still. */
export function inferenceWorld(states: readonly EndpointState[], more: Partial<InferencePorts> = {}): InferenceWorld {
  const clock = more.clock ?? new SimulatedClock();
  const directory = new StillDirectory(states);
  const router = new FirstRouter(directory);
  const usage: UsageEntry[] = [];
  const decisions: RouteDecision[] = [];
  const ports: InferencePorts = {
    directory,
    router,
    clients: { ollama: ollamaClient, openai: openaiClient, anthropic: anthropicClient },
    clock,
    logger: silentLogger,
    limits: DEFAULT_INFERENCE_LIMITS,
    allowSpill: false,
    chain: (context) => ({
      models: context.models ?? [MODEL],
      tier: context.tier ?? null,
      kinds: context.kinds ?? ["ollama", "openai", "anthropic"],
      named: context.models ?? [],
      reason: "as asked",
    }),
    slots: () => 100,
    admit: () => ({ kind: "allowed" }),
    priceMicrodollars: (_model, { promptTokens, completionTokens }) => promptTokens + 2 * completionTokens,
    energyJoules: () => null,
    record: (entry) => void usage.push(entry),
    decided: (_context, decision) => void decisions.push(decision),
    ...more,
  };
  const service = new InferenceService(ports);
  return { clock, directory, router, store: new MemoryModelStore(), usage, decisions, service, ports };
}

export const QUESTION: ChatRequest = { messages: [{ role: "user", content: "how many?" }] };
export const FOR_TASK: RequestContext = { purpose: "task", taskId: "t_1", attempt: 1 };

/** @returns every event of a reply. */
export async function replyOf(
  service: InferenceService,
  request = QUESTION,
  context = FOR_TASK,
  signal = new AbortController().signal,
): Promise<readonly ChatEvent[]> {
  const events: ChatEvent[] = [];
  for await (const event of service.chat(request, context, signal)) events.push(event);
  return events;
}
