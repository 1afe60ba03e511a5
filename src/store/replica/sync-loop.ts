import type { Clock, Logger, Random, Timer } from "#base";
import { pauseMs } from "./sync-pace.ts";

export type SyncLoopParts = {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly backoffMaxMs: number | undefined;
  readonly isBehind: () => boolean;
  /** @returns whether the hub was followed */
  readonly sync: () => Promise<boolean>;
};

/** Runs one sync after the other, never two at once, when they are due. */
export class SyncLoop {
  readonly #parts: SyncLoopParts;
  #syncing: Promise<void> | undefined;
  #beganAtMs = 0;
  #endedAtMs = 0;
  #timer: Timer | undefined;
  #failures = 0;
  #isHeard = false;
  #isStopped = false;

  constructor(parts: SyncLoopParts) {
    this.#parts = parts;
  }

  /** How many failed in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** How long the present one takes already. */
  syncingMs(): number {
    return this.#syncing === undefined ? 0 : this.#parts.clock.monotonicMs() - this.#beganAtMs;
  }

  /** Resolves when the first one has ended. */
  start(): Promise<void> {
    this.#begin();
    return this.#syncing ?? Promise.resolve();
  }

  /** There is something to be fetched. */
  heard(): void {
    this.#isHeard = true;
    this.#arm();
  }

  /** Resolves when the present one has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#syncing;
  }

  /** Reckons anew when the next one is due. It never moves away because somebody asks often. */
  #arm(): void {
    if (this.#isStopped || this.#syncing !== undefined) return;
    this.#timer?.cancel();
    const { clock, random, isBehind, backoffMaxMs } = this.#parts;
    const delayMs = pauseMs({
      failures: this.#failures,
      isBehind: this.#isHeard || isBehind(),
      isHeard: this.#isHeard,
      sinceSyncMs: clock.monotonicMs() - this.#endedAtMs,
      backoffMaxMs,
      chance: random.next(),
    });
    this.#timer = clock.after(delayMs, () => this.#begin());
  }

  #begin(): void {
    if (this.#isStopped || this.#syncing !== undefined) return;
    this.#beganAtMs = this.#parts.clock.monotonicMs();
    this.#isHeard = false;
    this.#syncing = this.#once().finally(() => {
      this.#syncing = undefined;
      this.#endedAtMs = this.#parts.clock.monotonicMs();
      this.#arm();
    });
  }

  async #once(): Promise<void> {
    let isFollowing = false;
    try {
      isFollowing = await this.#parts.sync();
    } catch (cause) {
      if (!this.#isStopped) this.#parts.logger.error("a sync of the replica failed", { cause: String(cause) });
    }
    this.#failures = isFollowing ? 0 : this.#failures + 1;
  }
}
