import { taskSpecOf } from "#api";
import {
  type Clock,
  describeFailure,
  err,
  type Failure,
  type JsonObject,
  type Logger,
  ok,
  type Result,
  retryable,
  type TaskId,
} from "#base";
import {
  type AttemptObserver,
  type AttemptRef,
  type AttemptResult,
  boundResult,
  EXECUTORS,
  type ExecutorKind,
  type LaunchRequest,
  type ModelPlan,
  removeCheckpoint,
  resolveExecutor,
  type SandboxPlan,
  type TaskSpec,
  type WorkerPool,
} from "#execution";
import {
  type AttemptReport,
  type ClaimedTask,
  type Fence,
  type FinishReceipt,
  lostReport,
  type Queue,
  sameFence,
} from "#queue";
import { consequenceOf, notCommitted, notStarted, reportOf, type Spending, withWork } from "./attempt-report.ts";
import type { AttemptWorkspaces } from "./repositories/attempt-workspaces.ts";
import { isTaskUntrusted, leastPrivilege } from "./untrusted-attempt.ts";

/** A stop for an attempt that nobody here carries out is forgotten after this: a launch takes far less. */
const STOP_KEPT_MS = 60_000;
/** An attempt waits so long for the remote that is to have its changes, and is then made again: its node may be the cause. */
const REMOTE_AWAY_MS = 600_000;
const NODE_STOPPED = "the node stopped";
const NO_REPOSITORIES: AttemptWorkspaces = {
  prepare: () => Promise.resolve(ok(undefined)),
  capture: () => Promise.resolve(ok(undefined)),
};

/** What is recorded of a large result: both ends of its output and what its checks found, a page each. */
const SHORT_RESULT_BYTES = 16 * 1024;

export type RunningAttempt = AttemptRef & { readonly startedAtMs: number };

/** What is decided about an attempt before it begins, and learned from it when it ended. */
export interface AttemptPlanner {
  readonly sandbox: SandboxPlan;
  /** By which models a task with a prompt is carried out. */
  modelPlan(task: ClaimedTask, spec: TaskSpec, executor: Exclude<ExecutorKind, "shell">): Promise<Result<ModelPlan>>;
  /** @param isRepeated the report was applied before, by this node or one that died; only what was kept then counts */
  ended(ref: AttemptRef, result: AttemptResult, isRepeated: boolean): Promise<void>;
  /** What models were recorded to have used for an attempt up to now. */
  spentBy(ref: AttemptRef): Promise<Result<Spending>>;
}

/** The whole of a result that is recorded shortened. */
export type KeptResult = { readonly sha256: string; readonly bytes: number };

/** What becomes of the logs of attempts that have ended. */
export interface EndedParts {
  /**
   * Keeps what an attempt came to beside the database, when it is large. @returns where; undefined when it is to be
   * recorded as it is.
   */
  keepResult(taskId: TaskId, attempt: number, whole: JsonObject): Promise<Result<KeptResult | undefined>>;
  /** Notes, durably, what the hub is to get of an attempt. */
  ended(taskId: TaskId, attempt: number): Promise<Result<void>>;
  /** The report is sent: logs follow. */
  reported(): void;
}

export type AttemptsOptions = {
  readonly queue: Queue;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Variables of the node that commands get, below those that the task names itself. */
  readonly environment: Readonly<Record<string, string>>;
  readonly stateDir: string;
  readonly parts?: EndedParts;
};

/**
 * Joins queue and worker pool: a claimed task becomes a worker, and what the worker says becomes a report under the
 * task's fence. The pool may say it again after a crash; the fence makes a repetition harmless.
 */
