import { taskSpecOf } from "#api";
import { type Clock, describeFailure, type Logger, type TaskId } from "#base";
import {
  type AttemptObserver,
  type AttemptRef,
  type AttemptResult,
  resolveExecutor,
  type WorkerPool,
} from "#execution";
import { type AttemptReport, type ClaimedTask, lostReport, type QueueService } from "#queue";

/** The executors that this build has. */
export const EXECUTORS = ["shell"] as const;

export type RunningAttempt = AttemptRef & { readonly executor: string; readonly startedAtMs: number };

/**
 * Joins queue and worker pool: a claimed task becomes a worker, and what the worker says becomes a report under the
 * task's fence. The pool may say it again after a crash; the fence makes a repetition harmless.
 */
export class Attempts implements AttemptObserver {
  readonly #queue: QueueService;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #environment: Readonly<Record<string, string>>;
  /** Attempts of this node that were not answered yet. */
  readonly #running = new Map<string, RunningAttempt & { readonly answer: () => void }>();
  #pool: WorkerPool | undefined;
  #isStopping = false;

  /** @param environment variables of the node that commands get, below those that the task names itself */
  constructor(queue: QueueService, clock: Clock, logger: Logger, environment: Readonly<Record<string, string>>) {
    this.#queue = queue;
    this.#clock = clock;
    this.#logger = logger;
    this.#environment = environment;
  }

  /** To be called once; the pool needs its observer and the observer its pool. */
  connect(pool: WorkerPool): void {
    this.#pool = pool;
  }

  /** From here on an attempt that a machine stopped is given back without being counted. */
  stopping(): void {
    this.#isStopping = true;
  }

  /** Starts one attempt. @returns null, because the worker reports for itself, or why it could not be started. */
  async run(task: ClaimedTask): Promise<AttemptReport | null> {
    const spec = taskSpecOf(task.body);
    if (!spec.ok) return notStarted("terminal", `this build cannot read the task: ${describeFailure(spec.error)}`);
    const executor = resolveExecutor(spec.value, EXECUTORS);
    if (!executor.ok) return notStarted("terminal", describeFailure(executor.error));
    const ref: AttemptRef = { taskId: task.row.id, attempt: task.attempt, fence: task.fence };
    const answered = this.answered(ref);
    const launched = await this.#pool?.launch({
      ...ref,
      spec: { ...spec.value, env: { ...this.#environment, ...spec.value.env } },
    });
    if (launched?.ok !== true) {
      this.#settle(ref);
      const failure = launched?.error;
      if (failure === undefined) return notStarted("retryable", "the worker pool has not started");
      return notStarted(failure.kind === "retryable" ? "retryable" : "terminal", describeFailure(failure));
    }
    await answered;
    return null;
  }

  /** What runs on this node now, the longest first. */
  running(): readonly RunningAttempt[] {
    return [...this.#running.values()];
  }

  /** Resolves when this attempt was reported and the report is durable. */
  answered(ref: AttemptRef): Promise<void> {
    return new Promise((resolve) => {
      this.#running.set(keyOf(ref), { ...ref, executor: "shell", startedAtMs: this.#clock.nowMs(), answer: resolve });
    });
  }

  heartbeat(ref: AttemptRef): void {
    if (!this.#queue.renew(ref.taskId, ref.fence)) this.stop(ref.taskId, "the lease was given to another attempt");
  }

  progress(ref: AttemptRef, progress: { readonly ratio: number; readonly message: string }): void {
    void this.#queue.progress(ref.taskId, ref.fence, progress).then((written) => {
      if (!written.ok) this.#logger.warn("progress was not recorded", { failure: describeFailure(written.error) });
    });
  }

  async finished(ref: AttemptRef, result: AttemptResult): Promise<"accepted" | "refused"> {
    const isGivenBack = this.#isStopping && result.outcome === "cancelled" && result.consequence === "retryable";
    const receipt = isGivenBack
      ? await this.#queue.release(ref.taskId, ref.fence, "the node stopped")
      : await this.#queue.finish(ref.taskId, ref.fence, reportOf(result));
    if (!receipt.ok) throw new Error(describeFailure(receipt.error)); // the pool tries again
    this.#settle(ref);
    return receipt.value.kind === "stale" ? "refused" : "accepted";
  }

  async lost(ref: AttemptRef, reason: string): Promise<void> {
    const receipt = await this.#queue.finish(ref.taskId, ref.fence, { ...lostReport(reason), executor: "shell" });
    if (!receipt.ok) throw new Error(describeFailure(receipt.error)); // the pool tries again
    this.#settle(ref);
  }

  stop(id: TaskId, reason: string): void {
    this.#pool?.cancel(id, reason);
  }

  #settle(ref: AttemptRef): void {
    this.#running.get(keyOf(ref))?.answer();
    this.#running.delete(keyOf(ref));
  }
}

function keyOf(ref: AttemptRef): string {
  return `${ref.taskId}-${ref.attempt}`;
}

function notStarted(consequence: AttemptReport["consequence"], error: string): AttemptReport {
  return { ...lostReport(error), outcome: "failed", consequence, executor: "shell" };
}

function reportOf(result: AttemptResult): AttemptReport {
  const { outcome, consequence, report, error, durationMs, exitCode, signal, output } = result;
  return {
    outcome,
    consequence: consequence ?? "retryable",
    executor: "shell",
    endpoint: null,
    model: null,
    durationMs,
    tokens: 0,
    costMicrodollars: 0,
    error: error ?? null,
    report: {
      passed: report.passed,
      checks: report.checks,
      ...(report.skipped === undefined ? {} : { skipped: report.skipped }),
    },
    result: { exitCode, signal, output },
  };
}
