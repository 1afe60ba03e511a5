/** How much work requests turn out to be, and how far predictions were off. */
import { type Rate, rateMean, rateValue, updatedRate } from "./speed-rate.ts";

/** Work of a request on an endpoint that never answered one. */
const FIRST_USUAL_MS = 5_000;
const MAX_ENTRIES = 2_000;
/** A caller's guess of the length of a reply is corrected by no more than this factor either way. */
const MOST_CORRECTION = 4;
/** Before so many replies, the caller's own guess stands. */
const CORRECTED_FROM_SAMPLES = 5;

/** Usual work by endpoint, and the length of replies by model against what callers expected. */
export class WorkBook {
  readonly #usual = new Map<string, Rate>();
  readonly #lengths = new Map<string, Rate>();

  /** @returns milliseconds that a request works on the endpoint, on average. */
  usualMs(endpoint: string): number {
    const rate = this.#usual.get(endpoint);
    return rate === undefined ? FIRST_USUAL_MS : rateValue(rate);
  }

  /** @returns tokens of reply to expect where a caller expects `tokens`. */
  expectedOutput(model: string, tokens: number): number {
    const rate = this.#lengths.get(model);
    if (rate === undefined || rate.samples < CORRECTED_FROM_SAMPLES) return tokens;
    return tokens * Math.max(1 / MOST_CORRECTION, Math.min(MOST_CORRECTION, rateMean(rate)));
  }

  observe(endpoint: string, model: string, expected: number, actual: number, workMs: number, nowMs: number): void {
    keep(this.#usual, endpoint, workMs, nowMs);
    if (expected > 0) keep(this.#lengths, model, actual / expected, nowMs);
  }
}

function keep(rates: Map<string, Rate>, key: string, sample: number, nowMs: number): void {
  const rate = updatedRate(rates.get(key), sample, nowMs);
  if (rate === undefined) return;
  rates.delete(key);
  rates.set(key, rate);
  if (rates.size <= MAX_ENTRIES) return;
  const oldest = rates.keys().next();
  if (oldest.done !== true) rates.delete(oldest.value);
}

/** Weight of the latest prediction in the average: about the last hundred count. */
const ERROR_WEIGHT = 0.01;

/** How far predictions were from what happened. */
export type PredictionAccuracy = {
  readonly samples: number;
  /** Mean absolute error as a part of the actual time, over about the last hundred; null before the first. */
  readonly meanAbsoluteErrorRatio: number | null;
};

/** The mean absolute error of predictions, as a part of what happened. */
export class PredictionErrors {
  #samples = 0;
  #mean: number | null = null;

  observe(predictedMs: number, actualMs: number): void {
    if (!(actualMs > 0) || !Number.isFinite(predictedMs)) return;
    const error = Math.abs(predictedMs - actualMs) / actualMs;
    this.#samples += 1;
    const weight = Math.max(ERROR_WEIGHT, 1 / this.#samples);
    this.#mean = this.#mean === null ? error : this.#mean + weight * (error - this.#mean);
  }

  summary(): PredictionAccuracy {
    return { samples: this.#samples, meanAbsoluteErrorRatio: this.#mean };
  }
}