export class Attempts implements AttemptObserver {
  readonly #queue: Queue;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #stateDir: string;
  readonly #parts: EndedParts | undefined;
  /** Attempts of this node that were not answered yet. */
  readonly #running = new Map<string, RunningAttempt & { readonly answer: () => void }>();
  /** Answered before anybody waited: a worker may finish while its adoption is still under way. At most one per folder. */
  readonly #answeredEarly = new Set<string>();
  /** Stops that reached no worker yet, by claim: asked for between its claim and the end of its launch. */
  readonly #stops = new Map<string, { readonly reason: string; readonly askedMs: number }>();
  #pool: Pick<WorkerPool, "launch" | "cancel"> | undefined;
  #planner: AttemptPlanner | undefined;
  #workspaces: AttemptWorkspaces | undefined;
  #isStopping = false;

  constructor(options: AttemptsOptions) {
    this.#queue = options.queue;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#environment = options.environment;
    this.#stateDir = options.stateDir;
    this.#parts = options.parts;
  }

  /** To be called once; the pool needs its observer and the observer its pool. */
  connect(
    pool: Pick<WorkerPool, "launch" | "cancel">,
    planner: AttemptPlanner,
    workspaces: AttemptWorkspaces = NO_REPOSITORIES,
  ): void {
    this.#pool = pool;
    this.#planner = planner;
    this.#workspaces = workspaces;
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
    const planner = this.#planner;
    if (planner === undefined) return notStarted("retryable", "the node has not started", executor.value);
    const { taskId, attempt, fence } = { taskId: task.row.id, attempt: task.attempt, fence: task.fence };
    const ref: AttemptRef = { taskId, attempt, fence, executor: executor.value };
    const model = executor.value === "shell" ? ok(null) : await planner.modelPlan(task, spec.value, executor.value);
    if (!model.ok) return notStarted("retryable", describeFailure(model.error), executor.value);
    const workspace = (await this.#workspaces?.prepare(task, spec.value)) ?? ok(undefined);
    if (!workspace.ok)
      return notStarted(consequenceOf(workspace.error), describeFailure(workspace.error), ref.executor);
    const answered = this.answered(ref);
    const request: LaunchRequest = {
      ...ref,
      spec: spec.value,
      sandbox: planner.sandbox,
      model: model.value,
      ...(workspace.value === undefined ? {} : { workspace: workspace.value }),
    };
    const env = { ...this.#environment, ...spec.value.env };
    const launched = await this.#launch(
      isTaskUntrusted(task.body) ? leastPrivilege(request) : { ...request, spec: { ...spec.value, env } },
    );
    if (launched?.ok !== true) {
      this.#settle(ref);
      if (this.#isStopping) {
        // If this fails too, the next start finds a running task without a worker and gives it back.
        await this.#queue.release(ref.taskId, ref.fence, NODE_STOPPED);
        return null;
      }
      const failure = launched?.error;
      if (failure === undefined) return notStarted("retryable", "the worker pool has not started", ref.executor);
      return notStarted(consequenceOf(failure), describeFailure(failure), ref.executor);
    }
    this.#deliverStop(ref);
    await answered;
    return null;
  }

  async #launch(request: LaunchRequest): Promise<Result<void> | undefined> {
    try {
      return await this.#pool?.launch(request);
    } catch (cause) {
      this.#logger.error("a launch failed by a bug", { task: request.taskId, cause: String(cause) });
      return err(retryable("unavailable", `launch attempt ${request.attempt} of ${request.taskId}: ${String(cause)}`));
    }
  }

