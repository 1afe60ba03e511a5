/** What the service needs of the rest of the node; the runtime wires it, tests make small ones. */
import type { Clock, Logger } from "#base";
import type { EndpointDirectory, EndpointKind, Tier } from "#hw";
import type { RouteDecision, Router } from "#scheduler";
import type { RequestContext, TokenUsage } from "./chat.ts";
import type { ModelClient } from "./client.ts";

/** The models a request may be answered by, best first, and which kinds of endpoint may be asked. */
export type ModelChain = {
  readonly models: readonly string[];
  readonly tier: Tier | null;
  readonly kinds: readonly EndpointKind[];
  /** Those that a person named, in the request or in the configuration: they may run in a cloud. */
  readonly named: readonly string[];
  /** How the chain came about, for a person. */
  readonly reason: string;
};

/** Whether a request may be made under the budgets. `localOnly` leaves the endpoints that cost nothing. */
export type Admission =
  | { readonly kind: "allowed" }
  | { readonly kind: "localOnly"; readonly reason: string }
  | { readonly kind: "refused"; readonly reason: string; readonly retryAfterMs: number | null };

/** One reply as it is accounted. */
export type UsageEntry = {
  readonly atMs: number;
  readonly purpose: RequestContext["purpose"];
  readonly taskId: string | null;
  readonly attempt: number | null;
  /** The goal that the task named; null without one. */
  readonly goal: string | null;
  readonly endpoint: string;
  readonly model: string;
  readonly tier: Tier | null;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costMicrodollars: number;
  /** Of the graphics cards and the processor over the time of the reply; null where it cannot be measured. */
  readonly energyJoules: number | null;
  readonly durationMs: number;
};

export interface InferencePorts {
  readonly directory: EndpointDirectory;
  readonly router: Router;
  readonly clients: Readonly<Record<EndpointKind, ModelClient>>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: InferenceLimits;
  /** Whether a model may run partly on the CPU where a request does not say. */
  readonly allowSpill: boolean;
  chain(context: RequestContext): ModelChain;
  /** Requests that (endpoint, model) answers at once: as configured, else as learned. */
  slots(endpointId: string, model: string): number;
  admit(context: RequestContext): Admission;
  /** What a reply costs: its tokens at the model's price, and the energy it took where that has one. */
  priceMicrodollars(model: string, usage: TokenUsage, energyJoules: number | null): number;
  energyJoules(endpointId: string, fromMs: number, toMs: number): number | null;
  /** Called for each reply that was paid for, whole or not. */
  record(entry: UsageEntry): void;
  /** Called with each decision made for a request, also one that found nothing. */
  decided(context: RequestContext, decision: RouteDecision): void;
}

export type InferenceLimits = {
  /** The longest a first token may take, whatever was expected. */
  readonly firstTokenMs: number;
  readonly betweenTokensMs: number;
  readonly totalMs: number;
  /** How long a request may wait for a slot before it is refused. */
  readonly queueMs: number;
  /** How long a model stays in memory after a reply, in seconds; null leaves it to the server. */
  readonly keepAliveSeconds: number | null;
};

/** CONTRACT: limits, wall time 30 min; the others as measured servers need them. */
export const DEFAULT_INFERENCE_LIMITS: InferenceLimits = {
  firstTokenMs: 10 * 60 * 1_000, // a model of 90 GB from a slow disk, then a long prompt
  betweenTokensMs: 90_000, // a model that spilled to the CPU still says a token a second
  totalMs: 30 * 60 * 1_000,
  queueMs: 10 * 60 * 1_000,
  keepAliveSeconds: null,
};
