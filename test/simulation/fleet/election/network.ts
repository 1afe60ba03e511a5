import { err, type NodeId, type Random, type Result, retryable } from "#base";
import type { ProcessClock, SimulatedTime } from "../time.ts";

export type ElectionTemper = { usualMs: number; lossRatio: number; repeatRatio: number; lateRatio: number };

/** Messages between any two machines, each direction by itself. */
export class ElectionNetwork {
  temper: ElectionTemper = { usualMs: 20, lossRatio: 0, repeatRatio: 0, lateRatio: 0 };
  readonly #cut = new Set<string>();
  /** What is sent to these machines takes so much longer. */
  readonly #slowMs = new Map<NodeId, number>();
  readonly #time: SimulatedTime;
  readonly #random: Random;
  /** What is late comes so late: some leases. */
  readonly #lateMs: number;

  constructor(time: SimulatedTime, random: Random, lateMs: number) {
    this.#time = time;
    this.#random = random;
    this.#lateMs = lateMs;
  }

  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from} ${to}`);
  }

  heal(): void {
    this.#cut.clear();
  }

  /** @param byMs 0: as before */
  slow(to: NodeId, byMs: number): void {
    this.#slowMs.set(to, byMs);
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.#cut.has(`${from} ${to}`);
  }

  /** Neither end notices what is lost. `perform` runs where the request arrives. */
  call<T>(
    [from, to]: readonly [NodeId, NodeId],
    clock: ProcessClock,
    deadlineMs: number,
    perform: () => Result<T> | undefined,
  ): Promise<Result<T>> {
    return new Promise((resolve) => {
      const deadline = clock.after(deadlineMs, () => resolve(err(retryable("timed_out", "no answer in time"))));
      const answer = (said: Result<T>): void => {
        deadline.cancel();
        if (clock.isAlive) resolve(said);
      };
      const send = (): void => {
        if (this.#isLost(from, to)) return;
        this.#time.after(this.#delayMs(to), () => {
          const said = perform();
          if (said === undefined || this.#isLost(to, from)) return;
          this.#time.after(this.#delayMs(from), () => answer(said));
        });
      };
      send();
      if (this.#random.next() < this.temper.repeatRatio) send();
    });
  }

  #isLost(from: NodeId, to: NodeId): boolean {
    return this.isCut(from, to) || this.#random.next() < this.temper.lossRatio;
  }

  #delayMs(to: NodeId): number {
    const isLate = this.#random.next() < this.temper.lateRatio;
    const slowMs = this.#slowMs.get(to) ?? 0;
    return 1 + slowMs + this.#random.next() * (isLate ? this.#lateMs : this.temper.usualMs);
  }
}
