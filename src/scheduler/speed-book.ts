/** What was measured of models on endpoints: how fast they load, read and write, and what neighbours cost them. */
import type { Model } from "#hw";
import { type EndpointHardware, firstEstimate, REMOTE_ESTIMATE } from "./first-estimate.ts";
import { activeBytes, weightBytes } from "./model-facts.ts";
import { type Rate, rateValue, updatedRate } from "./speed-rate.ts";

/** Figures kept. A fleet of 50 endpoints with 20 models each in 4 sizes of context needs about 12,000. */
export const MAX_SPEED_ROWS = 20_000;
/** A prompt or a reply of fewer tokens says more about fixed costs than about speed. */
const LEAST_PROMPT_TOKENS = 32;
const LEAST_REPLY_TOKENS = 4;
/** Contexts of one bucket share figures; reading the cache of keys and values slows with length. */
const CONTEXT_BUCKETS_TOKENS = [4_096, 16_384, 65_536] as const;
/** For each bucket all of them, the nearest first. */
const NEAREST_BUCKETS = [
  [0, 1, 2, 3],
  [1, 0, 2, 3],
  [2, 1, 3, 0],
  [3, 2, 1, 0],
] as const;
/** What each neighbour in the same runner adds to the time of one token before it was measured. */
const USUAL_SLOWDOWN = 0.15;
const MOST_SLOWDOWN = 2;
const LEAST_SLOWDOWN = 0.01;
/** Speeds measured with more company than this also tell what company costs. */
const COMPANY_FROM = 1.3;
/** An unexpected load is one that took longer than any server needs to find a loaded model. */
export const SURELY_LOADED_MS = 1_000;
/** No server of one machine is faster for one request, however small its model; nor loads one in less. */
const MOST_DECODE_PER_SECOND = 400;
const MOST_PREFILL_PER_SECOND = 20_000;
const LEAST_LOAD_MS = 300;
/** Stands for every model of an endpoint. */
const ANY_MODEL = "*";

const METRICS = ["prefill", "decode", "load", "slowdown"] as const;
type Metric = (typeof METRICS)[number];

/** One figure as a store keeps it. Figures of the whole machine have the model `*` and are in bytes a second. */
export type SpeedRow = Rate & {
  /** An endpoint's id, or `class:` with a hardware class. */
  readonly owner: string;
  /** Digest where known, else name. */
  readonly model: string;
  /** Bucket of context length, with `c` and tenths when part of it was on the CPU: `1`, `0c3`. */
  readonly bucket: string;
  readonly metric: Metric;
};

/** Where and how a model runs: the key of its speeds. */
export type SpeedPlace = {
  readonly endpoint: string;
  readonly model: Model;
  readonly contextTokens: number | null;
  /** Share of the model that lies on the CPU: 0 none, 1 all of it. Speeds are kept apart by tenths. */
  readonly cpuRatio: number;
  /** A server reached by network whose models need no loading: Anthropic, an OpenAI-compatible one, a cloud model. */
  readonly isRemote: boolean;
};

export type SpeedEstimate = {
  /** Prompt tokens a second, alone on the machine. */
  readonly prefillPerSecond: number;
  /** Reply tokens a second, alone on the machine. */
  readonly decodePerSecond: number;
  /** From asking for the model until it is in memory; 0 for remote ones. */
  readonly loadMs: number;
  /** Part of the time of one token that each further request in the same runner adds. */
  readonly slowdown: number;
  readonly basis: "measured" | "shared" | "estimated";
};

/** Measured of one reply; null or 0 where nothing was said. */
export type SpeedSample = SpeedPlace & {
  /** Tokens that were read, without those that a cache spared. */
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Null when it says nothing about the machine: others were being loaded, or the model was in memory. */
  readonly loadMs: number | null;
  readonly prefillMs: number | null;
  readonly decodeMs: number | null;
  /** Requests in the same runner on average, with this one. */
  readonly neighbours: number;
  /** Runners that were at work on average. */
  readonly runners: number;
};

export type HardwareOf = (endpoint: string) => EndpointHardware | null;

/**
 * Speeds by (endpoint, model, context bucket). Looked up from the nearest to the farthest: this model here; the same
 * digest on the same class of hardware (`shared`); any model here, scaled by active weights; the machine's memory;
 * ordinary machines (`estimated`). Bounded by {@link MAX_SPEED_ROWS}; the figures longest unused go first.
 */
export class SpeedBook {
  readonly #rates = new Map<string, { readonly key: Omit<SpeedRow, keyof Rate>; rate: Rate }>();
  /** Rows by owner and model. */
  readonly #measured = new Map<string, number>();
  readonly #hardwareOf: HardwareOf;

  constructor(hardwareOf: HardwareOf = () => null) {
    this.#hardwareOf = hardwareOf;
  }

