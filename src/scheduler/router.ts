/**
 * Sends each request where it will be done soonest, counted in seconds from what was measured. Rules:
 *
 * - R1: what cannot take the request is refused with a reason and never chosen.
 * - R2: the order of the endpoints changes nothing.
 * - R3: an earlier model of the chain wins over a later one whenever anything can serve it.
 * - R4: what is in flight, ours or others', counts from the moment it is decided; polls only correct it.
 * - R5: a fault is no observation: failing fast makes no endpoint faster.
 */
import type { Clock, Random } from "#base";
import { type EndpointDirectory, type EndpointState, type Model, modelOf } from "#hw";
import { type Able, siftCandidates, spilledRatio, total } from "./candidates.ts";
import { DemandBook, type Lookahead, noLookahead } from "./demand-book.ts";
import { EndpointView, type Placed } from "./endpoint-view.ts";
import type { FitPlanner } from "./fit-planner.ts";
import { type Forecast, type ForecastRules, type ForecastState, forecast, MAX_FORECAST_JOBS } from "./forecast.ts";
import { loadGainMs } from "./load-gain.ts";
import { sameModel, weightBytes } from "./model-facts.ts";
import type { RouteDecision, RouteObservation, RouteRequest, Router, RouteTerms } from "./route.ts";
import { decided, type Scored } from "./route-reason.ts";
import { SessionCache } from "./session-cache.ts";
import type { SlotBook } from "./slot-book.ts";
import {
  learnableLoadMs,
  type SpeedBook,
  type SpeedEstimate,
  type SpeedPlace,
  SURELY_LOADED_MS,
} from "./speed-book.ts";
import { type PredictionAccuracy, PredictionErrors, WorkBook } from "./work-book.ts";

/** Weights in memory take more than on disk when nothing better is known: context and buffers. */
const MEMORY_OVER_WEIGHTS = 1.2;
/** A model that another endpoint has in memory too is missed only half as much. */
const HELD_ELSEWHERE_RATIO = 0.5;

export type RouterParts = {
  readonly directory: EndpointDirectory;
  readonly clock: Clock;
  readonly random: Random;
  readonly fit: FitPlanner;
  readonly speeds: SpeedBook;
  readonly slots: SlotBook;
  readonly lookahead?: Lookahead;
};

/** {@link Router} by expected completion time. Keeps everything in memory; `SpeedBook` and `SlotBook` can be stored. */
export class ExpectedCompletionRouter implements Router {
  readonly #parts: RouterParts;
  readonly #views = new Map<string, EndpointView>();
  readonly #sessions = new SessionCache();
  readonly #demand = new DemandBook();
  readonly #work = new WorkBook();
  readonly #errors = new PredictionErrors();
  #nextId = 1;

  constructor(parts: RouterParts) {
    this.#parts = parts;
  }

  /** Decides, and remembers what was expected: the next decision counts with it once the ledger shows it in flight. */
  route(request: RouteRequest): RouteDecision {
    const nowMs = this.#parts.clock.nowMs();
    const { decision, best } = this.#decide(request, nowMs, this.#parts.random.next());
    if (best !== null) {
      this.#demand.asked(best.able.model.name, nowMs);
      // A model that has to be loaded has an empty cache, whatever it once read here.
      if (best.placed.expectsLoad && best.placed.ahead === 0) {
        this.#sessions.dropped(best.able.state.endpoint.id, best.able.model.name);
      }
      this.#viewOf(best.able.state, nowMs).place(best.placed);
    }
    return decision;
  }

  /** The same decision for a person who asks; nothing is remembered. */
  explain(request: RouteRequest): RouteDecision {
    return this.#decide(request, this.#parts.clock.nowMs(), 0).decision;
  }