  /** What runs on this node now, the longest first. */
  running(): readonly RunningAttempt[] {
    return [...this.#running.values()];
  }

  isRunning(taskId: TaskId, attempt: number): boolean {
    for (const running of this.#running.values()) {
      if (running.taskId === taskId && running.attempt === attempt) return true;
    }
    return false;
  }

  /** Resolves when this attempt was reported and the report is durable. */
  answered(ref: AttemptRef): Promise<void> {
    if (this.#answeredEarly.delete(keyOf(ref))) return Promise.resolve();
    return new Promise((resolve) => {
      this.#running.set(keyOf(ref), { ...ref, startedAtMs: this.#clock.nowMs(), answer: resolve });
    });
  }

  /**
   * Renews the lease of every attempt that the pool answers for. The pool notices a dead worker by its exit and a mute
   * one by its silence; a worker that is merely starved of CPU keeps its lease, however late its heartbeats come.
   */
  renewLeases(): void {
    for (const ref of this.#running.values()) {
      this.heartbeat(ref);
      this.#deliverStop(ref);
    }
    const keptSinceMs = this.#clock.monotonicMs() - STOP_KEPT_MS;
    for (const [claim, { askedMs }] of this.#stops) if (askedMs < keptSinceMs) this.#stops.delete(claim);
  }

  /** To be called when the pool has stopped: what it has not answered by now is left to the next node. */
  leaveRest(): void {
    for (const ref of this.#running.values()) {
      this.#logger.warn("an attempt is left to the next node", { task: ref.taskId, attempt: ref.attempt });
      ref.answer();
    }
    this.#running.clear();
    this.#stops.clear();
  }

  heartbeat(ref: AttemptRef): void {
    if (this.#queue.renew(ref.taskId, ref.fence)) return;
    this.#pool?.cancel(ref.taskId, "the lease was given to another attempt", ref.attempt);
  }

  progress(ref: AttemptRef, progress: { readonly ratio: number; readonly message: string }): void {
    void this.#queue.progress(ref.taskId, ref.fence, progress).then((written) => {
      if (!written.ok) this.#logger.warn("progress was not recorded", { failure: describeFailure(written.error) });
    });
  }

  async finished(ref: AttemptRef, result: AttemptResult): Promise<"accepted" | "refused"> {
    const isGivenBack = this.#isStopping && result.outcome === "cancelled" && result.consequence === "retryable";
    if (isGivenBack) return this.#ended(ref, result, await this.#queue.release(ref.taskId, ref.fence, NODE_STOPPED));
    const captured = (await this.#workspaces?.capture(ref, result)) ?? ok(undefined);
    // What a task did is not lost because a remote is away for a while; the pool tries again.
    if (!captured.ok && mayComeBack(captured.error) && this.#clock.nowMs() - result.endedAtMs < REMOTE_AWAY_MS) {
      throw new Error(describeFailure(captured.error));
    }
    const judged = captured.ok ? result : notCommitted(result, captured.error);
    const work = captured.ok ? captured.value : undefined;
    try {
      await this.#noteParts(ref);
      const report = await this.#report(ref, judged, work?.note);
      const receipt = await this.#queue.finish(ref.taskId, ref.fence, report);
      // R1: only for an attempt whose end was taken. A repetition lands what a crash kept from it.
      const isTaken = receipt.ok && (receipt.value.kind === "applied" || receipt.value.kind === "duplicate");
      const landed = isTaken ? await work?.land() : undefined;
      if (landed?.ok === false) {
        const failure = describeFailure(landed.error);
        if (landed.error.kind === "retryable") throw new Error(failure); // the pool tries again
        this.#logger.error("changes stay off their branch", { task: ref.taskId, attempt: ref.attempt, failure });
      }
      if (receipt.ok && receipt.value.kind === "stale") await work?.drop();
      if (receipt.ok && receipt.value.kind === "journaled") work?.wait();
      return await this.#ended(ref, judged, receipt);
    } finally {
      work?.close();
    }
  }

  async #ended(
    ref: AttemptRef,
    result: AttemptResult,
    receipt: Result<FinishReceipt>,
  ): Promise<"accepted" | "refused"> {
    if (!receipt.ok) throw new Error(describeFailure(receipt.error)); // the pool tries again
    const { kind } = receipt.value;
    // A stale one has a successor, whose checkpoint and figures are not this one's to touch.
    if (ref.executor !== "shell" && kind !== "stale") await this.#modelEnded(ref, result, kind === "duplicate");
    this.#settle(ref);
    this.#parts?.reported();
    return kind === "stale" ? "refused" : "accepted";
  }

  async lost(ref: AttemptRef, reason: string): Promise<void> {
    const spent = await this.#spentBy(ref);
    const report = { ...lostReport(reason), ...spent, executor: ref.executor };
    await this.#noteParts(ref);
    const receipt = await this.#queue.finish(ref.taskId, ref.fence, report);
    if (!receipt.ok) throw new Error(describeFailure(receipt.error)); // the pool tries again
    this.#settle(ref);
    this.#parts?.reported();
  }

  /** A result that is large is recorded shortened, and kept whole beside the database, which every node copies. */
  async #report(ref: AttemptRef, result: AttemptResult, work?: JsonObject): Promise<AttemptReport> {
    const recorded = await this.#spentBy(ref);
    const whole = withWork(reportOf(ref, result, recorded), work);
    const content = { report: whole.report, result: whole.result };
    const kept = await this.#parts?.keepResult(ref.taskId, ref.attempt, content);
    if (kept === undefined || !kept.ok || kept.value === undefined) return whole;
    const short = withWork(reportOf(ref, boundResult(result, SHORT_RESULT_BYTES), recorded), work);
    return { ...short, result: { ...short.result, whole: { ...kept.value } } };
  }

  /** Before the report: a kill in between has the pool report again. A log that cannot be noted holds up no report. */
  async #noteParts({ taskId, attempt }: AttemptRef): Promise<void> {
    const noted = await this.#parts?.ended(taskId, attempt);
    if (noted?.ok === false) {
      const failure = describeFailure(noted.error);
      this.#logger.warn("the log of an attempt will be on this node alone", { task: taskId, attempt, failure });
    }
  }

