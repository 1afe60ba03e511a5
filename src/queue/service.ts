import type {
  Clock,
  Failure,
  IdFactory,
  JsonObject,
  Logger,
  NodeId,
  Random,
  Result,
  ScheduleId,
  TaskId,
  Timer,
} from "#base";
import { describeFailure, err, MAX_OPEN_TASKS, ok, refused } from "#base";
import { ClockJumps } from "./clock-jump.ts";
import { type ClaimReceipt, type ClaimRequest, claim, keepingClaims } from "./commands/claim.ts";
import { type CancelReceipt, cancel, drop, retry, setKeyPolicy, setPaused } from "./commands/control.ts";
import { type FinishReceipt, fenceOf, finish, release, reportProgress } from "./commands/finish.ts";
import { type Keeping, runOnce } from "./commands/once.ts";
import { type OpenLimits, type Receipt, submit } from "./commands/submit.ts";
import { scheduleFrom, tick } from "./commands/tick.ts";
import { LEASE_TERM_MS, LeaseTable } from "./leases.ts";
import { type CommandContext, record } from "./ledger.ts";
import { lostReport } from "./lost-report.ts";
import { type PlacementRule, ruled } from "./placement-rule.ts";
import type { QueueStore, QueueTransaction } from "./ports.ts";
import type { Once, Queue, ScheduleRequest } from "./queue.ts";
import type { ScheduleRow } from "./schedule.ts";
import type {
  AnnouncementKind,
  AttemptReport,
  Fence,
  KeyPolicy,
  KeyRow,
  NewTask,
  Progress,
  QueueEvent,
  TaskRow,
} from "./task.ts";

export type QueueServiceOptions = {
  readonly store: QueueStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdFactory;
  readonly node: NodeId;
  readonly logger: Logger;
  readonly leaseTermMs?: number;
  /** For holders on other machines: how long they may be silent. By default `leaseTermMs` for everybody. */
  readonly termOf?: (holder: NodeId) => number | undefined;
  readonly maxOpenTasks?: number;
  /** Open tasks up to which the lanes low and background take more, at this moment. */
  readonly lowLaneTasks?: () => number;
  readonly lowLanesRefused?: () => void;
};

/** Leases are looked through this often; with the term it bounds how late a lost attempt is noticed. */
const SWEEP_MS = 500;
/** The latest a tick comes when nothing announced an earlier one; notification is the rule, this the net. */
const TICK_FALLBACK_MS = 1_000;
/** Progress of one task is written at most this often; what comes between is dropped. */
const PROGRESS_EVERY_MS = 1_000;
/** Schedules fired by one tick. */
const SCHEDULE_BATCH = 50;
/** What a queue that stood down takes still: what ran goes on, and how it ended is not lost. */
const REPORTS: ReadonlySet<string> = new Set(["finish", "release"]);
/** Running tasks read back at start: far more than any node runs at once. */
const MAX_RUNNING = 10_000;

/**
 * The queue as the rest of drover uses it: every method answers after its effect is durable. Owns no rules; it reads
 * the clock, runs a command in the store, keeps leases and timers.
 */
export class QueueService implements Queue {
  readonly #options: QueueServiceOptions;
  readonly #leases: LeaseTable;
  readonly #readyListeners = new Set<() => void>();
  readonly #stopListeners = new Set<(id: TaskId, fence: Fence) => void>();
  readonly #progressAtMs = new Map<TaskId, number>();
  #timers: Timer[] = [];
  #tickTimer: Timer | undefined;
  #ticking: Promise<void> | undefined;
  #tickAgain = false;
  #unsubscribe: (() => void) | undefined;
  #running = false;
  #rule: PlacementRule | undefined;
  readonly #jumps = new ClockJumps();
  #stoodDown: Failure | undefined;
  #tickedAtMs: number | undefined;
  #sweptAtMs: number | undefined;

  constructor(options: QueueServiceOptions) {
    this.#options = options;
    this.#leases = new LeaseTable(options.leaseTermMs ?? LEASE_TERM_MS);
  }

  get store(): QueueStore {
    return this.#options.store;
  }

