/**
 * Which models to load before they are asked for. Rules:
 *
 * - W1: a model that is in memory or being loaded anywhere it may run is left alone.
 * - W2: nothing is evicted that is busy, or needed no later than what is loaded for it. Where memory is not known, any
 *   load may evict anything.
 * - W3: one load per endpoint at a time, and no more than {@link MAX_PREWARMS_PER_MINUTE} in a minute.
 */
import type { NeededSoon } from "./demand-book.ts";
import { sameModel } from "./model-facts.ts";

/** Loads that were guessed wrong cost disk and memory traffic of others; the queue corrects itself within a minute. */
export const MAX_PREWARMS_PER_MINUTE = 6;
/** Needs farther away than this are left alone: an idle model is kept for five minutes. */
const WORTH_WITHIN_MS = 120_000;

/** An endpoint as far as loading ahead is concerned. */
export type PrewarmEndpoint = {
  readonly endpoint: string;
  readonly isLoading: boolean;
  /** Memory for models together; null when unknown. */
  readonly capacityBytes: number | null;
  readonly loaded: readonly PrewarmLoaded[];
  /** Models it could load and serve, with what they take and how long it lasts. */
  readonly offers: readonly PrewarmOffer[];
};

export type PrewarmLoaded = {
  readonly model: string;
  readonly bytes: number;
  readonly isBusy: boolean;
  /** The server holds it where requests cannot use it, such as in RAM beside a graphics card. */
  readonly isUseless?: boolean;
};

export type PrewarmOffer = {
  readonly model: string;
  readonly bytes: number;
  readonly loadMs: number;
  /** What a request would use it with; null leaves it to the server. */
  readonly contextTokens: number | null;
};

export type Prewarm = {
  readonly endpoint: string;
  readonly model: string;
  readonly contextTokens: number | null;
  /** Idle models that make room. */
  readonly evicts: readonly string[];
  readonly reason: string;
};

/**
 * @param upcoming what the queue's next tasks need.
 * @param startedAtMs when earlier loads were begun.
 * @returns loads worth beginning now, the soonest need first; at most one per endpoint.
 */
export function planPrewarms(
  upcoming: readonly NeededSoon[],
  endpoints: readonly PrewarmEndpoint[],
  startedAtMs: readonly number[],
  nowMs: number,
): readonly Prewarm[] {
  const recent = startedAtMs.filter((atMs) => nowMs - atMs < 60_000).length;
  const plans: Prewarm[] = [];
  const needs = upcoming
    .filter(({ inMs }) => inMs <= WORTH_WITHIN_MS)
    .toSorted((a, b) => a.inMs - b.inMs || b.count - a.count || (a.model < b.model ? -1 : 1));
  for (const need of needs) {
    if (recent + plans.length >= MAX_PREWARMS_PER_MINUTE) break;
    const isThere = endpoints.some(({ loaded }) => loaded.some((held) => serves(held, need.model)));
    if (isThere || plans.some((plan) => sameModel(plan.model, need.model))) continue;
    const best = endpoints
      .filter(({ endpoint, isLoading }) => !isLoading && !plans.some((plan) => plan.endpoint === endpoint))
      .flatMap((each) => loadAt(each, need, upcoming))
      .toSorted((a, b) => a.costMs - b.costMs || (a.plan.endpoint < b.plan.endpoint ? -1 : 1))[0];
    if (best !== undefined) plans.push(best.plan);
  }
  return plans;
}

function serves({ model, isUseless }: PrewarmLoaded, needed: string): boolean {
  return isUseless !== true && sameModel(model, needed);
}

/** How a model would be loaded on an endpoint; nothing when W2 forbids it. */
function loadAt(
  at: PrewarmEndpoint,
  need: NeededSoon,
  upcoming: readonly NeededSoon[],
): readonly { readonly plan: Prewarm; readonly costMs: number }[] {
  const offer = at.offers.find(({ model }) => sameModel(model, need.model));
  if (offer === undefined) return [];
  const evicts: string[] = [];
  let costMs = offer.loadMs;
  const mustStay = (held: PrewarmLoaded): boolean => held.isBusy || neededInMs(held.model, upcoming) <= need.inMs;
  if (at.capacityBytes === null && at.loaded.some(mustStay)) return [];
  if (at.capacityBytes !== null) {
    let free = at.capacityBytes - at.loaded.reduce((sum, { bytes }) => sum + bytes, 0);
    const idle = at.loaded
      .filter((held) => !mustStay(held))
      .map((held) => ({ ...held, neededInMs: neededInMs(held.model, upcoming) }))
      .toSorted((a, b) => b.neededInMs - a.neededInMs || b.bytes - a.bytes);
    for (const held of idle) {
      if (free >= offer.bytes) break;
      free += held.bytes;
      evicts.push(held.model);
      const reload = at.offers.find(({ model }) => sameModel(model, held.model))?.loadMs ?? 0;
      if (Number.isFinite(held.neededInMs)) costMs += reload;
    }
    if (free < offer.bytes) return [];
  }
  const tasks = need.count === 1 ? "a task needs" : `${need.count} tasks need`;
  const room = evicts.length === 0 ? "" : `; ${evicts.join(", ")} makes room`;
  const reason = `${tasks} it in ${Math.round(need.inMs / 1000)} s${room}`;
  const { model, contextTokens } = offer;
  return [{ plan: { endpoint: at.endpoint, model, contextTokens, evicts, reason }, costMs }];
}

function neededInMs(model: string, upcoming: readonly NeededSoon[]): number {
  return upcoming
    .filter((need) => sameModel(need.model, model))
    .reduce((least, { inMs }) => Math.min(least, inMs), Number.POSITIVE_INFINITY);
}
