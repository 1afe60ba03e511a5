import type { NodeId, Random, TaskId } from "#base";
import { type AttemptOutcome, type ClaimedTask, Consumer, type Fence, type Queue, sameFence } from "#queue";
import { attemptReport } from "../../support/queue-world.ts";
import { type Acting, type Checks, shown } from "./checks.ts";
import type { ConfirmedLeases } from "./link.ts";
import type { ProcessClock, SimulatedTime } from "./time.ts";

/** A worker is a process of its own: it goes on while its node is away, and the next one finds it. */
export type Worker = {
  readonly taskId: TaskId;
  readonly fence: Fence;
  /** True time. */
  readonly endsAtMs: number;
  readonly outcome: AttemptOutcome;
};

export type WorkersOptions = {
  readonly queue: Queue;
  readonly node: NodeId;
  readonly name: string;
  readonly clock: ProcessClock;
  readonly time: SimulatedTime;
  readonly random: Random;
  readonly checks: Checks;
  readonly logger: ConstructorParameters<typeof Consumer>[0]["logger"];
  /** Those of this machine, whichever process of the node started them. */
  readonly workers: Set<Worker>;
  /** Work is short and succeeds once faults have stopped. */
  readonly isCalm: () => boolean;
  readonly leases: ConfirmedLeases;
};

const CONCURRENCY = 2;
const RENEW_MS = 1_000;
const RETRY_MS = 1_000;
const LONG_MS = 120_000;
const USUAL_MS = 8_000;
const OUTCOMES: readonly AttemptOutcome[] = ["passed", "passed", "passed", "failed", "timed_out"];

/** Runs what the node claims, as the node does: asks for the lease all the time, and stops when it is gone. */
export class Workers {
  readonly #options: WorkersOptions;
  readonly #consumer: Consumer;
  readonly #stops = new Set<Worker>();

  constructor(options: WorkersOptions) {
    this.#options = options;
    const { queue, node, logger } = options;
    this.#consumer = new Consumer({
      queue,
      holder: node,
      logger,
      concurrency: CONCURRENCY,
      accepts: () => true,
      run: async (task) => {
        await this.#run(this.#launch(task));
        return null;
      },
    });
    queue.onStop((id, fence) => {
      for (const worker of options.workers) {
        if (worker.taskId === id && sameFence(worker.fence, fence)) this.#stops.add(worker);
      }
    });
  }

  /** @param running as the queue found them: those without a worker are given back, the others are gone on with */
  start(running: readonly { readonly id: TaskId; readonly fence: Fence }[]): void {
    const { workers, queue } = this.#options;
    for (const worker of workers) this.#consumer.adopt(this.#run(worker));
    for (const { id, fence } of running) {
      const isRun = [...workers].some(({ taskId, fence: own }) => taskId === id && sameFence(own, fence));
      if (!isRun) void queue.release(id, fence, "its worker is gone");
    }
    this.#consumer.start();
  }

  /** Gives everything back. */
  async drain(): Promise<void> {
    const { workers, queue } = this.#options;
    for (const worker of workers) {
      workers.delete(worker);
      await queue.release(worker.taskId, worker.fence, "the node stops");
    }
  }

  #launch({ row, fence }: ClaimedTask): Worker {
    const { time, random, workers, isCalm } = this.#options;
    const isLong = !isCalm() && random.next() < 0.3;
    const outcome = isCalm() ? "passed" : (OUTCOMES[Math.floor(random.next() * OUTCOMES.length)] ?? "passed");
    const endsAtMs = time.nowMs + 100 + random.next() * (isLong ? LONG_MS : USUAL_MS);
    const worker: Worker = { taskId: row.id, fence, endsAtMs, outcome };
    workers.add(worker);
    return worker;
  }

  async #run(worker: Worker): Promise<void> {
    const { queue, checks, name, workers, time, clock, leases } = this.#options;
    const { taskId, fence } = worker;
    const isLive = (): boolean => clock.isAlive && workers.has(worker) && queue.renew(taskId, fence);
    const epoch = (): number => leases.epochOf(taskId, fence);
    const acting: Acting = { node: name, taskId, fence, isLive, epoch };
    let outcome = worker.outcome;
    if (queue.renew(taskId, fence)) checks.begins(acting);
    while (time.nowMs < worker.endsAtMs && workers.has(worker)) {
      await this.#sleep(Math.min(RENEW_MS, worker.endsAtMs - time.nowMs + 1));
      if (this.#stops.delete(worker) || !queue.renew(taskId, fence)) {
        outcome = "cancelled";
        break;
      }
      const isSpent = leases.isSpent(taskId, fence, clock.bootMs(clock.monotonicMs()));
      checks.check(!isSpent, "counted", () => `${name} still holds ${taskId} under ${shown(fence)}`);
      checks.acts(acting);
    }
    // From here on it does nothing but report.
    checks.ends(acting);
    if (workers.has(worker)) await this.#report(worker, outcome);
    workers.delete(worker);
  }

  /** Until it is durable somewhere, as the worker pool does. */
  async #report({ taskId, fence }: Worker, outcome: AttemptOutcome): Promise<void> {
    const { queue, checks } = this.#options;
    for (;;) {
      const report = attemptReport({ outcome, result: { fence: shown(fence) } });
      const receipt = await queue.finish(taskId, fence, report);
      if (receipt.ok) return checks.add(`report ${receipt.value.kind}`);
      if (receipt.error.kind !== "retryable") return checks.add(`report ${receipt.error.code}`);
      await this.#sleep(RETRY_MS);
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.after(ms, resolve));
  }
}