  get turns(): { readonly tick: number | undefined; readonly sweep: number | undefined } {
    if (this.#stoodDown !== undefined) return { tick: undefined, sweep: undefined };
    return { tick: this.#tickedAtMs, sweep: this.#sweptAtMs };
  }

  /** Grants every running task one term, then keeps time. @returns the tasks that were running. */
  async start(): Promise<Result<readonly TaskRow[]>> {
    const { store, clock } = this.#options;
    const found = await store.transact("recover running tasks", (tx) => ok(tx.running(MAX_RUNNING)));
    if (!found.ok) return found;
    for (const row of found.value) {
      if (row.holder !== null) this.#grant(row.id, fenceOf(row), row.holder, clock.monotonicMs());
    }
    this.#running = true;
    this.#unsubscribe = store.subscribe((events) => this.#observe(events));
    this.#sweepLater();
    this.#tickAt(0);
    return found;
  }

  async stop(): Promise<void> {
    this.#running = false;
    for (const timer of this.#timers) timer.cancel();
    this.#tickTimer?.cancel();
    this.#unsubscribe?.();
    await this.#ticking;
  }

  /**
   * Another node writes this queue from now on: nothing new is taken or given out, and nothing falls due here. Attempts
   * that run may still report; whoever else asks is refused with `why`.
   */
  standDown(why: Failure): void {
    this.#stoodDown = why;
    for (const timer of this.#timers) timer.cancel();
    this.#tickTimer?.cancel();
  }

  submit(tasks: readonly NewTask[], once?: Once): Promise<Result<readonly Receipt[]>> {
    const mayRepeat = once !== undefined;
    return this.#run("submit", (tx, context) => submit(tx, context, tasks, this.#openLimits(), mayRepeat), once);
  }

  #openLimits(): OpenLimits {
    const { maxOpenTasks = MAX_OPEN_TASKS, lowLaneTasks, lowLanesRefused } = this.#options;
    return {
      maxOpenTasks,
      lowLaneTasks: lowLaneTasks?.() ?? maxOpenTasks,
      ...(lowLanesRefused === undefined ? {} : { lowLanesRefused }),
    };
  }

  async claim(request: ClaimRequest, once?: Once): Promise<Result<ClaimReceipt>> {
    // Not refused: whoever waits for work goes on waiting, and is told by nobody.
    if (this.#stoodDown !== undefined) return ok({ tasks: [], more: false, rateLimited: false });
    // Lease time counts from before the claim, never from after it.
    const sinceMs = this.#options.clock.monotonicMs();
    const rule = this.#rule;
    const asked = rule === undefined ? request : ruled(request, rule);
    const claimed = await this.#run("claim", (tx, context) => claim(tx, context, asked), once, keepingClaims);
    if (claimed.ok) {
      for (const task of claimed.value.tasks) this.#grant(task.row.id, task.fence, request.holder, sinceMs);
      if (claimed.value.rateLimited) this.#tickSoon();
      if (claimed.value.tasks.length > 0) rule?.claimed(request.holder, claimed.value.tasks);
    }
    return claimed;
  }

  /** Which holder should leave work for another one for a while; asked at each claim. */
  placeBy(rule: PlacementRule): void {
    this.#rule = rule;
  }

  /** @returns false when the fence is stale: the holder must stop and apply nothing. */
  renew(id: TaskId, fence: Fence): boolean {
    return this.#leases.renew(id, fence, this.#options.clock.monotonicMs());
  }

  /** Who holds what, by this queue. */
  get leases(): Pick<LeaseTable, "heldBy" | "holderOf"> {
    return this.#leases;
  }

  #grant(id: TaskId, fence: Fence, holder: NodeId, sinceMs: number): void {
    this.#leases.grant(id, fence, holder, sinceMs, this.#options.termOf?.(holder));
  }

  async finish(id: TaskId, fence: Fence, report: AttemptReport, once?: Once): Promise<Result<FinishReceipt>> {
    const receipt = await this.#run("finish", (tx, context) => finish(tx, context, id, fence, report), once);
    if (receipt.ok) this.#forget(id, fence);
    return receipt;
  }

  async release(id: TaskId, fence: Fence, why: string, once?: Once): Promise<Result<FinishReceipt>> {
    const receipt = await this.#run("release", (tx, context) => release(tx, context, id, fence, why), once);
    if (receipt.ok) this.#forget(id, fence);
    return receipt;
  }

  /** @returns false when it was not written: too soon after the last one, or under a stale fence. */
  async progress(id: TaskId, fence: Fence, progress: Progress): Promise<Result<boolean>> {
    const nowMs = this.#options.clock.monotonicMs();
    const lastMs = this.#progressAtMs.get(id);
    if (lastMs !== undefined && nowMs - lastMs < PROGRESS_EVERY_MS) return ok(false);
    this.#progressAtMs.set(id, nowMs);
    return this.#run("report progress", (tx, context) => reportProgress(tx, context, id, fence, progress));
  }

  async cancel(id: TaskId, why: string, once?: Once): Promise<Result<CancelReceipt>> {
    const receipt = await this.#run("cancel", (tx, context) => cancel(tx, context, id, why), once);
    if (receipt.ok && receipt.value.stop !== null) {
      for (const listener of this.#stopListeners) listener(id, receipt.value.stop);
    }
    return receipt;
  }

  /** Runs a task again that waits for a retry, is dead or was cancelled. */
  retry(id: TaskId, once?: Once): Promise<Result<TaskRow>> {
    return this.#run("retry", (tx, context) => retry(tx, context, id), once);
  }

  drop(id: TaskId, once?: Once): Promise<Result<TaskId>> {
    return this.#run("drop", (tx, context) => drop(tx, context, id), once);
  }

  /** @returns whether it changed. */
  setPaused(paused: boolean, once?: Once): Promise<Result<boolean>> {
    return this.#run(paused ? "pause" : "resume", (tx, context) => setPaused(tx, context, paused), once);
  }

  /** Adds a line to the history that is not of the queue itself. */
  announce(kind: AnnouncementKind, data: JsonObject, once?: Once): Promise<Result<void>> {
    return this.#run("announce", (tx, context) => ok(record(tx, context, kind, null, data)), once);
  }

  setKeyPolicy(key: string, policy: KeyPolicy, once?: Once): Promise<Result<KeyRow>> {
    return this.#run("set key policy", (tx, context) => setKeyPolicy(tx, context, key, policy), once);
  }

  addSchedule(request: ScheduleRequest, once?: Once): Promise<Result<ScheduleRow>> {
    const { clock, ids } = this.#options;
    const made = scheduleFrom(request, ids.schedule(), clock.nowMs());
    if (!made.ok) return Promise.resolve(made);
    const row = made.value;
    return this.#run(
      "add schedule",
      (tx, context) => {
        tx.putSchedule(row);
        record(tx, context, "schedule.added", null, { schedule: row.id, name: row.name });
        return ok(row);
      },
      once,
    );
  }

  removeSchedule(id: ScheduleId, once?: Once): Promise<Result<ScheduleId>> {
    return this.#run(
      "remove schedule",
      (tx, context) => {
        if (tx.schedule(id) === undefined) {
          return err(refused("not_found", `there is no schedule ${id}`, "List them with: drover schedule list"));
        }
        tx.deleteSchedule(id);
        record(tx, context, "schedule.removed", null, { schedule: id });
        return ok(id);
      },
      once,
    );
  }

  onReady(listener: () => void): () => void {
    this.#readyListeners.add(listener);
    return () => this.#readyListeners.delete(listener);
  }

  onStop(listener: (id: TaskId, fence: Fence) => void): () => void {
    this.#stopListeners.add(listener);
    return () => this.#stopListeners.delete(listener);
  }

  async #run<T>(
    label: string,
    command: (tx: QueueTransaction, context: CommandContext) => Result<T>,
    once?: Once,
    keeping?: Keeping<T>,
  ): Promise<Result<T>> {
    const context: CommandContext = { nowMs: this.#options.clock.nowMs(), draw: () => this.#options.random.next() };
    const { store } = this.#options;
    if (this.#stoodDown !== undefined && !REPORTS.has(label)) return err(this.#stoodDown);
    if (once === undefined) return store.transact(label, (tx) => command(tx, context));
    const answered = await store.transact(label, (tx) => ok(runOnce(tx, label, once, context, command, keeping)));
    return answered.ok ? answered.value : answered;
  }

  #forget(id: TaskId, fence: Fence): void {
    this.#leases.end(id, fence);
    this.#progressAtMs.delete(id);
  }

  #observe(events: readonly QueueEvent[]): void {
    let mayClaim = false;
    let mayWake = false;
    for (const { kind, taskId, data } of events) {
      if (kind === "task.started" && taskId !== null) this.#started(taskId, data);
      if (kind === "task.submitted" && data["state"] === "waiting") mayWake = true;
      if (kind === "task.retry" && data["delayMs"] !== 0) mayWake = true;
      if (kind === "schedule.added" || kind === "key.changed") mayWake = true;
      // A finished task may have let a held-back one of its key through, or freed a dependent.
      if (kind !== "task.progress" && kind !== "task.started") mayClaim = true;
    }
    if (mayClaim) this.#announceReady();
    if (mayWake) this.#tickSoon();
  }

  /** A claim whose caller was told that it failed may have taken effect: nobody but its lease would notice. */
  #started(id: TaskId, { fence, node }: JsonObject): void {
    // `as`: written by `claim`.
    const isKnown = this.#leases.holderOf(id, fence as Fence) !== undefined;
    if (!isKnown) this.#grant(id, fence as Fence, node as NodeId, this.#options.clock.monotonicMs());
  }

