import type { Clock, Random } from "#base";

/** The clocks of this machine. */
export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, action) => {
    const timer = setTimeout(action, Math.min(delayMs, MAX_TIMER_MS));
    return { cancel: () => clearTimeout(timer) };
  },
};

/** setTimeout fires at once above 2^31−1 ms; whoever waits longer than 24 days is woken early and waits again. */
const MAX_TIMER_MS = 2_147_483_647;

/** Chance from the operating system's generator, drawn in blocks because one call per number costs a microsecond. */
export function realRandom(): Random {
  const words = new Uint32Array(1024);
  let used = words.length;
  return {
    next: () => {
      if (used >= words.length) {
        crypto.getRandomValues(words);
        used = 0;
      }
      return (words[used++] ?? 0) / 4_294_967_296;
    },
    bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
  };
}
