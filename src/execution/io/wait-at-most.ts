import type { Clock } from "#base";

/** Waits for `event`, at most `limitMs`. Leaves no timer behind, which would keep a process that is done from ending. */
export async function waitAtMost(clock: Clock, limitMs: number, event: Promise<unknown>): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = clock.after(limitMs, () => over.resolve());
  try {
    await Promise.race([event, over.promise]);
  } finally {
    timer.cancel();
  }
}
