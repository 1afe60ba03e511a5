import type { Clock, Timer } from "#base";

/** Work that is done again and again, one time after the other. */
export type Repeated = {
  readonly isStopped: boolean;
  readonly start: () => void;
  /** Settles when what is under way is over; nothing begins after it was called. */
  readonly stop: () => Promise<void>;
};

/**
 * @param firstMs from the start until the first time
 * @param act never throws; resolves to how many milliseconds later it is done again
 */
export function repeat(clock: Pick<Clock, "after">, firstMs: number, act: () => Promise<number>): Repeated {
  let timer: Timer | undefined;
  let isStopped = false;
  let running: Promise<void> = Promise.resolve();
  const later = (delayMs: number): void => {
    if (isStopped) return;
    timer = clock.after(delayMs, () => {
      running = act().then(later);
    });
  };
  return {
    get isStopped() {
      return isStopped;
    },
    start: () => later(firstMs),
    stop: async () => {
      isStopped = true;
      timer?.cancel();
      await running;
    },
  };
}