  observed(observation: RouteObservation): void {
    const nowMs = this.#parts.clock.nowMs();
    const { endpoint, session, totalMs } = observation;
    const state = this.#parts.directory.state(endpoint);
    const model = state === undefined ? undefined : modelOf(state, observation.model);
    if (state === undefined || model === undefined) return;
    const ended = this.#views.get(endpoint)?.ended(model.name, session, observation.predictedMs, nowMs);
    const slots = this.#slotsOf(state, model.name);
    const tokens = observation.promptTokens + observation.completionTokens;
    // Loaded although it was thought to be in memory: somebody evicted it meanwhile, and its cache with it.
    const wasEvicted = ended?.placed.expectsLoad === false && (observation.loadMs ?? 0) >= SURELY_LOADED_MS;
    if (wasEvicted) this.#sessions.dropped(endpoint, model.name);
    this.#sessions.used(endpoint, model.name, session, tokens, slots);
    if (ended === undefined) return;
    const { placed, company } = ended;
    const isRemote = state.endpoint.kind !== "ollama" || model.isRemote;
    // With a warm cache the server counts tokens it did not read; such a sample says nothing of reading.
    const wasCached = placed.promptTokens < observation.promptTokens;
    const { contextTokens } = placed;
    // Where it really lay may differ from the plan; the last poll knows, if it saw the model.
    const held = state.loaded.find(({ name, isExpected }) => name === model.name && isExpected !== true);
    const cpuRatio = held === undefined ? placed.cpuRatio : spilledRatio(held);
    const place = { endpoint, model, contextTokens, cpuRatio, isRemote };
    this.#parts.speeds.observe(
      {
        ...place,
        promptTokens: observation.promptTokens,
        completionTokens: observation.completionTokens,
        loadMs: learnableLoadMs(observation.loadMs, placed.expectsLoad, placed.isLoadAlone),
        prefillMs: wasCached ? null : observation.prefillMs,
        decodeMs: observation.decodeMs,
        neighbours: company.neighbours,
        runners: company.runners,
      },
      nowMs,
    );
    const workMs = (observation.prefillMs ?? 0) + (observation.decodeMs ?? 0);
    if (workMs > 0 && !placed.expectsLoad) {
      const where = { endpoint, model: model.name, kind: state.endpoint.kind };
      const waitedMs = Math.max(0, totalMs - workMs - (observation.loadMs ?? 0));
      this.#parts.slots.observe(where, placed.ahead, company.overlapMs, waitedMs);
    }
    this.#work.observe(endpoint, model.name, placed.outputTokens, observation.completionTokens, workMs, nowMs);
    if (placed.predictedMs !== null) this.#errors.observe(placed.predictedMs, totalMs);
  }

  /** How far predictions were from what happened, since the node began. */
  accuracy(): PredictionAccuracy {
    return this.#errors.summary();
  }

  #decide(request: RouteRequest, nowMs: number, seed: number): { decision: RouteDecision; best: Choice | null } {
    const states = this.#parts.directory.states();
    this.#forgetOthers(states);
    const { able, refused } = siftCandidates(request, states, this.#parts.fit, nowMs);
    const queues = new Map<string, EndpointQueue>();
    const scored = able.map((each) => {
      const { id } = each.state.endpoint;
      const queue = queues.get(id) ?? this.#queueOf(each, nowMs);
      queues.set(id, queue);
      return this.#score(each, request, states, queue, nowMs);
    });
    const choices = this.#withGains(scored, nowMs);
    const { decision, chosen } = decided(request, choices, refused, seed, nowMs);
    return { decision, best: chosen };
  }

  /** What goes on at an endpoint; the same for every model of the chain. */
  #queueOf({ state, fit }: Able, nowMs: number): EndpointQueue {
    const rules = this.#rulesOf(state, fit.capacityBytes);
    const view = this.#synced(state, rules, nowMs);
    const all = view.forForecast();
    const current = { ...all, jobs: all.jobs.slice(1 - MAX_FORECAST_JOBS) };
    const { outsiders, penalty } = state;
    const left = Math.max(0, total(state) - current.jobs.length);
    return {
      rules,
      current,
      without: forecast(current, rules),
      overdueRatio: view.overdueRatio(),
      strangers: left + Math.max(0, outsiders ?? 0) + Math.max(0, penalty),
    };
  }

  #score(
    able: Able,
    request: RouteRequest,
    states: readonly EndpointState[],
    queue: EndpointQueue,
    nowMs: number,
  ): Choice {
    const { state, model, fit, cpuRatio, isRemote, contextTokens } = able;
    const id = state.endpoint.id;
    const place: SpeedPlace = { endpoint: id, model, contextTokens, cpuRatio, isRemote };
    const speed = this.#parts.speeds.estimate(place);
    const { current, rules } = queue;
    const isLoaded = isRemote || (!fit.reloads && current.loaded.some((held) => held.model === model.name));
    const cached = isLoaded ? this.#sessions.cachedTokens(id, model.name, request.session, request.promptTokens) : 0;
    const promptTokens = Math.max(0, request.promptTokens - cached);
    const outputTokens = this.#work.expectedOutput(model.name, request.outputTokens);
    const isEstimated = speed.basis === "estimated";
    const overdue = isEstimated ? queue.overdueRatio : 1;
    const prefillMs = (promptTokens / speed.prefillPerSecond) * 1000 * overdue;
    const decodeMs = (outputTokens / speed.decodePerSecond) * 1000 * overdue;
    const job = {
      id: this.#nextId++,
      model: model.name,
      loadMs: isRemote ? 0 : speed.loadMs,
      bytes: isRemote ? 0 : (fit.needBytes ?? weightBytes(model) * MEMORY_OVER_WEIGHTS),
      leftMs: Math.max(1, prefillMs + decodeMs),
      reloads: fit.reloads,
    };
    const withIt = forecast({ ...current, jobs: [...current.jobs, job] }, rules);
    const terms = this.#terms({ able, states, job, prefillMs, decodeMs, queue, withIt, nowMs });
    const completionMs = terms.waitMs + terms.loadMs + terms.prefillMs + terms.decodeMs;
    const ahead = current.jobs.filter((each) => each.model === model.name).length;
    const isAbsent = (name: string): boolean => !current.loaded.some((held) => held.model === name);
    const placed: Placed = {
      id: job.id,
      model: model.name,
      session: request.session,
      workMs: job.leftMs,
      loadMs: job.loadMs,
      bytes: job.bytes,
      reloads: fit.reloads,
      predictedMs: completionMs,
      promptTokens,
      outputTokens: request.outputTokens,
      contextTokens,
      cpuRatio,
      isEstimated,
      expectsLoad: !isLoaded,
      isLoadAlone: current.loading === null && !current.jobs.some((each) => isAbsent(each.model)),
      ahead,
      placedAtMs: nowMs,
    };
    return { able, terms, basis: speed.basis, placed };
  }

  #withGains(scored: readonly Choice[], nowMs: number): readonly Choice[] {
    const upcoming = (this.#parts.lookahead ?? noLookahead).needed();
    const places = scored.map(({ able, placed }) => ({
      model: able.model.name,
      isLoaded: !placed.expectsLoad || placed.ahead > 0,
      loadMs: placed.loadMs,
      workMs: placed.workMs,
    }));
    return scored.map((choice, index) => {
      const place = places[index];
      if (place === undefined) return choice;
      const gainMs = loadGainMs(place, places, this.#demand.expected(place.model, upcoming, nowMs));
      if (gainMs === 0) return choice;
      const terms = { ...choice.terms, displacementMs: choice.terms.displacementMs - gainMs };
      return { ...choice, terms };
    });
  }

  #terms(input: {
    readonly able: Able;
    readonly states: readonly EndpointState[];
    readonly job: { readonly id: number; readonly leftMs: number };
    readonly prefillMs: number;
    readonly decodeMs: number;
    readonly queue: EndpointQueue;
    readonly withIt: Forecast;
    readonly nowMs: number;
  }): RouteTerms {
    const { able, job, prefillMs, decodeMs, queue, withIt } = input;
    const { endpoint } = able.state;
    const { without, strangers } = queue;
    const own = withIt.times.find(({ id }) => id === job.id);
    const endMs = own?.endMs ?? without.times.reduce((most, time) => Math.max(most, time.endMs), job.leftMs);
    const startMs = own?.startMs ?? endMs - job.leftMs;
    const loadMs = own?.loadMs ?? 0;
    const stretch = (endMs - startMs) / Math.max(1, prefillMs + decodeMs);
    // Nobody says what outsiders ask for or when they came: each costs what a request usually does here, or this one.
    const slots = this.#slotsOf(able.state, able.model.name);
    const strangerMs = (strangers * Math.max(job.leftMs, this.#work.usualMs(endpoint.id))) / Math.max(1, slots);
    return {
      waitMs: Math.max(0, startMs - loadMs) + strangerMs,
      loadMs,
      prefillMs: prefillMs * stretch,
      decodeMs: decodeMs * stretch,
      displacementMs: delayOfOthers(without, withIt, job.id) + this.#missed(input),
    };
  }

  /** What evicting models costs those who will ask for them. */
  #missed(input: {
    readonly able: Able;
    readonly states: readonly EndpointState[];
    readonly queue: EndpointQueue;
    readonly withIt: Forecast;
    readonly nowMs: number;
  }): number {
    const { able, states, queue, withIt, nowMs } = input;
    const gone = withIt.evicted.filter((name) => !queue.without.evicted.includes(name));
    if (gone.length === 0) return 0;
    const upcoming = (this.#parts.lookahead ?? noLookahead).needed();
    return gone.reduce((sum, name) => {
      const model = able.state.models.find((each) => each.name === name);
      if (model === undefined) return sum;
      const speed = this.#speedOf(able.state, model);
      const elsewhere = states.some(
        (other) =>
          other.endpoint.id !== able.state.endpoint.id &&
          other.health.kind === "healthy" &&
          other.loaded.some((held) => sameModel(held.name, name)),
      );
      const likelihood = this.#demand.likelihood(name, upcoming, nowMs);
      return sum + speed.loadMs * likelihood * (elsewhere ? HELD_ELSEWHERE_RATIO : 1);
    }, 0);
  }

  #speedOf(state: EndpointState, model: Model): SpeedEstimate {
    return this.#parts.speeds.estimate(usualPlace(state, model));
  }

  #slotsOf(state: EndpointState, model: string): number {
    return this.#parts.slots.of(state, model);
  }

  #rulesOf(state: EndpointState, capacityBytes: number | null): ForecastRules {
    const slowdowns = new Map<string, number>();
    return {
      capacityBytes,
      slotsOf: (model) => this.#slotsOf(state, model),
      slowdownOf: (name) => {
        const known = slowdowns.get(name);
        if (known !== undefined) return known;
        const model = state.models.find((each) => each.name === name);
        const slowdown = model === undefined ? 0 : this.#parts.speeds.slowdown(usualPlace(state, model));
        slowdowns.set(name, slowdown);
        return slowdown;
      },
      sharesMachine: state.endpoint.kind !== "anthropic",
    };
  }

  #viewOf(state: EndpointState, nowMs: number): EndpointView {
    const view = this.#views.get(state.endpoint.id) ?? new EndpointView(nowMs);
    this.#views.set(state.endpoint.id, view);
    return view;
  }

  #synced(state: EndpointState, rules: ForecastRules, nowMs: number): EndpointView {
    const view = this.#viewOf(state, nowMs);
    const usual = (name: string): { workMs: number; loadMs: number; bytes: number } => {
      const model = state.models.find((each) => each.name === name);
      const workMs = this.#work.usualMs(state.endpoint.id);
      if (model === undefined) return { workMs, loadMs: 0, bytes: 0 };
      const bytes = weightBytes(model) * MEMORY_OVER_WEIGHTS;
      return { workMs, loadMs: this.#speedOf(state, model).loadMs, bytes };
    };
    view.sync(state, rules, usual, nowMs);
    return view;
  }

  /** Endpoints that were removed leave nothing behind. */
  #forgetOthers(states: readonly EndpointState[]): void {
    if (this.#views.size <= states.length) return;
    const present = new Set(states.map(({ endpoint }) => endpoint.id));
    for (const id of this.#views.keys()) if (!present.has(id)) this.#views.delete(id);
  }
}

type Choice = Scored & { readonly placed: Placed };

/** An endpoint with what is in flight there, before the request that is decided on. */
type EndpointQueue = {
  readonly rules: ForecastRules;
  readonly current: ForecastState;
  readonly without: Forecast;
  /** What first estimates are stretched by. */
  readonly overdueRatio: number;
  /** Requests that are not followed one by one: those of others, the penalty after a 503, what is beyond the limit. */
  readonly strangers: number;
};

/** A model as it usually runs there: wholly where it should, with a short context. */
function usualPlace({ endpoint }: EndpointState, model: Model): SpeedPlace {
  const isRemote = endpoint.kind !== "ollama" || model.isRemote;
  return { endpoint: endpoint.id, model, contextTokens: null, cpuRatio: 0, isRemote };
}

/** How much later the requests that are there end because of one more. */
function delayOfOthers(without: Forecast, withIt: Forecast, id: number): number {
  const before = new Map(without.times.map((time) => [time.id, time.endMs]));
  return withIt.times.reduce((sum, time) => {
    const endMs = before.get(time.id);
    return time.id === id || endMs === undefined ? sum : sum + Math.max(0, time.endMs - endMs);
  }, 0);
}
