/** Looks for a newer release by itself when schedule.ts says so, and has it installed. */
import { type Clock, describeFailure, type Logger, type Random, type Result, type Timer } from "#base";
import type { RefusalReason } from "../refusal.ts";
import { type DueCheck, decideCheck, firstCheck, nextCheck, type UpdateSchedule } from "../schedule.ts";

/** What a look at a manifest found. */
export type CheckReport = {
  readonly from: string;
  readonly atMs: number;
  readonly current: string | null;
  readonly version: string;
  readonly channel: string;
  /** Whether it would be installed. */
  readonly available: boolean;
  /** Why not. */
  readonly reason: RefusalReason | null;
  readonly detail: string | null;
};

export type UpdateCheckParts = {
  readonly schedule: UpdateSchedule;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly isBusy: () => boolean;
  /** @returns whether there is a release to be installed. */
  readonly check: () => Promise<Result<{ readonly available: boolean }>>;
  /** @returns when it has begun, or why it does not. */
  readonly install: () => Promise<Result<unknown>>;
};

export class UpdateChecks {
  readonly #parts: UpdateCheckParts;
  #due: DueCheck | undefined;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(parts: UpdateCheckParts) {
    this.#parts = parts;
  }

  start(): void {
    const { schedule, clock, random } = this.#parts;
    if (!schedule.isOn) return;
    this.#due = firstCheck(schedule, clock.monotonicMs(), random.next(), random.next());
    this.#look(this.#due);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #look(due: DueCheck): void {
    if (this.#isStopped) return;
    const { schedule, clock, random, isBusy } = this.#parts;
    const nowMs = clock.monotonicMs();
    const local = new Date(clock.nowMs());
    const minuteOfDay = local.getHours() * 60 + local.getMinutes();
    const decision = decideCheck(schedule, due, { nowMs, minuteOfDay, isBusy: isBusy() });
    if (decision.kind === "wait") {
      this.#timer = clock.after(decision.forMs, () => this.#look(due));
      return;
    }
    const next = nextCheck(schedule, nowMs, random.next(), random.next());
    void this.#check().finally(() => this.#look(next));
  }

  /** A failure is told and waits for the next time: nobody is there to be asked. */
  async #check(): Promise<void> {
    const { logger, check, install } = this.#parts;
    try {
      const found = await check();
      if (!found.ok) logger.warn("the look for a newer release failed", { reason: describeFailure(found.error) });
      if (!found.ok || !found.value.available) return;
      const begun = await install();
      if (!begun.ok) logger.warn("a newer release was not taken", { reason: describeFailure(begun.error) });
    } catch (cause) {
      logger.error("the look for a newer release failed by a bug", { cause: String(cause) });
    }
  }
}