  #announceReady(): void {
    for (const listener of this.#readyListeners) listener();
  }

  /** A tick that is under way may have read before what asks for this one, and sets its own timer at its end. */
  #tickSoon(): void {
    if (this.#ticking === undefined) this.#tickAt(0);
    else this.#tickAgain = true;
  }

  #tickAt(delayMs: number): void {
    this.#tickTimer?.cancel();
    if (!this.#running || this.#stoodDown !== undefined) return;
    this.#tickTimer = this.#options.clock.after(delayMs, () => {
      this.#ticking ??= this.#tick()
        .catch((cause: unknown) => this.#recordBug("look for work that is due", cause))
        .finally(() => {
          this.#ticking = undefined;
          this.#tickedAtMs = this.#options.clock.monotonicMs();
        });
    });
  }

  async #tick(): Promise<void> {
    const { clock, ids, logger } = this.#options;
    const scheduleIds = Array.from({ length: SCHEDULE_BATCH }, () => ids.task());
    const clockJumped = this.#jumps.notice(clock, logger);
    const ticked = await this.#run("tick", (tx, context) =>
      tick(tx, context, { scheduleIds, clockJumped, limits: this.#openLimits() }),
    );
    if (!ticked.ok) {
      logger.error("the queue could not look for work that is due", { failure: describeFailure(ticked.error) });
      this.#tickAt(TICK_FALLBACK_MS);
      return;
    }
    this.#jumps.answered();
    // Also without an event: a key that lets a task through records none, and a claim that failed is tried again.
    this.#announceReady();
    const { nextWakeMs } = ticked.value;
    const untilMs = nextWakeMs === null ? TICK_FALLBACK_MS : nextWakeMs - clock.nowMs();
    this.#tickAt(this.#tickAgain ? 0 : Math.min(TICK_FALLBACK_MS, Math.max(0, untilMs)));
    this.#tickAgain = false;
  }

  /** An exception is a bug. It stops the unit it happened in; time goes on for the others. */
  #recordBug(unit: string, cause: unknown): void {
    this.#options.logger.error(`the queue failed to ${unit}`, { cause: String(cause) });
    this.#tickAt(TICK_FALLBACK_MS);
  }

  #sweepLater(): void {
    if (!this.#running || this.#stoodDown !== undefined) return;
    this.#timers = [
      this.#options.clock.after(SWEEP_MS, () => {
        void this.#sweep()
          .catch((cause: unknown) => this.#recordBug("end silent attempts", cause))
          .finally(() => {
            this.#sweptAtMs = this.#options.clock.monotonicMs();
            this.#sweepLater();
          });
      }),
    ];
  }

  /** Ends attempts whose holder fell silent. */
  async #sweep(): Promise<void> {
    const { clock, logger } = this.#options;
    for (const lease of this.#leases.expired(clock.monotonicMs())) {
      logger.warn("a lease ran out", { task: lease.taskId, fence: lease.fence, holder: lease.holder });
      for (const listener of this.#stopListeners) listener(lease.taskId, lease.fence);
      const receipt = await this.finish(lease.taskId, lease.fence, lostReport("its worker was not heard from in time"));
      if (receipt.ok) continue;
      logger.error("a lost attempt could not be recorded", { failure: describeFailure(receipt.error) });
    }
  }
}
