import type { Logger, NodeId } from "#base";
import { describeFailure } from "#base";
import type { ClaimedTask } from "./commands/claim.ts";
import type { Queue } from "./queue.ts";
import type { AttemptReport } from "./task.ts";

export type ConsumerOptions = {
  readonly queue: Queue;
  readonly holder: NodeId;
  readonly logger: Logger;
  /** Tasks that run at once. */
  readonly concurrency: number;
  readonly accepts: (requirements: string) => boolean;
  /**
   * Carries out one attempt. Resolves with how it ended, or with null when somebody else will report it (its worker
   * goes on without this process). Never rejects.
   */
  readonly run: (task: ClaimedTask) => Promise<AttemptReport | null>;
};

/** Most tasks taken by one claim: one claim is one transaction and must stay short. */
const MAX_CLAIM = 256;

/**
 * Pulls work while there is room. Claims when told that something may be ready and when a task ends; it never polls,
 * for the queue's own tick tells it.
 */
export class Consumer {
  readonly #options: ConsumerOptions;
  /** Attempts that run: each takes one place. */
  #active = 0;
  /** Attempts that were begun and whose report is not durable yet. */
  #unanswered = 0;
  #claiming = false;
  #again = false;
  #running = false;
  #unsubscribe: (() => void) | undefined;
  #idle: (() => void)[] = [];

  constructor(options: ConsumerOptions) {
    this.#options = options;
  }

  get active(): number {
    return this.#active;
  }

  start(): void {
    this.#running = true;
    this.#unsubscribe = this.#options.queue.onReady(() => this.#wake());
    this.#wake();
  }

  /** To be called when it may accept what it did not accept before. */
  look(): void {
    if (this.#running) this.#wake();
  }

  /** Takes no more work. @returns when every attempt it started has been answered. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#unsubscribe?.();
    if (this.#unanswered === 0 && !this.#claiming) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Counts an attempt that was already running when this process came up, so that it has its place. */
  adopt(attempt: Promise<unknown>): void {
    this.#begin();
    void attempt.finally(() => {
      this.#leave();
      this.#answered();
    });
  }

  #wake(): void {
    this.#again = true;
    if (this.#claiming) return;
    this.#claiming = true;
    void this.#claimLoop().finally(() => {
      this.#claiming = false;
      // Woken between the loop's last look and here: nobody else would look again.
      if (this.#again && this.#running && this.#active < this.#options.concurrency) this.#wake();
      this.#settle();
    });
  }

  async #claimLoop(): Promise<void> {
    const { queue, holder, accepts, concurrency, logger } = this.#options;
    while (this.#running && this.#again && this.#active < concurrency) {
      // Attempts that end together free their places together, and are replaced by one claim.
      await Promise.resolve();
      this.#again = false;
      const limit = Math.min(MAX_CLAIM, concurrency - this.#active);
      const claimed = await queue.claim({ holder, limit, accepts });
      if (!claimed.ok) {
        // The queue's next tick wakes this consumer again.
        logger.error("could not claim work", { failure: describeFailure(claimed.error) });
        return;
      }
      this.#again ||= claimed.value.more;
      for (const task of claimed.value.tasks) {
        this.#begin();
        void this.#attempt(task)
          .catch((cause: unknown) => logger.error("an attempt failed by a bug", { cause: String(cause) }))
          .finally(() => this.#answered());
      }
    }
  }

  async #attempt(task: ClaimedTask): Promise<void> {
    const { queue, run, logger } = this.#options;
    let reported: ReturnType<Queue["finish"]> | undefined;
    try {
      const report = await run(task);
      if (report !== null) reported = queue.finish(task.row.id, task.fence, report);
    } finally {
      // The place is free before the report is durable: the claim that fills it then shares the report's transaction.
      this.#leave();
    }
    const receipt = await reported;
    if (receipt?.ok === false) {
      // Its lease runs out and the task is offered again.
      logger.error("could not record an attempt", { task: task.row.id, failure: describeFailure(receipt.error) });
    }
  }

  #begin(): void {
    this.#active += 1;
    this.#unanswered += 1;
  }

  #leave(): void {
    this.#active -= 1;
    if (this.#running) this.#wake();
  }

  #answered(): void {
    this.#unanswered -= 1;
    this.#settle();
  }

  #settle(): void {
    if (this.#unanswered > 0 || this.#claiming) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
