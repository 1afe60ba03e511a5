/**
 * What time it is at the hub. Pure.
 *
 * - H1: after the hub has told its time once, the node's wall clock is not looked at again: the monotonic clock counts on from
 *   there. So a clock that is hours wrong, or jumps, costs one refused request at most.
 * - H2: the hub's time is believed only under the hub's signature; the caller sees to that.
 */
import type { Clock } from "#base";

type Sample = { readonly hubMs: number; readonly monotonicMs: number };

export class HubClock {
  readonly #clock: Clock;
  #sample: Sample | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    const sample = this.#sample;
    if (sample === undefined) return this.#clock.nowMs();
    return Math.round(sample.hubMs + this.#clock.monotonicMs() - sample.monotonicMs);
  }

  /** How far this host's wall clock is behind the hub's; null before the hub has told its time. */
  offsetMs(): number | null {
    return this.#sample === undefined ? null : this.nowMs() - this.#clock.nowMs();
  }

  /**
   * @param hubMs what the hub said
   * @param askedAtMs monotonic, when it was asked: it said so between then and now, and the middle is wrong by at most half
   */
  learn(hubMs: number, askedAtMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    this.#sample = { hubMs: hubMs + Math.max(0, nowMs - askedAtMs) / 2, monotonicMs: nowMs };
  }
}
