/** Which pairs of endpoint and model can take a request at all, and in words why the others cannot. Pure. */
import { type EndpointState, type LoadedModel, type Model, modelOf } from "#hw";
import type { FitPlanner, RouteFit } from "./fit-planner.ts";
import { sameModel } from "./model-facts.ts";
import type { RouteCandidate, RouteRequest } from "./route.ts";

/** A pair that can take the request. */
export type Able = {
  readonly state: EndpointState;
  readonly model: Model;
  readonly rank: number;
  readonly fit: RouteFit;
  readonly fitWord: RouteCandidate["fit"];
  /** Share of it that lies on the CPU. */
  readonly cpuRatio: number;
  /** Needs no loading: another kind of server, or a cloud model. */
  readonly isRemote: boolean;
  readonly contextTokens: number | null;
};

export type Refused = {
  readonly state: EndpointState;
  readonly modelName: string;
  readonly rank: number;
  readonly reason: string;
  readonly fitWord: RouteCandidate["fit"];
  /** When the reason may be gone; null when time alone does not help. */
  readonly retryAtMs: number | null;
};

export type Sifted = { readonly able: readonly Able[]; readonly refused: readonly Refused[] };

/** When an endpoint that is tried with one request is asked again. */
const TRIAL_RETRY_MS = 1_000;

/** Sifts every endpoint for every model of the chain. */
export function siftCandidates(
  request: RouteRequest,
  states: readonly EndpointState[],
  fitPlanner: FitPlanner,
  nowMs: number,
): Sifted {
  const able: Able[] = [];
  const refused: Refused[] = [];
  for (const state of states) {
    const closed = closedReason(request, state, nowMs);
    for (const [rank, name] of request.models.entries()) {
      const model = modelOf(state, name);
      const shut = closed ?? (model === undefined ? null : closedModel(request, state, model, nowMs));
      const reason = shut?.reason ?? modelReason(request, state, model, name);
      if (reason !== null || model === undefined) {
        const why = reason ?? `has no model ${name}`;
        const retryAtMs = model === undefined ? null : (shut?.retryAtMs ?? null);
        refused.push({ state, modelName: model?.name ?? name, rank, reason: why, fitWord: "unknown", retryAtMs });
        continue;
      }
      const judged = judgeFit(request, state, model, fitPlanner);
      if (judged.reason === null) able.push({ state, model, rank, ...judged });
      else {
        const { reason: why, fitWord } = judged;
        refused.push({ state, modelName: model.name, rank, reason: why, fitWord, retryAtMs: null });
      }
    }
  }
  return { able, refused };
}

type Closed = { readonly reason: string; readonly retryAtMs: number | null };

/** Why the endpoint takes no request whatever the model. */
function closedReason(request: RouteRequest, state: EndpointState, nowMs: number): Closed | null {
  const { endpoint, health } = state;
  if (request.excluded.includes(endpoint.id)) {
    return { reason: "failed for this request before", retryAtMs: null };
  }
  if (!request.kinds.includes(endpoint.kind)) {
    return { reason: `endpoints of kind ${endpoint.kind} are not allowed for it`, retryAtMs: null };
  }
  switch (health.kind) {
    case "unknown":
      return { reason: "was never reached", retryAtMs: nowMs + TRIAL_RETRY_MS };
    case "open":
      return {
        reason: `takes no requests for ${seconds(health.retryAtMs - nowMs)} more: ${health.reason}`,
        retryAtMs: health.retryAtMs,
      };
    case "halfOpen":
      return total(state) === 0
        ? null
        : { reason: `is being tried with one request: ${health.reason}`, retryAtMs: nowMs + TRIAL_RETRY_MS };
    case "healthy":
      return null;
  }
}

/** Why this model takes no request there now, although its endpoint does. */
function closedModel(
  request: RouteRequest,
  { endpoint, modelHealth, inFlight }: EndpointState,
  { name }: Model,
  nowMs: number,
): Closed | null {
  const failed = request.excludedModels ?? [];
  if (failed.some((each) => each.endpoint === endpoint.id && sameModel(each.model, name))) {
    return { reason: `failed with ${name} for this request before`, retryAtMs: null };
  }
  const health = modelHealth?.[name];
  if (health === undefined) return null;
  switch (health.kind) {
    case "open":
      return {
        reason: `takes no requests for ${name} for ${seconds(health.retryAtMs - nowMs)} more: ${health.reason}`,
        retryAtMs: health.retryAtMs,
      };
    case "halfOpen":
      return (inFlight[name] ?? 0) === 0
        ? null
        : { reason: `${name} is being tried with one request: ${health.reason}`, retryAtMs: nowMs + TRIAL_RETRY_MS };
    case "unknown":
    case "healthy":
      return null;
  }
}

