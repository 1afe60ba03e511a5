/** Everything of a node that has to do with models: hardware, endpoints, routing, spending, and the service over it. */
import type { ModelPorts } from "#api";
import { type Clock, describeFailure, type Logger, ok, type Random, type Result } from "#base";
import {
  CapacityMonitor,
  EndpointRegistry,
  type EndpointState,
  HttpEndpointProbe,
  hostProbes,
  wellKnownAddresses,
} from "#hw";
import {
  anthropicClient,
  type InferenceFailure,
  type InferenceLimits,
  type InferencePorts,
  ollamaClient,
  openaiClient,
  type RequestContext,
  unloadModel,
} from "#inference";
import type { Queue } from "#queue";
import { ExpectedCompletionRouter, type RouteDecision } from "#scheduler";
import type { Stores } from "#store";
import type { Config } from "../config/settings.ts";
import { ownCommand } from "../program.ts";
import { Chains } from "./chains.ts";
import { Detours } from "./detours.ts";
import { energyOf } from "./energy.ts";
import { HostFitPlanner } from "./fit-planner.ts";
import { hardwareOf } from "./hardware-class.ts";
import { addConfigured, addKept } from "./known-endpoints.ts";
import { Learned } from "./learned.ts";
import { QueueLookahead } from "./lookahead.ts";
import { modelPorts } from "./model-ports.ts";
import { ObservedInference } from "./observed-inference.ts";
import { type ModelOffer, modelOffer } from "./offer.ts";
import { type BudgetAlarm, Spending } from "./spending.ts";
import { TaskPlans } from "./task-plans.ts";
import { watchResidency } from "./watch-residency.ts";

export type ModelParts = {
  readonly config: Config;
  readonly stateDir: string;
  readonly stores: Stores;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Address of an Ollama that the environment names, as its own client reads it. */
  readonly ollamaHost: string | null;
};

export type NodeModels = {
  readonly ports: ModelPorts;
  readonly inference: ObservedInference;
  readonly plans: TaskPlans;
  readonly learned: Learned;
  readonly registry: EndpointRegistry;
  readonly spending: Spending;
  /** Opened and closed by the mind. */
  readonly detours: Detours;
  /** Has a server give up the memory of a model. @returns why it failed, if it did */
  readonly unload: (endpoint: string, model: string) => Promise<InferenceFailure | undefined>;
  /** Begins to look at hardware and endpoints; nothing waits for it. */
  readonly start: () => void;
  readonly stop: () => Promise<void>;
  /** Which executors, models and memory this node offers now. */
  readonly offer: () => ModelOffer;
};

/** Builds it all; nothing is asked of the outside before `start`. */
export async function openModels(parts: ModelParts): Promise<Result<NodeModels>> {
  const { config, stores, clock, random, logger, stateDir, queue } = parts;
  const monitor = monitorOf(parts);
  const candidates = config["hw.discover"] ? wellKnownAddresses(parts.ollamaHost) : [];
  const registry = new EndpointRegistry({ clock, random, logger, probe: new HttpEndpointProbe(clock), candidates });
  const added = await addEndpoints(registry, parts);
  if (!added.ok) return added;

  const books = await openBooks(parts, registry, monitor);
  if (!books.ok) return books;
  const { learned, spending } = books.value;

  const states = (): readonly EndpointState[] => registry.states();
  const detours = new Detours();
  const chains = new Chains(config, states, detours);
  const concurrency = config["executor.ollama.concurrency"];
  const { residency, stop: stopWatching } = watchResidency(registry, monitor);
  const fit = new HostFitPlanner(monitor, registry, residency);
  const { speeds, slots, passes } = learned;
  const plans = new TaskPlans(config, stateDir, chains, passes);
  const lookahead = new QueueLookahead({
    queue,
    clock,
    logger,
    plans,
    chains,
    fit,
    states,
    concurrency,
    router: () => router,
    inference: () => inference,
  });
  const router = new ExpectedCompletionRouter({ directory: registry, clock, random, fit, speeds, slots, lookahead });
  const inference = createInference({ ...parts, registry, monitor, learned, spending, chains, router });
  const stopListening = registry.onChange(() => inference.endpointsChanged());
  return ok({
    ports: modelPorts({ config, stores, monitor, registry, inference, spending, router, passes, clock }),
    inference,
    plans,
    learned,
    registry,
    spending,
    detours,
    unload: unloaderOf(parts, registry),
    start: () => {
      monitor.start();
      registry.start();
      learned.start();
      if (concurrency > 0) lookahead.start();
    },
    stop: async () => {
      stopWatching();
      stopListening();
      lookahead.stop();
      registry.stop();
      await learned.stop();
      await monitor.stop();
    },
    offer: () =>
      modelOffer({
        config,
        states: states(),
        isLooking: registry.isLooking(),
        admission: spending.admit(),
        vramBytes: monitor.current().gpus.map(({ vramBytes }) => vramBytes ?? 0),
      }),
  });
}