  /** A tool loop that a machine stopped goes on in the next attempt; any other end is one. */
  async #modelEnded(ref: AttemptRef, result: AttemptResult, isRepeated: boolean): Promise<void> {
    const goesOn = result.outcome === "cancelled" && result.consequence === "retryable";
    if (!goesOn) removeCheckpoint(this.#stateDir, ref.taskId);
    await this.#planner?.ended(ref, result, isRepeated);
  }

  /** Throws when it cannot be read, so that the pool tries again. */
  async #spentBy(ref: AttemptRef): Promise<Spending> {
    const nothing = { tokens: 0, costMicrodollars: 0 };
    if (ref.executor === "shell" || this.#planner === undefined) return nothing;
    const spent = await this.#planner.spentBy(ref);
    if (!spent.ok) throw new Error(describeFailure(spent.error));
    return spent.value;
  }

  /** Asks the worker that holds this fence to end; one that is being launched is asked as soon as it can be. */
  stop(id: TaskId, fence: Fence, reason: string): void {
    this.#stops.set(claimOf(id, fence), { reason, askedMs: this.#clock.monotonicMs() });
    for (const ref of this.#running.values()) {
      if (ref.taskId === id && sameFence(ref.fence, fence)) this.#deliverStop(ref);
    }
  }

  #deliverStop(ref: AttemptRef): void {
    const claim = claimOf(ref.taskId, ref.fence);
    const stop = this.#stops.get(claim);
    if (stop === undefined) return;
    const asked = this.#pool?.cancel(ref.taskId, stop.reason, ref.attempt) ?? 0;
    if (asked > 0) this.#stops.delete(claim);
  }

  #settle(ref: AttemptRef): void {
    this.#stops.delete(claimOf(ref.taskId, ref.fence));
    const running = this.#running.get(keyOf(ref));
    if (running === undefined) this.#answeredEarly.add(keyOf(ref));
    running?.answer();
    this.#running.delete(keyOf(ref));
  }
}

function mayComeBack({ kind, code }: Failure): boolean {
  return kind === "retryable" && (code === "unavailable" || code === "timed_out");
}

/** With the fence: an attempt that was given back uncounted is claimed again under the same number. */
function keyOf(ref: AttemptRef): string {
  return `${ref.taskId}-${ref.attempt}-${ref.fence.epoch}.${ref.fence.n}`;
}

/** One claim has one fence, and one attempt. */
function claimOf(id: TaskId, fence: Fence): string {
  return `${id} ${fence.epoch}.${fence.n}`;
}