function modelReason(
  request: RouteRequest,
  state: EndpointState,
  model: Model | undefined,
  name: string,
): string | null {
  if (model === undefined) return `has no model ${name}`;
  const allowed = state.endpoint.models;
  if (allowed.length > 0 && !allowed.some((each) => sameModel(each, model.name))) {
    return `is not to be used for ${model.name}`;
  }
  const isNamed = (request.remoteModels ?? []).some((named) => sameModel(named, model.name));
  if (model.isRemote && !isNamed && state.endpoint.kind === "ollama") {
    return `${model.name} runs in its vendor's cloud, and nobody named it`;
  }
  const { capabilities } = model;
  const lacking = capabilities === null ? undefined : request.needs.find((need) => !capabilities.includes(need));
  if (lacking !== undefined) return `${model.name} lacks ${lacking}`;
  if (model.contextLength !== null && model.contextLength < request.contextTokens && request.mayTruncate !== true) {
    return `${model.name} was made for ${model.contextLength} tokens of context; ${request.contextTokens} are needed`;
  }
  return null;
}

type Judged = Omit<Able, "state" | "model" | "rank"> & { readonly reason: string | null };

function judgeFit(request: RouteRequest, state: EndpointState, model: Model, planner: FitPlanner): Judged {
  const isRemote = state.endpoint.kind !== "ollama" || model.isRemote;
  if (isRemote) {
    const none = { kind: "fits", needBytes: 0, capacityBytes: null, spillRatio: 0, contextTokens: null } as const;
    const fit = { ...none, reloads: false, reason: "runs elsewhere" };
    return { fit, fitWord: "remote", cpuRatio: 0, isRemote, contextTokens: null, reason: null };
  }
  const contextTokens = Math.min(request.contextTokens, model.contextLength ?? Number.POSITIVE_INFINITY);
  const fit = planner.fit(state, model, contextTokens, request.allowSpill);
  const loaded = state.loaded.find((held) => sameModel(held.name, model.name));
  const ratio = loaded === undefined ? 0 : spilledRatio(loaded);
  const spilled = loaded !== undefined && ratio > 0 && hasGraphicsCard(state, fit);
  const spills = fit.kind === "spills" || (spilled && !fit.reloads);
  const fitWord = fitWordOf(fit, loaded !== undefined && !fit.reloads);
  const cpuRatio = fit.kind === "cpuOnly" ? 1 : ratio > 0 && !fit.reloads ? ratio : fit.spillRatio;
  const judged = { fit, fitWord, cpuRatio, isRemote, contextTokens: fit.contextTokens };
  if (fit.kind === "tooLarge") return { ...judged, reason: `${model.name} does not fit: ${sizes(fit)}` };
  if (spills && !request.allowSpill) {
    const what = spilled ? `${gib(loaded.sizeBytes)} with ${gib(loaded.vramBytes)} of it in VRAM` : sizes(fit);
    return { ...judged, reason: `${model.name} would run partly on the CPU: ${what}` };
  }
  return { ...judged, reason: null };
}

/** Where nobody says, a model in VRAM shows it. Without a card the CPU is where a model belongs. */
function hasGraphicsCard({ loaded }: EndpointState, fit: RouteFit): boolean {
  if (fit.kind === "cpuOnly") return false;
  return fit.kind === "spills" || loaded.some(({ vramBytes, isExpected }) => vramBytes > 0 && isExpected !== true);
}

/** Share of a loaded model that lies on the CPU, as the server reports it; 0 while it is only expected. */
export function spilledRatio({ isExpected, sizeBytes, vramBytes }: LoadedModel): number {
  return isExpected === true || sizeBytes <= 0 ? 0 : Math.max(0, 1 - vramBytes / sizeBytes);
}

function fitWordOf(fit: RouteFit, isLoaded: boolean): RouteCandidate["fit"] {
  switch (fit.kind) {
    case "tooLarge":
    case "spills":
    case "unknown":
      return isLoaded && fit.kind === "unknown" ? "loaded" : fit.kind;
    case "fits":
    case "cpuOnly":
      return isLoaded ? "loaded" : "fits";
  }
}

function sizes({ needBytes, capacityBytes, reason }: RouteFit): string {
  if (needBytes === null || capacityBytes === null) return reason;
  return `${gib(needBytes)} needed, ${gib(capacityBytes)} free or to be freed`;
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

function seconds(spanMs: number): string {
  return `${Math.max(0, Math.ceil(spanMs / 1000))} s`;
}

/** Requests of this node under way on an endpoint. */
export function total(state: EndpointState): number {
  return Object.values(state.inFlight).reduce((sum, count) => sum + count, 0);
}
