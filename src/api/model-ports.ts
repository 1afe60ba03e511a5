/** What the API needs of hardware, endpoints and models. */
import type { Result } from "#base";
import type { AnnouncedEndpoint, Endpoint, EndpointState, HostCapacity, Tier } from "#hw";
import type { ChatModel, ChatRequest, EmbedOutcome, EmbedRequest, ModelStore, RequestContext } from "#inference";
import type { PassRate, PredictionAccuracy, RouteDecision } from "#scheduler";

/** The limits on spending and how much of each is used. Null means without limit. */
export type BudgetState = {
  readonly span: "hour" | "day";
  readonly unit: "microdollars" | "tokens";
  readonly limit: number;
  readonly used: number;
  /** What happens when it is used up. */
  readonly action: string;
  /** When the oldest use leaves the span. */
  readonly freesAtMs: number | null;
};

/** A capacity sample of the past, as it was stored. */
export type CapacityPoint = { readonly atMs: number; readonly sample: unknown };

/** How a prompt was classed. */
export type Classification = { readonly tier: "trivial" | "standard" | "complex"; readonly reason: string };

/** How often a model passed the verification of tasks that were classed as a tier. */
export type ModelPassRate = { readonly model: string; readonly tier: Tier } & PassRate;

export interface ModelPorts {
  readonly store: ModelStore;
  /** The models of the fleet as one. */
  readonly inference: ChatModel & {
    readonly waiting: number;
    explain(request: ChatRequest, context: RequestContext): RouteDecision;
    embed(
      request: EmbedRequest,
      context: RequestContext,
      signal: AbortSignal,
    ): Promise<EmbedOutcome & { readonly model?: string }>;
  };
  /** Whether other programs may use the models through `/ollama` and `/openai`. */
  readonly isGatewayOpen: boolean;
  capacity(): HostCapacity;
  capacityHistory(sinceMs: number, limit: number): Promise<Result<readonly CapacityPoint[]>>;
  endpoints(): readonly EndpointState[];
  /** Adds an endpoint for good and looks at it once. Refused when its id or address is taken. */
  addEndpoint(
    endpoint: Omit<Endpoint, "id" | "origin" | "isLocal"> & { readonly id: string | null },
  ): Promise<Result<EndpointState>>;
  /** Takes in what another node says of an endpoint and its host until its lease ends; nothing is kept of it. */
  announceEndpoint(announced: AnnouncedEndpoint): Result<EndpointState>;
  /** Refused for one that the configuration names: it would come back with the next start. */
  removeEndpoint(id: string): Promise<Result<void>>;
  /** Looks at it now, whatever its health is. */
  probeEndpoint(id: string): Promise<Result<EndpointState>>;
  classify(prompt: string): Classification;
  /** How far expected times were from what replies took. */
  accuracy(): PredictionAccuracy;
  /** What verification said of models so far, by model and tier; none of a model that was never judged. */
  passRates(): readonly ModelPassRate[];
  budgets(): Promise<Result<readonly BudgetState[]>>;
}
