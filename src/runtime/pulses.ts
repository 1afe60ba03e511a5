import type { Clock, Timer } from "#base";
import type { Pulse } from "#watchdog";

/** The inner loops of a node. The watchdog restarts a node one of whose loops stands still, although it answers. */
export class Pulses {
  readonly #clock: Clock;
  readonly #hangMs: number;
  readonly #stalled: string | undefined;
  readonly #loops = new Map<string, { atMs: number; readonly everyMs: number }>();

  /**
   * @param hangMs a loop that is late by more has hung. A minute by default: a disk that is overloaded may keep one
   *   transaction waiting for tens of seconds, and a restart would only add to it.
   * @param stalled a loop that stands still, for tests
   */
  constructor(clock: Clock, hangMs: number, stalled?: string) {
    this.#clock = clock;
    this.#hangMs = hangMs;
    this.#stalled = stalled;
  }

  /** Acts every so often. @returns a function that ends it. */
  repeat(name: string, everyMs: number, action: () => void): () => void {
    const loop = { atMs: this.#clock.monotonicMs(), everyMs };
    this.#loops.set(name, loop);
    let timer: Timer | undefined;
    const later = (): void => {
      timer = this.#clock.after(everyMs, () => {
        if (name === this.#stalled) return;
        action();
        loop.atMs = this.#clock.monotonicMs();
        later();
      });
    };
    later();
    return () => {
      timer?.cancel();
      this.#loops.delete(name);
    };
  }

  view(): readonly Pulse[] {
    return [...this.#loops].map(([name, { atMs, everyMs }]) => this.#pulse(name, atMs, everyMs));
  }

  /** As pulses, loops that keep their own time; one that has not come round yet is not among them. */
  ofTurns(turns: Readonly<Record<string, number | undefined>>): readonly Pulse[] {
    return Object.entries(turns).flatMap(([name, atMs]) => (atMs === undefined ? [] : [this.#pulse(name, atMs, 0)]));
  }

  #pulse(name: string, atMs: number, everyMs: number): Pulse {
    return { name, ageMs: Math.max(0, Math.round(this.#clock.monotonicMs() - atMs)), limitMs: everyMs + this.#hangMs };
  }
}
