/**
 * Asks the right model on the right endpoint, once or more often. Invariants:
 * I1: another endpoint or model is asked only as long as nothing of a reply was seen.
 * I2: every request that was begun at an endpoint is ended there, whatever happens to its reader.
 * I3: a reply that cost something is recorded, also when it was cut off.
 */
import { type CallOutcome, type EndpointState, modelOf } from "#hw";
import type { RouteDecision, RouteRequest } from "#scheduler";
import { AdmissionQueue, type Admitted, type Look } from "./admission.ts";
import type { ChatEvent, ChatModel, ChatRequest, InferenceFailure, RequestContext } from "./chat.ts";
import type { ClientEvent, EmbedOutcome, EmbedRequest, Target } from "./client.ts";
import { type Deadlines, withDeadlines, within } from "./deadlines.ts";
import { estimatePromptTokens } from "./estimate.ts";
import { inferenceFailure } from "./failure.ts";
import { noneChosen } from "./none-chosen.ts";
import type { InferencePorts } from "./ports.ts";
import { embedNeed, type RouteNeed, routeNeed, routeNow } from "./route-need.ts";
import { type Excluded, outcomeOf, Tries } from "./tries.ts";

/** Expected times are guesses until they were measured. */
const FIRST_TOKEN_FACTOR = 3;
/** A busy disk, a cold cache: below this a first token is never late. */
const MIN_FIRST_TOKEN_MS = 60_000;
/** Servers hold a tool call back until it is whole; a file of 4,000 tokens at 10 a second is silent that long. */
const TOOL_SILENCE_FACTOR = 5;

type Need = { readonly route: RouteNeed; readonly context: RequestContext };
/** A target, and whether its endpoint only hands the request on to the vendor of the model. */
type Place = Target & { readonly isHandedOn: boolean };

const NOTHING_EXCLUDED: Excluded = { endpoints: [], models: [] };

export class InferenceService implements ChatModel {
  readonly #ports: InferencePorts;
  readonly #queue: AdmissionQueue;

  constructor(ports: InferencePorts) {
    this.#ports = ports;
    this.#queue = new AdmissionQueue(ports.clock);
  }

  /** Requests that wait for a model. */
  get waiting(): number {
    return this.#queue.waiting;
  }

  /** To be called when endpoints changed, so that those who wait look again at once. */
  endpointsChanged(): void {
    this.#queue.pump();
  }

  /** Where a request would go now, with every term, or why it would be refused; begins nothing. */
  explain(request: ChatRequest, context: RequestContext): RouteDecision {
    const need = this.#need(request, context);
    const decision = this.#ports.router.explain(this.#routeOf(need, NOTHING_EXCLUDED));
    const failure = this.#overBudget(need);
    if (failure === undefined) return decision;
    return { ...decision, chosen: null, reason: failure.message, retryAfterMs: failure.retryAfterMs ?? null };
  }

  async *chat(
    request: ChatRequest,
    context: RequestContext,
    signal: AbortSignal,
  ): AsyncGenerator<ChatEvent, void, void> {
    let asked = request;
    const tries = new Tries();
    for (;;) {
      const admitted = await this.#admit(this.#need(asked, context), tries.excluded, signal);
      if (isFailure(admitted)) {
        yield tries.failedEvent(admitted);
        return;
      }
      const target = this.#target(admitted);
      if (target === undefined) {
        admitted.ticket.end({ kind: "neutral" });
        tries.gone(admitted.ticket.endpointId);
        continue; // it was removed in this very moment
      }
      const failure = yield* this.#ask(asked, context, admitted, target, signal);
      if (failure === undefined) return;
      const without = this.#withoutLacking(asked, failure);
      if (without !== undefined) {
        tries.noted(target.endpoint.id, target.model, failure);
        asked = without;
      } else if (!tries.failed({ ...target, endpoint: target.endpoint.id }, failure)) {
        yield tries.failedEvent(failure);
        return;
      }
    }
  }

