import {
  type CapacityMonitor,
  type EndpointRegistry,
  type EndpointState,
  endpointMemory,
  type FitMemory,
  type FitPlan,
  hasFlashAttention,
  kvTypeOf,
  type LoadedModel,
  type Model,
  pinContext,
  planFit,
  type ResidencyHistory,
} from "#hw";
import type { FitPlanner, RouteFit } from "#scheduler";

type Monitor = Pick<CapacityMonitor, "current">;
type Registry = Pick<EndpointRegistry, "calibrations">;
type Residency = Pick<ResidencyHistory, "heldAt">;

/** Judges whether a model fits, from what is known of the host and what its model server holds. Answers at once. */
export class HostFitPlanner implements FitPlanner {
  readonly #monitor: Monitor;
  readonly #registry: Registry;
  readonly #residency: Residency;

  constructor(monitor: Monitor, registry: Registry, residency: Residency) {
    this.#monitor = monitor;
    this.#registry = registry;
    this.#residency = residency;
  }

  fit(state: EndpointState, model: Model, contextTokens: number, allowSpill: boolean): RouteFit {
    const held = state.loaded.find(({ name, isExpected }) => name === model.name && isExpected !== true);
    const expected = state.loaded.find(({ name, isExpected }) => name === model.name && isExpected === true);
    const memory = endpointMemory(
      state,
      () => this.#monitor.current(),
      (atMs) => this.#residency.heldAt(state.endpoint.id, atMs),
    );
    const fitAt = (tokens: number): FitPlan => this.#planAt(state, model, tokens, memory);
    const capacityBytes = capacityOf(memory);
    const asIs = (tokens: number): RouteFit => ({
      ...asPlanned(held === undefined ? fitAt(tokens) : asLoaded(fitAt(tokens), held, memory), capacityBytes),
    });
    // Only Ollama is told its context; the others have the one they were started with.
    if (state.endpoint.kind !== "ollama") return asIs(contextTokens);
    const pin = pinContext({
      requestedTokens: contextTokens,
      modelTokens: model.contextLength,
      pinnedTokens: state.pins?.[model.name] ?? null,
      loadedTokens: (held ?? expected)?.contextLength ?? null,
      isLoaded: held !== undefined,
      inUse: (state.inFlight[model.name] ?? 0) + (state.outsiders ?? 0),
      allowSpill,
      fitAt,
    });
    switch (pin.kind) {
      case "keep":
        return { ...asIs(pin.contextTokens), contextTokens: pin.contextTokens };
      case "load":
        return { ...asPlanned(pin.fit, capacityBytes), contextTokens: pin.contextTokens };
      case "reload":
        return { ...asPlanned(pin.fit, capacityBytes), contextTokens: pin.contextTokens, reloads: true };
      case "refused": {
        const fit = pin.fit ?? fitAt(contextTokens);
        return {
          ...asPlanned(fit, capacityBytes),
          kind: fit.kind === "spills" ? "spills" : "tooLarge",
          reason: pin.reason,
        };
      }
    }
  }

  #planAt(state: EndpointState, model: Model, contextTokens: number, memory: FitMemory): FitPlan {
    const { endpoint } = state;
    const kvType = kvTypeOf(endpoint);
    const request = {
      model,
      contextTokens,
      parallel: endpoint.parallel ?? state.parallel ?? 1,
      kvType,
      batchTokens: null,
      flashAttention: hasFlashAttention(endpoint),
      calibration: this.#registry.calibrations.of(model.digest, kvType),
    };
    return planFit(request, memory);
  }
}

/** Where a model in memory lies is reported, so that nothing has to be predicted. */
function asLoaded(plan: FitPlan, held: LoadedModel, { gpus }: FitMemory): FitPlan {
  const { sizeBytes, vramBytes } = held;
  if (sizeBytes <= 0) return plan;
  const spillRatio = Math.max(0, 1 - vramBytes / sizeBytes);
  const inMemory = { ...plan, needBytes: sizeBytes, spillRatio };
  if (spillRatio === 0) return { ...inMemory, kind: "fits", reason: "it lies wholly in VRAM" };
  if (vramBytes > 0) return { ...inMemory, kind: "spills", reason: `${percent(spillRatio)} of it lies in RAM` };
  if (gpus === null)
    return { ...inMemory, kind: "unknown", reason: "it lies in RAM; nobody said what cards there are" };
  if (gpus.length === 0) return { ...inMemory, kind: "cpuOnly", reason: "there is no graphics card; it lies in RAM" };
  return { ...inMemory, kind: "spills", reason: "all of it lies in RAM beside a graphics card" };
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}

function asPlanned(plan: FitPlan, capacityBytes: number | null): RouteFit {
  return {
    kind: plan.kind,
    needBytes: plan.needBytes,
    capacityBytes,
    spillRatio: plan.spillRatio,
    contextTokens: null,
    reloads: false,
    reason: plan.reason,
  };
}

/** What models may take together: of the graphics cards where there are any, else of the RAM. */
function capacityOf({ gpus, ramAvailableBytes }: FitMemory): number | null {
  if (gpus === null) return null;
  if (gpus.length === 0) return ramAvailableBytes;
  const sizes = gpus.map(({ freeBytes }) => freeBytes);
  return sizes.some((bytes) => bytes === null) ? null : sizes.reduce((sum: number, bytes) => sum + (bytes ?? 0), 0);
}
