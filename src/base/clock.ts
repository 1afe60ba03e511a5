/** A running timer; `cancel` is idempotent. */
export type Timer = { readonly cancel: () => void };

/**
 * Time as an argument. Wall time names instants for people and may jump; monotonic time measures durations and
 * never does. No safety property of drover may depend on `nowMs`.
 */
export interface Clock {
  /** Epoch milliseconds, integer. May jump in both directions. */
  nowMs(): number;
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number;
  /** Calls `action` once after `delayMs` of monotonic time. */
  after(delayMs: number, action: () => void): Timer;
}

/** Resolves after `delayMs` of the clock's monotonic time. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}

/** A clock that stands still until it is moved; its timers fire in order of their due time. */
export class SimulatedClock implements Clock {
  #wallMs: number;
  #elapsedMs = 0;
  #sequence = 0;
  #timers: { dueMs: number; sequence: number; action: () => void }[] = [];

  constructor(startMs = 1_700_000_000_000) {
    this.#wallMs = startMs;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  after(delayMs: number, action: () => void): Timer {
    const timer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), sequence: this.#sequence++, action };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Moves wall and monotonic time together and fires what falls due, earliest first. */
  advance(byMs: number): void {
    const targetMs = this.#elapsedMs + byMs;
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.dueMs <= targetMs)
        .sort((a, b) => a.dueMs - b.dueMs || a.sequence - b.sequence)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#move(next.dueMs - this.#elapsedMs);
      next.action();
    }
    this.#move(targetMs - this.#elapsedMs);
  }

  /** Jumps the wall clock alone, as an operator or NTP may; monotonic time and timers do not notice. */
  jumpWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  #move(byMs: number): void {
    this.#elapsedMs += byMs;
    this.#wallMs += byMs;
  }
}