  /** Brings a model into memory ahead of time; whoever asks for it then finds it there. @returns why it failed, if it did. */
  async load(endpointId: string, model: string, contextTokens: number | null): Promise<InferenceFailure | undefined> {
    const { directory, clients, limits, clock } = this.#ports;
    const state = directory.state(endpointId);
    if (state === undefined) return inferenceFailure("notFound", `there is no endpoint ${endpointId}`);
    const ticket = directory.begin(endpointId, model, contextTokens);
    const wireName = modelOf(state, model)?.serverName ?? model;
    const target = {
      endpoint: state.endpoint,
      model,
      wireName,
      contextTokens,
      keepAliveSeconds: limits.keepAliveSeconds,
    };
    let outcome: CallOutcome = { kind: "neutral" };
    try {
      const open = (signal: AbortSignal): AsyncIterable<ClientEvent> =>
        clients[state.endpoint.kind].chat(target, { messages: [] }, signal);
      const nobody = new AbortController().signal;
      for await (const event of withDeadlines(open, limits, clock, nobody)) {
        if (event.kind === "failed") {
          outcome = outcomeOf(event.failure);
          return event.failure;
        }
      }
      outcome = { kind: "ok" };
      return undefined;
    } finally {
      ticket.end(outcome);
      this.#queue.pump();
    }
  }

  /** One vector per text, in order, from the first endpoint that answers within the deadline. */
  async embed(
    request: EmbedRequest,
    context: RequestContext,
    signal: AbortSignal,
  ): Promise<EmbedOutcome & { readonly model?: string }> {
    const route = embedNeed(request, context, this.#ports.allowSpill);
    const tries = new Tries();
    for (;;) {
      const admitted = await this.#admit({ route, context }, tries.excluded, signal);
      if (isFailure(admitted)) return { kind: "failed", failure: tries.told(admitted) };
      const target = this.#target(admitted);
      if (target === undefined) {
        admitted.ticket.end({ kind: "neutral" });
        tries.gone(admitted.ticket.endpointId);
        continue;
      }
      const startedAtMs = this.#ports.clock.nowMs();
      const outcome = await this.#embedAt(request, admitted, target, signal);
      if (outcome.kind === "done") {
        this.#record(context, target, admitted.decision, outcome.reply.usage, startedAtMs);
        return { ...outcome, model: target.model };
      }
      if (!tries.failed({ ...target, endpoint: target.endpoint.id }, outcome.failure)) {
        return { kind: "failed", failure: tries.told(outcome.failure) };
      }
    }
  }

  async #embedAt(
    request: EmbedRequest,
    { decision, ticket }: Admitted,
    target: Place,
    signal: AbortSignal,
  ): Promise<EmbedOutcome> {
    const { clients, clock, limits } = this.#ports;
    const open = (inner: AbortSignal): Promise<EmbedOutcome> =>
      clients[target.endpoint.kind].embed(target, request, inner);
    // All vectors come at once, after the last text was read, so many texts need more than the limit of a first token.
    const expectedMs = expectedMsOf(decision) ?? 0;
    const limitMs = Math.min(limits.totalMs, Math.max(limits.firstTokenMs, FIRST_TOKEN_FACTOR * expectedMs));
    const outcome = await within(open, limitMs, clock, signal);
    if (outcome.kind === "failed") this.#learn(target, outcome.failure);
    ticket.end(outcome.kind === "done" ? { kind: "ok" } : outcomeOf(outcome.failure, target.isHandedOn));
    this.#queue.pump();
    return outcome;
  }

  #need(request: ChatRequest, context: RequestContext): Need {
    return { route: routeNeed(request, context, this.#ports.allowSpill), context };
  }

  #routeOf({ route, context }: Need, excluded: Excluded): RouteRequest {
    return routeNow(route, this.#ports.chain(context), this.#ports.admit(context), excluded);
  }

  #admit(need: Need, excluded: Excluded, signal: AbortSignal): Promise<Admitted | InferenceFailure> {
    // At each look anew: a budget can end, and endpoints come, while the request waits.
    const look = (): Look => {
      const failure = this.#overBudget(need);
      if (failure !== undefined) return { kind: "failed", failure };
      return this.#look(this.#routeOf(need, excluded), need.context);
    };
    return this.#queue.enter(look, need.context.priority, this.#ports.limits.queueMs, signal);
  }

