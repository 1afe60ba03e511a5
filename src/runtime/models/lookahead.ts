import { taskSpecOf } from "#api";
import { type Clock, describeFailure, type Logger, type Timer } from "#base";
import { type ModelPlan, resolveExecutor } from "#execution";
import { type EndpointState, modelOf } from "#hw";
import type { InferenceService } from "#inference";
import { LANES, type Queue, type TaskRecord } from "#queue";
import {
  type FitPlanner,
  type Lookahead,
  type NeededSoon,
  type PrewarmEndpoint,
  type PrewarmOffer,
  planPrewarms,
  type RouteCandidate,
  type RouteDecision,
  type RouteRequest,
  type Router,
} from "#scheduler";
import type { Chains } from "./chains.ts";
import { requiredModels } from "./required-models.ts";
import type { TaskPlans } from "./task-plans.ts";

const LOOK_EVERY_MS = 5_000;
/** As far as a model that is loaded now would still be there. */
const TASKS_SEEN = 32;
/** The store lists the newest first; among so many the next ones are looked for. Beyond it some of them are missed. */
const TASKS_READ = 256;
/** A round of the tool loop on a model of a middling size; only the order of the needs hangs on it. */
const TASK_MS = 20_000;
/** Instructions, tools and a short task; a guess, for which endpoint is the quickest hardly hangs on it. */
const PROMPT_TOKENS = 1_500;
const REPLY_TOKENS = 256;
/** Older loads do not count any more. */
const REMEMBERED_MS = 60_000;

export type LookaheadParts = {
  readonly queue: { readonly store: Pick<Queue["store"], "list"> };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly plans: Pick<TaskPlans, "modelPlan">;
  readonly chains: Pick<Chains, "chain">;
  readonly fit: FitPlanner;
  readonly states: () => readonly EndpointState[];
  readonly router: () => Pick<Router, "explain">;
  readonly inference: () => Pick<InferenceService, "load">;
  /** Attempts of the tool loop that run at once here. */
  readonly concurrency: number;
};

/** A model that tasks need, and where it could serve them. */
type Need = NeededSoon & { readonly candidates: readonly RouteCandidate[]; readonly plan: ModelPlan };

/** Looks at the tasks that come next, so that their models are there when they begin and are not evicted before. */
export class QueueLookahead implements Lookahead {
  readonly #parts: LookaheadParts;
  #needed: readonly NeededSoon[] = [];
  #startedAtMs: number[] = [];
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(parts: LookaheadParts) {
    this.#parts = parts;
  }

  needed(): readonly NeededSoon[] {
    return this.#needed;
  }

  start(): void {
    if (this.#isStopped) return;
    this.#timer = this.#parts.clock.after(LOOK_EVERY_MS, () => {
      void this.#look().finally(() => this.start());
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    const { queue, logger, concurrency } = this.#parts;
    const ready = await queue.store.list({ states: ["ready"] }, TASKS_READ);
    if (!ready.ok) {
      logger.warn("the next tasks could not be looked at", { failure: describeFailure(ready.error) });
      return;
    }
    if (this.#isStopped) return;
    const next = ready.value.items.toSorted((a, b) => a.row.lane - b.row.lane || a.row.tag - b.row.tag);
    const decisions = new Map<string, RouteDecision>();
    const needs = new Map<string, Need>();
    for (const [index, task] of next.slice(0, TASKS_SEEN).entries()) {
      const plan = this.#planOf(task);
      if (plan === undefined) continue;
      const key = JSON.stringify([plan.models, plan.kinds]);
      const decision = decisions.get(key) ?? this.#parts.router().explain(this.#requestOf(plan));
      decisions.set(key, decision);
      const model = decision.chosen?.model;
      if (model === undefined) continue;
      const inMs = Math.floor(index / Math.max(1, concurrency)) * TASK_MS;
      const known = needs.get(model);
      const count = (known?.count ?? 0) + 1;
      needs.set(model, {
        model,
        inMs: Math.min(known?.inMs ?? inMs, inMs),
        count,
        candidates: decision.candidates,
        plan,
      });
    }
    this.#needed = [...needs.values()].map(({ model, inMs, count }) => ({ model, inMs, count }));
    this.#prewarm([...needs.values()]);
  }

  /** The plan that an attempt would get now: what the task insists on, what was learned, and what failed before. */
  #planOf({ row, body, labels, attempts }: TaskRecord): ModelPlan | undefined {
    const spec = taskSpecOf(body);
    if (!spec.ok) return undefined;
    const executor = resolveExecutor(spec.value, ["shell", "ollama", "claude"]);
    if (!executor.ok || executor.value !== "ollama") return undefined;
    const lane = LANES[row.lane] ?? "normal";
    const mayTryAgain = row.attempts + 1 < row.attemptLimit;
    // Nothing is asked under this plan, so nothing is accounted to a goal.
    const asked = { id: row.id, lane, labels, requiredModels: requiredModels(body), goal: null, mayTryAgain };
    return this.#parts.plans.modelPlan(spec.value, "ollama", asked, attempts, this.#parts.states());
  }

  #requestOf({ models, namedModels, tier, kinds, contextTokens, allowSpill }: ModelPlan): RouteRequest {
    const asked = models.length === 0 ? {} : { models };
    const chain = this.#parts.chains.chain({ purpose: "task", tier, namedModels, kinds, ...asked });
    return {
      models: chain.models,
      tier: chain.tier,
      kinds: chain.kinds,
      remoteModels: chain.named,
      needs: ["tools"],
      promptTokens: PROMPT_TOKENS,
      outputTokens: REPLY_TOKENS,
      contextTokens,
      session: null,
      allowSpill,
      excluded: [],
    };
  }

