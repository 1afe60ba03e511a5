/**
 * What waits to be told to another program, and when it is tried again. Pure.
 *
 * - OT1: no more than its limit waits; the oldest give way, and are counted.
 * - OT2: one batch is under way at a time, and is given up after its last try, or when it was refused for good.
 * - OT3: after a failure nothing is sent before its time; the time grows, and ends with the first success.
 */

export type OutletLimits = { readonly maxWaiting: number; readonly maxBatch: number; readonly tries: number };
/** Some megabytes at most, and a request that a collector takes by default. */
export const OUTLET_LIMITS: OutletLimits = { maxWaiting: 4_096, maxBatch: 256, tries: 8 };

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;

export type Sent =
  | { readonly kind: "taken"; readonly rejected: number }
  /** It may be taken later; `afterMs` as the receiver asked for. */
  | { readonly kind: "later"; readonly afterMs: number | null }
  | { readonly kind: "refused" };

export type OutletFigures = {
  readonly waiting: number;
  readonly sent: number;
  /** Given up: too many waited, or nobody took them. */
  readonly dropped: number;
  /** Sent, and not taken by the receiver. */
  readonly rejected: number;
};

export class Outlet<T> {
  readonly #limits: OutletLimits;
  #waiting: readonly T[] = [];
  #underWay: readonly T[] | undefined;
  #tried = 0;
  #notBeforeMs = 0;
  #sent = 0;
  #dropped = 0;
  #rejected = 0;

  constructor(limits: OutletLimits = OUTLET_LIMITS) {
    this.#limits = limits;
  }

  get figures(): OutletFigures {
    const waiting = this.#waiting.length + (this.#underWay?.length ?? 0);
    return { waiting, sent: this.#sent, dropped: this.#dropped, rejected: this.#rejected };
  }

  /** OT1 */
  add(item: T): void {
    const all = [...this.#waiting, item];
    const over = Math.max(0, all.length - this.#limits.maxWaiting);
    this.#dropped += over;
    this.#waiting = over === 0 ? all : all.slice(over);
  }

  /** @returns what to send now; undefined when there is nothing, or it is not time. */
  next(nowMs: number): readonly T[] | undefined {
    if (nowMs < this.#notBeforeMs) return undefined;
    if (this.#underWay === undefined && this.#waiting.length > 0) {
      this.#underWay = this.#waiting.slice(0, this.#limits.maxBatch);
      this.#waiting = this.#waiting.slice(this.#underWay.length);
      this.#tried = 0;
    }
    return this.#underWay;
  }

  /** @param jitter between 0 and 1, so that the nodes of a fleet do not come back together */
  settle(sent: Sent, nowMs: number, jitter: number): void {
    const batch = this.#underWay ?? [];
    switch (sent.kind) {
      case "taken":
        this.#underWay = undefined;
        this.#notBeforeMs = 0;
        this.#rejected += Math.min(batch.length, sent.rejected);
        this.#sent += batch.length - Math.min(batch.length, sent.rejected);
        return;
      case "refused":
        this.#underWay = undefined;
        this.#dropped += batch.length;
        return;
      case "later": {
        this.#tried += 1;
        const grown = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#tried - 1));
        this.#notBeforeMs = nowMs + Math.max(sent.afterMs ?? 0, Math.round(grown * (0.5 + jitter / 2)));
        if (this.#tried < this.#limits.tries) return;
        this.#underWay = undefined;
        this.#dropped += batch.length;
      }
    }
  }
}