  /** @returns why the budgets refuse the request now, or undefined when they do not. */
  #overBudget(need: Need): InferenceFailure | undefined {
    const admission = this.#ports.admit(need.context);
    switch (admission.kind) {
      case "allowed":
        return undefined;
      case "localOnly": {
        const isOnlyPaid = this.#routeOf(need, NOTHING_EXCLUDED).kinds.length === 0;
        return isOnlyPaid ? inferenceFailure("budget", admission.reason) : undefined;
      }
      case "refused": {
        const { reason, retryAfterMs } = admission;
        return inferenceFailure("budget", reason, retryAfterMs === null ? {} : { retryAfterMs });
      }
    }
  }

  #look(request: RouteRequest, context: RequestContext): Look {
    const { router, directory } = this.#ports;
    const decision = router.explain(request);
    const { chosen } = decision;
    if (chosen === null) {
      // At the start of a node its servers are not known yet; workers that outlived the one before it ask at once.
      const isLooking = directory.isLooking?.() ?? false;
      if (decision.retryAfterMs !== null || isLooking) return { kind: "wait", reason: decision.reason };
      this.#ports.decided(context, decision);
      return { kind: "failed", failure: noneChosen(request, directory.states(), decision) };
    }
    const running = directory.state(chosen.endpoint)?.inFlight[chosen.model] ?? 0;
    const most = this.#ports.slots(chosen.endpoint, chosen.model);
    if (running >= most) {
      return { kind: "wait", reason: `${chosen.model} on ${chosen.endpoint} answers ${running} requests already` };
    }
    const isWarm = decision.candidates[0]?.fit === "loaded";
    return { kind: "ready", model: chosen.model, isWarm, start: () => this.#start(request, context, decision) };
  }

  /** A1: decides for good and counts in one turn. */
  #start(request: RouteRequest, context: RequestContext, seen: RouteDecision): Admitted {
    const { router, directory } = this.#ports;
    const decision = router.route(request);
    const chosen = decision.chosen ?? seen.chosen;
    const ticket = directory.begin(chosen?.endpoint ?? "", chosen?.model ?? "", chosen?.contextTokens ?? null);
    this.#ports.decided(context, decision);
    return { decision, ticket };
  }

  #target({ decision, ticket }: Admitted): Place | undefined {
    const state: EndpointState | undefined = this.#ports.directory.state(ticket.endpointId);
    if (state === undefined) return undefined;
    const model = modelOf(state, ticket.model);
    return {
      endpoint: state.endpoint,
      model: ticket.model,
      wireName: model?.serverName ?? ticket.model,
      isHandedOn: state.endpoint.kind === "ollama" && model?.isRemote === true,
      contextTokens: decision.chosen?.contextTokens ?? null,
      keepAliveSeconds: this.#ports.limits.keepAliveSeconds,
    };
  }

  /** One try. @returns why nothing of a reply came, when nothing did and nothing was said to the reader. */
  async *#ask(
    request: ChatRequest,
    context: RequestContext,
    { decision, ticket }: Admitted,
    target: Place,
    signal: AbortSignal,
  ): AsyncGenerator<ChatEvent, InferenceFailure | undefined, void> {
    const { clock, clients } = this.#ports;
    const startedAtMs = clock.nowMs();
    const startedMs = clock.monotonicMs();
    let outcome: CallOutcome = { kind: "neutral" };
    let said = 0;
    let isRecorded = false;
    try {
      const open = (inner: AbortSignal): AsyncIterable<ClientEvent> =>
        clients[target.endpoint.kind].chat(target, request, inner);
      for await (const event of withDeadlines(open, this.#deadlines(decision, request), clock, signal)) {
        if (event.kind === "failed") {
          outcome = outcomeOf(event.failure, target.isHandedOn);
          this.#learn(target, event.failure);
          if (said === 0) return event.failure;
          yield event;
          return undefined;
        }
        if (said === 0) {
          yield {
            kind: "routed",
            endpoint: target.endpoint.id,
            model: target.model,
            contextTokens: target.contextTokens,
          };
        }
        said += 1;
        if (event.kind !== "done") {
          yield event;
          continue;
        }
        outcome = { kind: "ok" };
        this.#observe(event, context, decision, target, clock.monotonicMs() - startedMs);
        isRecorded = true;
        const costMicrodollars = this.#record(context, target, decision, event.usage, startedAtMs);
        // Before the last event: whoever has read it expects the slot to be free.
        ticket.end(outcome);
        yield { ...event, costMicrodollars };
      }
      return undefined;
    } finally {
      ticket.end(outcome);
      if (said > 0 && !isRecorded) {
        // Cut off, by whichever side: the server counts for nobody, so this is what was asked and what was seen.
        const usage = { promptTokens: estimatePromptTokens(request), completionTokens: said };
        this.#record(context, target, decision, usage, startedAtMs);
      }
      this.#queue.pump();
    }
  }

  #deadlines(decision: RouteDecision, request: ChatRequest): Deadlines {
    const { firstTokenMs, betweenTokensMs, totalMs } = this.#ports.limits;
    const expectedMs = expectedMsOf(decision) ?? Number.POSITIVE_INFINITY;
    const hasTools = request.tools !== undefined && request.tools.length > 0;
    return {
      firstTokenMs: Math.min(firstTokenMs, Math.max(MIN_FIRST_TOKEN_MS, FIRST_TOKEN_FACTOR * expectedMs)),
      betweenTokensMs: hasTools ? betweenTokensMs * TOOL_SILENCE_FACTOR : betweenTokensMs,
      totalMs,
    };
  }

  #learn(target: Target, failure: InferenceFailure): void {
    const { directory } = this.#ports;
    if (failure.kind === "notFound") directory.missing(target.endpoint.id, target.model);
    if (failure.kind === "notSupported" && failure.capability !== undefined) {
      directory.lacks(target.endpoint.id, target.model, failure.capability);
    }
  }

  /** A model that cannot think out loud answers all the same. @returns the request without it, when that was the fault. */
  #withoutLacking(request: ChatRequest, failure: InferenceFailure): ChatRequest | undefined {
    if (failure.kind !== "notSupported" || failure.capability !== "thinking") return undefined;
    if (request.options?.thinking === undefined) return undefined;
    const { thinking: _thinking, ...options } = request.options;
    return { ...request, options };
  }

  #observe(
    done: Extract<ClientEvent, { kind: "done" }>,
    context: RequestContext,
    decision: RouteDecision,
    target: Target,
    totalMs: number,
  ): void {
    this.#ports.router.observed({
      endpoint: target.endpoint.id,
      model: target.model,
      session: context.session ?? null,
      contextTokens: target.contextTokens,
      promptTokens: done.usage.promptTokens,
      completionTokens: done.usage.completionTokens,
      ...done.timings,
      totalMs,
      predictedMs: decision.candidates[0]?.totalMs ?? null,
    });
  }

  /** @returns the cost in microdollars. */
  #record(
    context: RequestContext,
    target: Target,
    decision: RouteDecision,
    usage: { readonly promptTokens: number; readonly completionTokens: number },
    startedAtMs: number,
  ): number {
    const { clock } = this.#ports;
    const endpoint = target.endpoint.id;
    const atMs = clock.nowMs();
    const energyJoules = this.#ports.energyJoules(endpoint, startedAtMs, atMs);
    const costMicrodollars = this.#ports.priceMicrodollars(target.model, usage, energyJoules);
    this.#ports.record({
      atMs,
      purpose: context.purpose,
      taskId: context.taskId ?? null,
      attempt: context.attempt ?? null,
      goal: context.goal ?? null,
      endpoint,
      model: target.model,
      tier: decision.tier,
      promptTokens: usage.promptTokens,
      completionTokens: usage.completionTokens,
      costMicrodollars,
      energyJoules,
      durationMs: Math.max(0, atMs - startedAtMs),
    });
    return costMicrodollars;
  }
}

function isFailure(value: Admitted | InferenceFailure): value is InferenceFailure {
  return "kind" in value;
}

/** @returns what was expected until the first token, or null. */
function expectedMsOf({ candidates }: RouteDecision): number | null {
  const terms = candidates[0]?.terms ?? null;
  return terms === null ? null : terms.waitMs + terms.loadMs + terms.prefillMs;
}
