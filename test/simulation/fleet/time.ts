import type { Clock, Timer } from "#base";

type Event = { readonly dueMs: number; readonly n: number; readonly action: () => void; isCancelled: boolean };

/** True time of a simulated fleet, which no node can read, and everything that is going to happen in it. */
export class SimulatedTime {
  #nowMs = 0;
  #n = 0;
  /** A binary heap by (due, order of arrival): several thousand events a history, most of them timers. */
  readonly #heap: Event[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  at(dueMs: number, action: () => void): Timer {
    if (!Number.isFinite(dueMs)) throw new Error(`no instant: ${dueMs}`);
    this.#n += 1;
    const event: Event = { dueMs: Math.max(dueMs, this.#nowMs), n: this.#n, action, isCancelled: false };
    this.#heap.push(event);
    this.#rise(this.#heap.length - 1);
    return {
      cancel: () => {
        event.isCancelled = true;
      },
    };
  }

  after(delayMs: number, action: () => void): Timer {
    return this.at(this.#nowMs + delayMs, action);
  }

  /** Lets events happen one by one, each with everything that follows from it at once, until then or until it is over. */
  async run(untilMs: number, isOver: () => boolean): Promise<void> {
    for (;;) {
      // Nothing here waits for anything but promises, and all of those are through before the next turn of the loop.
      await new Promise<void>((resolve) => setImmediate(resolve));
      const next = this.#heap[0];
      if (next === undefined || next.dueMs > untilMs || isOver()) break;
      this.#pop();
      if (next.isCancelled) continue;
      this.#nowMs = next.dueMs;
      next.action();
    }
    if (!isOver()) this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink();
  }

  #rise(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #sink(): void {
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      if (left < this.#heap.length && this.#isBefore(left, least)) least = left;
      if (right < this.#heap.length && this.#isBefore(right, least)) least = right;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [left, right] = [this.#heap[a], this.#heap[b]];
    if (left === undefined || right === undefined) return false;
    return left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.n < right.n);
  }

  #swap(a: number, b: number): void {
    const [left, right] = [this.#heap[a], this.#heap[b]];
    if (left === undefined || right === undefined) return;
    this.#heap[a] = right;
    this.#heap[b] = left;
  }
}

/** What a machine shows of time: a wall clock that may be set, and a crystal that runs fast or slow. */
export type MachineTime = { wallOffsetMs: number; readonly rate: number };

const START_MS = 1_700_000_000_000;

/** The clock of one process. When the process is killed, nothing that it waits for happens any more. */
export class ProcessClock implements Clock {
  isAlive = true;
  readonly #time: SimulatedTime;
  readonly #machine: MachineTime;
  readonly #startedMs: number;

  constructor(time: SimulatedTime, machine: MachineTime) {
    this.#time = time;
    this.#machine = machine;
    this.#startedMs = time.nowMs;
  }

  nowMs(): number {
    return Math.floor(START_MS + this.#time.nowMs * this.#machine.rate + this.#machine.wallOffsetMs);
  }

  monotonicMs(): number {
    return (this.#time.nowMs - this.#startedMs) * this.#machine.rate;
  }

  /** What the clock of the machine's boot shows, which goes on from process to process. */
  bootMs(monotonicMs: number): number {
    return this.#startedMs * this.#machine.rate + monotonicMs;
  }

  after(delayMs: number, action: () => void): Timer {
    return this.#time.after(Math.max(0, delayMs) / this.#machine.rate, () => {
      if (this.isAlive) action();
    });
  }
}