  #prewarm(needs: readonly Need[]): void {
    const { clock, inference, logger } = this.#parts;
    // What a server that loads nothing on demand answers needs no memory of ours.
    const waiting = needs.filter(({ candidates }) => candidates[0]?.fit !== "remote");
    if (waiting.length === 0) return;
    const nowMs = clock.nowMs();
    this.#startedAtMs = this.#startedAtMs.filter((atMs) => nowMs - atMs < REMEMBERED_MS);
    const endpoints = this.#parts.states().flatMap((state) => this.#endpointOf(state, waiting));
    for (const prewarm of planPrewarms(waiting, endpoints, this.#startedAtMs, nowMs)) {
      const { endpoint, model, contextTokens, reason } = prewarm;
      this.#startedAtMs.push(nowMs);
      logger.info("a model is loaded ahead of time", { endpoint, model, contextTokens, reason });
      void inference()
        .load(endpoint, model, contextTokens)
        .then((failure) => {
          if (failure !== undefined)
            logger.warn("a model could not be loaded ahead of time", { endpoint, model, failure: failure.message });
        });
    }
  }

  /** Only Ollama loads on demand; the others have what they were started with. */
  #endpointOf(state: EndpointState, needs: readonly Need[]): readonly PrewarmEndpoint[] {
    const { endpoint, health, loaded, inFlight } = state;
    if (endpoint.kind !== "ollama" || health.kind !== "healthy") return [];
    const offers = needs.flatMap((need) => this.#offersOf(state, need));
    const isRefused = (model: string): boolean =>
      needs.some((need) => need.model === model && (candidateOf(need, endpoint.id)?.refused ?? null) !== null);
    return [
      {
        endpoint: endpoint.id,
        isLoading: loaded.some(({ isExpected }) => isExpected === true),
        capacityBytes: offers[0]?.capacityBytes ?? null,
        loaded: loaded.map(({ name, sizeBytes, vramBytes }) => ({
          model: name,
          bytes: vramBytes > 0 ? vramBytes : sizeBytes,
          isBusy: (inFlight[name] ?? 0) > 0 || (state.outsiders ?? 0) > 0,
          isUseless: isRefused(name),
        })),
        offers,
      },
    ];
  }

  /** What the router would refuse is not loaded either, and the rest with the context that it would ask for. */
  #offersOf(state: EndpointState, need: Need): readonly (PrewarmOffer & { readonly capacityBytes: number | null })[] {
    const candidate = candidateOf(need, state.endpoint.id);
    const model = modelOf(state, need.model);
    if (candidate === undefined || candidate.refused !== null || candidate.fit === "remote") return [];
    if (model === undefined) return [];
    const { needBytes, capacityBytes } = this.#parts.fit.fit(
      state,
      model,
      need.plan.contextTokens,
      need.plan.allowSpill,
    );
    const { contextTokens, terms } = candidate;
    const bytes = needBytes ?? model.sizeBytes ?? 0;
    return [{ model: model.name, bytes, loadMs: terms?.loadMs ?? 0, contextTokens, capacityBytes }];
  }
}

function candidateOf({ candidates, model }: Need, endpoint: string): RouteCandidate | undefined {
  return candidates.find((each) => each.endpoint === endpoint && each.model === model);
}
