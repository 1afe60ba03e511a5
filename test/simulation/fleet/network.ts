import { type Clock, err, type Random, type Result, retryable } from "#base";
import type { SimulatedTime } from "./time.ts";

/** One direction each; the node at the other end notices neither. */
export type Way = { requestsCut: boolean; answersCut: boolean };

export type NetworkTemper = {
  /** What a message usually takes at the most. */
  readonly usualMs: number;
  /** Share of messages that get lost although the way is open. */
  readonly lossRatio: number;
  /** Share of requests that arrive twice. */
  readonly repeatRatio: number;
  /** Share of messages that are late by up to `lateMs`, and so are overtaken. */
  readonly lateRatio: number;
};

/** As a request's signature allows: what is older is refused at the door. */
const LATE_MS = 28_000;

export type Call<T> = {
  /** Whoever asks; a process that was killed gets no answer. */
  readonly clock: Clock & { readonly isAlive: boolean };
  readonly way: Way;
  readonly deadlineMs: number;
  /** Runs where the request arrives; an exception there is an answer without content. */
  readonly perform: () => Promise<Result<T>>;
  readonly mayRepeat?: boolean;
};

/** Messages between machines: lost, late, repeated and overtaken, as the seed has it. */
export class Network {
  temper: NetworkTemper;
  readonly #time: SimulatedTime;
  readonly #random: Random;

  constructor(time: SimulatedTime, random: Random, temper: NetworkTemper) {
    this.#time = time;
    this.#random = random;
    this.temper = temper;
  }

  call<T>({ clock, way, deadlineMs, perform, mayRepeat = true }: Call<T>): Promise<Result<T>> {
    return new Promise((resolve) => {
      const answer = (result: Result<T>): void => {
        deadline.cancel();
        if (clock.isAlive) resolve(result);
      };
      const deadline = clock.after(deadlineMs, () =>
        resolve(err(retryable("timed_out", "the hub did not answer in time"))),
      );
      const send = (): void => {
        if (way.requestsCut || this.#isLost()) return;
        this.#time.after(this.#delayMs(), () => {
          void perform().then((result) => {
            if (way.answersCut || this.#isLost()) return;
            this.#time.after(this.#delayMs(), () => answer(result));
          });
        });
      };
      send();
      if (mayRepeat && this.#random.next() < this.temper.repeatRatio) send();
    });
  }

  #isLost(): boolean {
    return this.#random.next() < this.temper.lossRatio;
  }

  #delayMs(): number {
    const isLate = this.#random.next() < this.temper.lateRatio;
    return 1 + this.#random.next() * (isLate ? LATE_MS : this.temper.usualMs);
  }
}