function monitorOf({ stores, clock, random, logger, stateDir }: ModelParts): CapacityMonitor {
  return new CapacityMonitor({
    clock,
    random,
    probes: hostProbes({ clock, stateDir, inventoryCommand: ownCommand("inventory") }),
    history: stores.capacity,
    report: (failure) =>
      logger.warn("samples of the capacity could not be kept", { failure: describeFailure(failure) }),
  });
}

function unloaderOf({ config, clock }: ModelParts, registry: EndpointRegistry): NodeModels["unload"] {
  return (endpoint, model) =>
    unloadModel({ directory: registry, client: ollamaClient, limits: inferenceLimits(config), clock }, endpoint, model);
}

/** What the node remembers of its models: what it learned, and what it spent. */
async function openBooks(
  { config, stores, queue, clock, logger }: ModelParts,
  registry: EndpointRegistry,
  monitor: CapacityMonitor,
): Promise<Result<{ readonly learned: Learned; readonly spending: Spending }>> {
  const learned = new Learned(stores.models, clock, logger, (id) => hardwareOf(id, monitor, registry));
  const loaded = await learned.load();
  if (!loaded.ok) return loaded;
  const alarm = (one: BudgetAlarm): void => announceBudget(queue, logger, one);
  const spending = new Spending({ config, store: stores.models, clock, logger, alarm });
  const counted = await spending.load();
  return counted.ok ? ok({ learned, spending }) : counted;
}

type InferenceParts = Pick<ModelParts, "config" | "stores" | "clock" | "logger"> & {
  readonly registry: EndpointRegistry;
  readonly monitor: CapacityMonitor;
  readonly learned: Learned;
  readonly spending: Spending;
  readonly chains: Chains;
  readonly router: ExpectedCompletionRouter;
};

function createInference(parts: InferenceParts): ObservedInference {
  const { config, stores, clock, logger, registry, monitor, learned, spending, chains, router } = parts;
  const { slots } = learned;
  const ports: InferencePorts = {
    directory: registry,
    router,
    clients: { ollama: ollamaClient, openai: openaiClient, anthropic: anthropicClient },
    clock,
    logger,
    get limits() {
      return inferenceLimits(config);
    },
    get allowSpill() {
      return config["executor.ollama.allow_spill"];
    },
    chain: (context) => chains.chain(context),
    slots: (endpoint, model) => {
      const state = registry.state(endpoint);
      return state === undefined ? 1 : slots.of(state, model);
    },
    admit: (context) => spending.admitFor(context),
    priceMicrodollars: (model, usage, joules) => spending.priceMicrodollars(model, usage, joules),
    energyJoules: (endpoint, fromMs, toMs) => energyOf(monitor, registry.state(endpoint), fromMs, toMs),
    record: (entry) => spending.record(entry),
    decided: (context, decision) => keepDecision(stores, logger, context, decision),
  };
  return new ObservedInference(ports, config["telemetry.otlp.texts"]);
}

/** Read anew for each request: settings of the fleet change while the node runs. */
function inferenceLimits(config: Config): InferenceLimits {
  return {
    firstTokenMs: config["inference.first_token_ms"],
    betweenTokensMs: config["inference.between_tokens_ms"],
    totalMs: config["inference.total_ms"],
    queueMs: config["inference.queue_ms"],
    keepAliveSeconds: config["inference.keep_alive_s"],
  };
}

async function addEndpoints(
  registry: EndpointRegistry,
  { config, stores, logger }: Pick<ModelParts, "config" | "stores" | "logger">,
): Promise<Result<void>> {
  const added = addConfigured(registry, config);
  if (!added.ok) return added;
  const kept = await stores.models.endpoints();
  if (!kept.ok) return kept;
  addKept(registry, kept.value, logger);
  return ok(undefined);
}

function announceBudget(queue: Queue, logger: Logger, { kind, text, state }: BudgetAlarm): void {
  void queue.announce(kind, { ...state, text }).then((written) => {
    if (!written.ok) logger.warn("the alarm of a budget was not kept", { failure: describeFailure(written.error) });
  });
}

function keepDecision(stores: Stores, logger: Logger, context: RequestContext, decision: RouteDecision): void {
  if (context.taskId === undefined || context.attempt === undefined) return;
  void stores.models.saveDecision(context.taskId, context.attempt, decision).then((kept) => {
    if (!kept.ok) logger.warn("a routing decision was not kept", { failure: describeFailure(kept.error) });
  });
}
