import { availableParallelism, loadavg } from "node:os";

/** Whatever the machine does: a wait has to end while somebody still looks at it. */
const MAX_STRETCH = 10;

/** @returns how much longer something may take where `load` processes want `processors`, than on a machine of its own. */
export function stretchOf(load: number, processors: number): number {
  return Math.min(MAX_STRETCH, Math.max(1, load / processors));
}

/**
 * A limit of time for what other processes do. Time counts for less while the machine is overloaded: to wait behind twenty
 * others is no fault. Where the system tells no load (Windows), it is a usual limit.
 */
export class Patience {
  #leftMs: number;
  #lookedAtMs = performance.now();

  constructor(limitMs: number) {
    this.#leftMs = limitMs;
  }

  /** To be asked again and again: what passed since the last call counts by the load of now. */
  isOver(): boolean {
    const nowMs = performance.now();
    this.#leftMs -= (nowMs - this.#lookedAtMs) / stretchOf(loadavg()[0] ?? 0, availableParallelism());
    this.#lookedAtMs = nowMs;
    return this.#leftMs < 0;
  }
}
