import type { Clock, Logger } from "#base";

/** Drift between two looks that is called a jump: NTP slews far less. */
const CLOCK_JUMP_MS = 1_000;

/** Wall and monotonic time drift apart only when somebody sets the wall clock. */
export class ClockJumps {
  #wallOffsetMs: number | undefined;
  #isUnanswered = false;

  /** @returns whether there was a jump since {@link answered}; true at the first look, since nobody knows. */
  notice(clock: Clock, logger: Logger): boolean {
    const offsetMs = clock.nowMs() - clock.monotonicMs();
    const jumpMs = offsetMs - (this.#wallOffsetMs ?? Number.NaN);
    this.#wallOffsetMs = offsetMs;
    if (Number.isNaN(jumpMs)) this.#isUnanswered = true;
    else if (Math.abs(jumpMs) >= CLOCK_JUMP_MS) {
      this.#isUnanswered = true;
      logger.warn("the wall clock jumped; schedules follow it, leases and deadlines do not", {
        byMs: Math.round(jumpMs),
      });
    }
    return this.#isUnanswered;
  }

  /** What follows from the jump is done. */
  answered(): void {
    this.#isUnanswered = false;
  }
}