  estimate(place: SpeedPlace): SpeedEstimate {
    const hardware = this.#hardwareOf(place.endpoint);
    const decode = this.#lookup(place, "decode", hardware);
    const prefill = this.#lookup(place, "prefill", hardware);
    const load = this.#lookup(place, "load", hardware);
    const slowdown = this.slowdown(place);
    const basis = decode?.basis ?? "estimated";
    if (place.isRemote) {
      return {
        prefillPerSecond: prefill?.value ?? REMOTE_ESTIMATE.prefillPerSecond,
        decodePerSecond: decode?.value ?? REMOTE_ESTIMATE.decodePerSecond,
        loadMs: 0,
        slowdown,
        basis,
      };
    }
    const guess = firstEstimate(hardware, place.cpuRatio);
    const active = activeBytes(place.model);
    const scaled = (metric: "prefill" | "decode", bytesPerSecond: number, most: number): number =>
      Math.min(most, (this.#machine(place, metric, hardware) ?? bytesPerSecond) / active);
    const loadMs = (bytesPerSecond: number): number => (weightBytes(place.model) / bytesPerSecond) * 1000;
    return {
      prefillPerSecond: prefill?.value ?? scaled("prefill", guess.prefillBytesPerSecond, MOST_PREFILL_PER_SECOND),
      decodePerSecond: decode?.value ?? scaled("decode", guess.decodeBytesPerSecond, MOST_DECODE_PER_SECOND),
      loadMs:
        load === undefined
          ? Math.max(LEAST_LOAD_MS, loadMs(this.#machine(place, "load", hardware) ?? guess.loadBytesPerSecond))
          : loadMs(load.value),
      slowdown,
      basis,
    };
  }

  /** @returns part of the time of one token that each further request in the same runner adds. */
  slowdown(place: SpeedPlace): number {
    return this.#lookup(place, "slowdown", this.#hardwareOf(place.endpoint))?.value ?? USUAL_SLOWDOWN;
  }

  /** Learns from one reply. A sample with company teaches what company costs and, corrected by that, the speed alone. */
  observe(sample: SpeedSample, nowMs: number): void {
    const before = this.estimate(sample);
    const company = Math.max(1, sample.neighbours) > COMPANY_FROM || Math.max(1, sample.runners) > COMPANY_FROM;
    const stretch = Math.max(1, sample.runners) * (1 + before.slowdown * (Math.max(1, sample.neighbours) - 1));
    if (sample.prefillMs !== null && sample.promptTokens >= LEAST_PROMPT_TOKENS && sample.prefillMs > 0) {
      this.#learnSpeed(sample, "prefill", (sample.promptTokens / sample.prefillMs) * 1000 * stretch, nowMs);
    }
    if (sample.decodeMs !== null && sample.completionTokens >= LEAST_REPLY_TOKENS && sample.decodeMs > 0) {
      const perSecond = (sample.completionTokens / sample.decodeMs) * 1000;
      if (company && before.basis === "measured" && sample.neighbours > COMPANY_FROM) {
        const factor = before.decodePerSecond / perSecond / Math.max(1, sample.runners);
        const slowdown = Math.max(LEAST_SLOWDOWN, Math.min(MOST_SLOWDOWN, (factor - 1) / (sample.neighbours - 1)));
        this.#learn(sample.endpoint, modelKey(sample.model), bucketOf(sample), "slowdown", slowdown, nowMs);
      }
      this.#learnSpeed(sample, "decode", perSecond * stretch, nowMs);
    }
    if (sample.loadMs !== null && sample.loadMs > 0 && !sample.isRemote) {
      const perSecond = (weightBytes(sample.model) / sample.loadMs) * 1000;
      this.#learn(sample.endpoint, modelKey(sample.model), bucketOf(sample), "load", perSecond, nowMs);
      this.#learn(sample.endpoint, ANY_MODEL, anyBucket(sample), "load", perSecond, nowMs);
    }
  }

  /** @returns every figure, for a store; the order is from the longest unused to the latest. */
  toRows(): readonly SpeedRow[] {
    return [...this.#rates.values()].map(({ key, rate }) => ({ ...key, ...rate }));
  }

  /** Takes in what a store kept; figures already learned here stay. */
  fromRows(rows: readonly SpeedRow[]): void {
    for (const row of rows) {
      const { logMean, logDeviation, samples, updatedAtMs, ...key } = row;
      if (!Number.isFinite(logMean) || !Number.isFinite(logDeviation) || samples < 1) continue;
      const text = keyText(key.owner, key.model, key.bucket, key.metric);
      if (!this.#rates.has(text)) this.#keep(text, key, { logMean, logDeviation, samples, updatedAtMs });
    }
  }

  #learnSpeed(sample: SpeedSample, metric: "prefill" | "decode", perSecond: number, nowMs: number): void {
    const bucket = bucketOf(sample);
    this.#learn(sample.endpoint, modelKey(sample.model), bucket, metric, perSecond, nowMs);
    if (sample.isRemote) return;
    const bytesPerSecond = perSecond * activeBytes(sample.model);
    this.#learn(sample.endpoint, ANY_MODEL, anyBucket(sample), metric, bytesPerSecond, nowMs);
    const hardwareClass = this.#hardwareOf(sample.endpoint)?.hardwareClass ?? null;
    if (hardwareClass === null) return;
    this.#learn(`class:${hardwareClass}`, modelKey(sample.model), bucket, metric, perSecond, nowMs);
    this.#learn(`class:${hardwareClass}`, ANY_MODEL, anyBucket(sample), metric, bytesPerSecond, nowMs);
  }

  #learn(owner: string, model: string, bucket: string, metric: Metric, sample: number, nowMs: number): void {
    const text = keyText(owner, model, bucket, metric);
    const rate = updatedRate(this.#rates.get(text)?.rate, sample, nowMs);
    if (rate !== undefined) this.#keep(text, { owner, model, bucket, metric }, rate);
  }

  #keep(text: string, key: Omit<SpeedRow, keyof Rate>, rate: Rate): void {
    if (!this.#rates.delete(text)) this.#count(key, 1);
    this.#rates.set(text, { key, rate }); // at the end of the map's order: the first is the longest unused
    if (this.#rates.size <= MAX_SPEED_ROWS) return;
    const oldest = this.#rates.entries().next();
    if (oldest.done === true) return;
    this.#rates.delete(oldest.value[0]);
    this.#count(oldest.value[1].key, -1);
  }

  #count({ owner, model }: { readonly owner: string; readonly model: string }, change: number): void {
    const key = `${owner}\n${model}`;
    const count = (this.#measured.get(key) ?? 0) + change;
    if (count > 0) this.#measured.set(key, count);
    else this.#measured.delete(key);
  }

  #lookup(
    place: SpeedPlace,
    metric: Metric,
    hardware: EndpointHardware | null,
  ): { readonly value: number; readonly basis: "measured" | "shared" } | undefined {
    const model = modelKey(place.model);
    const here = this.#nearest(place.endpoint, model, place, metric);
    if (here !== undefined) return { value: here, basis: "measured" };
    const hardwareClass = hardware?.hardwareClass ?? null;
    if (hardwareClass === null) return undefined;
    const shared = this.#nearest(`class:${hardwareClass}`, model, place, metric);
    return shared === undefined ? undefined : { value: shared, basis: "shared" };
  }

  /** The bucket of the place, else the nearest measured one. */
  #nearest(owner: string, model: string, place: SpeedPlace, metric: Metric): number | undefined {
    // Most pairs of endpoint and model were never measured; a decision over a fleet asks for hundreds of them.
    if (!this.#measured.has(`${owner}\n${model}`)) return undefined;
    for (const number of NEAREST_BUCKETS[bucketNumber(place.contextTokens)] ?? []) {
      const entry = this.#rates.get(keyText(owner, model, bucketText(number, place.cpuRatio), metric));
      if (entry !== undefined) return rateValue(entry.rate);
    }
    return undefined;
  }

  #machine(place: SpeedPlace, metric: Metric, hardware: EndpointHardware | null): number | undefined {
    const here = this.#rates.get(keyText(place.endpoint, ANY_MODEL, anyBucket(place), metric));
    if (here !== undefined) return rateValue(here.rate);
    const hardwareClass = hardware?.hardwareClass ?? null;
    const shared = this.#rates.get(keyText(`class:${hardwareClass ?? ""}`, ANY_MODEL, anyBucket(place), metric));
    return shared === undefined ? undefined : rateValue(shared.rate);
  }
}

/**
 * @param expected whether the decision counted on a load.
 * @param isAlone whether nothing else waited for a load there: Ollama counts such waiting as load time.
 * @returns the load time to learn from; null when it says nothing.
 */
export function learnableLoadMs(loadMs: number | null, expected: boolean, isAlone: boolean): number | null {
  if (loadMs === null || !isAlone) return null;
  return expected || loadMs >= SURELY_LOADED_MS ? loadMs : null;
}

function modelKey(model: Model): string {
  return model.digest ?? model.name;
}

function keyText(owner: string, model: string, bucket: string, metric: Metric): string {
  return `${owner}\n${model}\n${bucket}\n${metric}`;
}

function bucketNumber(contextTokens: number | null): number {
  if (contextTokens === null) return 0;
  const index = CONTEXT_BUCKETS_TOKENS.findIndex((limit) => contextTokens <= limit);
  return index === -1 ? CONTEXT_BUCKETS_TOKENS.length : index;
}

function bucketText(number: number, cpuRatio: number): string {
  return `${number}${cpuText(cpuRatio)}`;
}

function bucketOf(place: SpeedPlace): string {
  return bucketText(bucketNumber(place.contextTokens), place.cpuRatio);
}

function anyBucket(place: SpeedPlace): string {
  return cpuText(place.cpuRatio);
}

/** How fast a model is that lies partly on the CPU depends on how much of it does. */
function cpuText(ratio: number): string {
  return ratio <= 0 ? "" : `c${Math.min(10, Math.ceil(ratio * 10))}`;
}
