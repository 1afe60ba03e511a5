import {
  describeFailure,
  err,
  type Failure,
  type JsonObject,
  type JsonValue,
  ok,
  type Result,
  retryable,
  type ScheduleId,
  type TaskId,
  type Timer,
} from "#base";
import {
  type AnnouncementKind,
  type AttemptReport,
  type CancelReceipt,
  type ClaimReceipt,
  type ClaimRequest,
  type Fence,
  type FinishReceipt,
  fenceOf,
  type KeyPolicy,
  type KeyRow,
  type NewTask,
  type Progress,
  type Queue,
  type QueueStore,
  type Receipt,
  type ScheduleRequest,
  type ScheduleRow,
  type TaskRow,
} from "#queue";
import { Courier } from "./courier.ts";
import type { FleetQueueOptions } from "./fleet-queue-options.ts";
import { HolderLeases } from "./holder-leases.ts";
import { HubNotices } from "./hub-notices.ts";
import { memberStore } from "./member-store.ts";
import { ownRunning } from "./own-running.ts";
import { repeatedSubmissions } from "./repeated-submissions.ts";
import { CLAIM_USE_MS, type FleetCommand, MAX_ACCEPTED, MAX_COMMANDS, MAX_WAIT_MS } from "./wire.ts";

/** A caller is answered "accepted" when the hub has not answered by then. */
const ANSWER_MS = 2_000;
/** A caller that was answered by the hub reads its own write; no longer than this is waited for the replica. */
const SEEN_MS = 1_500;
const HEARTBEAT_MS = 5_000;
/** Of a shorter lease, several heartbeats may be lost before it runs out. */
const HEARTBEATS_PER_TERM = 6;
/** An answer that takes longer is given up: one that is lost must cost no lease. */
const HEARTBEAT_LIMITS_PER_TERM = 3;
const TICK_MS = 500;
/** A start waits so long for the hub to confirm what this node runs. */
const CONFIRM_MS = 3_000;
const CLAIM_TRIES = 2; // under one id; then its tasks are the hub's to take back
const WAIT_RETRY_MS = 1_000;
/** Until the first heartbeat says otherwise; strict leases last as long. */
const TERM_MS = 60_000;
const PROGRESS_EVERY_MS = 2_000;

const nothing: ClaimReceipt = { tasks: [], more: false, rateLimited: false };

/**
 * The queue on a node that is not the hub. What it reads is its replica; what it changes are commands to the hub.
 * Submissions, reports and tasks given back are journaled first and survive any outage; what people do to the queue
 * needs the hub, and says so when it is away.
 */
export class FleetQueue implements Queue {
  readonly store: QueueStore;
  readonly #options: FleetQueueOptions;
  readonly #courier: Courier;
  readonly #leases: HolderLeases;
  readonly #readyListeners = new Set<() => void>();
  readonly #stopListeners = new Set<(id: TaskId, fence: Fence) => void>();
  readonly #progressAtMs = new Map<TaskId, number>();
  #timers: Timer[] = [];
  #unsubscribe: (() => void) | undefined;
  #isRunning = false;
  #isReaching = false;
  #heartbeatAtMs: number | undefined;
  #isBeating = false;
  readonly #notices: HubNotices;
  #stamp: string | undefined;
  #readySeen = 0;
  #classes = "";
  #termMs = TERM_MS;
  #tickedAtMs: number | undefined;

  constructor(options: FleetQueueOptions) {
    this.#options = options;
    this.store = memberStore(options.store, options.outbox);
    this.#courier = new Courier(options);
    this.#leases = new HolderLeases(options.leaseNotes, options.logger);
    this.#notices = new HubNotices(options);
  }

  get turns(): { readonly fleet: number | undefined } {
    return { fleet: this.#tickedAtMs };
  }

  /** Whether the hub answered the last time it was asked. */
  get isReaching(): boolean {
    return this.#isReaching;
  }

  /** Why the hub gives this node no work: its release and the fleet's do not fit. */
  get unfit(): Failure | undefined {
    return this.#notices.unfit;
  }

  async start(): Promise<Result<readonly TaskRow[]>> {
    const { store, outbox, node } = this.#options;
    const running = await ownRunning(store, outbox, node);
    if (!running.ok) return running;
    const unknown = this.#leases.adopt(running.value.map((row) => ({ taskId: row.id, fence: fenceOf(row) })));
    this.#isRunning = true;
    this.#unsubscribe = this.#options.store.subscribe((events) => {
      if (events.some(({ kind }) => kind === "task.submitted" || kind === "schedule.fired"))
        void this.#lookForClasses();
    });
    this.#courier.start();
    this.#tickLater();
    void this.#waitForHub();
    // So that what runs already and was not noted may go on from the first moment, when the hub is there.
    if (unknown > 0) await this.#within(CONFIRM_MS, this.#beat());
    return running;
  }

  async #within(ms: number, work: Promise<void>): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(ms, late.resolve);
    await Promise.race([work, late.promise]);
    timer.cancel();
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    for (const timer of this.#timers) timer.cancel();
    this.#unsubscribe?.();
    this.#courier.stop();
    this.#leases.note();
  }

  async submit(tasks: readonly NewTask[]): Promise<Result<readonly Receipt[]>> {
    const known = await repeatedSubmissions(this.#options, tasks);
    if (!known.ok) return known;
    const receipts = tasks.map(({ id }) => ({ id: known.value.get(id) ?? id, created: !known.value.has(id) }));
    if (receipts.every(({ created }) => !created)) return ok(receipts);
    // `as`, here and below: the hub answers what its own queue returned.
    const id = this.#options.ids.command();
    const answer = await this.#journal({ id, kind: "submit", args: { tasks: [...tasks] } });
    return answer === "journaled" ? ok(receipts) : (answer as Result<readonly Receipt[]>);
  }

  async claim({ limit, accepts }: ClaimRequest): Promise<Result<ClaimReceipt>> {
    const { link, clock, ids } = this.#options;
    // Said once, by the heartbeat; everybody who waits for work would say it again.
    if (!this.#isReaching || this.unfit !== undefined) return ok(nothing);
    const known = await this.store.requirements(MAX_ACCEPTED);
    if (!known.ok) return known;
    this.#classes = known.value.join("\n");
    const accepted = known.value.filter((requirements) => accepts(requirements));
    if (accepted.length === 0) return ok(nothing);
    const call = { id: ids.command(), limit: Math.min(limit, MAX_COMMANDS), accepts: accepted };
    const firstSentAtMs = clock.monotonicMs();
    for (let tries = 1; ; tries += 1) {
      const sentAtMs = clock.monotonicMs();
      const answer = await link.claim(call);
      if (answer.ok) {
        if (clock.monotonicMs() - firstSentAtMs > CLAIM_USE_MS) return ok(nothing);
        const { tasks, more, rateLimited, over, termMs } = answer.value;
        this.#termMs = termMs;
        for (const { row, fence } of tasks) this.#leases.grant(row.id, fence, sentAtMs, termMs);
        this.#options.replica.follow(answer.value);
        return ok({ tasks, more, rateLimited, ...(over === undefined ? {} : { over }) });
      }
      if (answer.error.kind !== "retryable" || tries >= CLAIM_TRIES) return answer;
    }
  }

  renew(id: TaskId, fence: Fence): boolean {
    return this.#leases.isLive(id, fence, this.#options.clock.monotonicMs());
  }

  async finish(id: TaskId, fence: Fence, report: AttemptReport): Promise<Result<FinishReceipt>> {
    const command = this.#options.ids.command();
    const answer = await this.#journal({ id: command, kind: "finish", args: { taskId: id, fence, report } });
    return this.#over(id, fence, answer);
  }

  async release(id: TaskId, fence: Fence, why: string): Promise<Result<FinishReceipt>> {
    const command = this.#options.ids.command();
    const answer = await this.#journal({ id: command, kind: "release", args: { taskId: id, fence, why } });
    return this.#over(id, fence, answer);
  }

  /** Sends what this node had accepted as a hub. @returns undefined while there is no answer: ask again, by the same id */
  async resend(command: FleetCommand): Promise<Result<JsonValue | undefined> | undefined> {
    const answer = await this.#courier.resend(command, ANSWER_MS);
    return answer === "journaled" ? undefined : answer;
  }

  #over(id: TaskId, fence: Fence, answer: Result<JsonValue | undefined> | "journaled"): Result<FinishReceipt> {
    if (answer !== "journaled" && !answer.ok && answer.error.kind === "retryable") return answer;
    this.#leases.end(id, fence);
    this.#progressAtMs.delete(id);
    return answer === "journaled" ? ok({ kind: "journaled" }) : (answer as Result<FinishReceipt>);
  }

  async progress(id: TaskId, fence: Fence, progress: Progress): Promise<Result<boolean>> {
    const nowMs = this.#options.clock.monotonicMs();
    const lastMs = this.#progressAtMs.get(id);
    if (!this.#isReaching || (lastMs !== undefined && nowMs - lastMs < PROGRESS_EVERY_MS)) return ok(false);
    this.#progressAtMs.set(id, nowMs);
    return this.#direct("progress", { taskId: id, fence, progress });
  }

  cancel(id: TaskId, why: string): Promise<Result<CancelReceipt>> {
    return this.#direct("cancel", { taskId: id, why });
  }

  retry(id: TaskId): Promise<Result<TaskRow>> {
    return this.#direct("retry", { taskId: id });
  }

  drop(id: TaskId): Promise<Result<TaskId>> {
    return this.#direct("drop", { taskId: id });
  }

  setPaused(paused: boolean): Promise<Result<boolean>> {
    return this.#direct("pause", { paused });
  }

  async announce(kind: AnnouncementKind, data: JsonObject): Promise<Result<void>> {
    const said = await this.#direct<unknown>("announce", { kind, data });
    return said.ok ? ok(undefined) : said;
  }

  setKeyPolicy(key: string, policy: KeyPolicy): Promise<Result<KeyRow>> {
    return this.#direct("key_policy", { key, policy });
  }

  addSchedule(request: ScheduleRequest): Promise<Result<ScheduleRow>> {
    return this.#direct("add_schedule", { request });
  }

  removeSchedule(id: ScheduleId): Promise<Result<ScheduleId>> {
    return this.#direct("remove_schedule", { scheduleId: id });
  }

  onReady(listener: () => void): () => void {
    this.#readyListeners.add(listener);
    return () => this.#readyListeners.delete(listener);
  }

  onStop(listener: (id: TaskId, fence: Fence) => void): () => void {
    this.#stopListeners.add(listener);
    return () => this.#stopListeners.delete(listener);
  }

  async #journal(command: FleetCommand): Promise<Result<JsonValue | undefined> | "journaled"> {
    const answer = await this.#courier.send(command, this.#isReaching ? ANSWER_MS : 0);
    if (answer !== "journaled" && answer.ok) await this.#seen();
    return answer;
  }

  /** Read your writes, as far as the replica comes in time. */
  async #seen(): Promise<void> {
    const at = this.#courier.answeredAt;
    if (at !== undefined) await this.#options.replica.reached(at, SEEN_MS);
  }

  /** A command that is of use only now; the hub keeps its result, so that sending it twice changes nothing. */
  async #direct<T>(kind: FleetCommand["kind"], args: object): Promise<Result<T>> {
    const { link, ids, replica } = this.#options;
    // `as`: each caller passes the arguments of its kind.
    const command = { id: ids.command(), kind, args } as FleetCommand;
    let answer = await link.commands([command]);
    if (!answer.ok && answer.error.kind === "retryable") answer = await link.commands([command]);
    if (!answer.ok) return answer;
    const { epoch, seq, results } = answer.value;
    const [result] = results;
    replica.follow({ epoch, seq });
    if (result === undefined) return err(retryable("unavailable", `${kind}: the hub gave no answer`));
    if (!result.ok) return err(result.failure);
    await replica.reached({ epoch, seq }, SEEN_MS);
    return ok(result.value as T);
  }

  /** The hub says when there is work; but what is new in kind can be accepted only once the replica shows it. */
  async #lookForClasses(): Promise<void> {
    const known = await this.#options.store.requirements(MAX_ACCEPTED);
    if (known.ok && known.value.join("\n") !== this.#classes) this.#announceReady();
  }

  #tickLater(): void {
    if (!this.#isRunning) return;
    this.#timers = [
      this.#options.clock.after(TICK_MS, () => {
        this.#tickedAtMs = this.#options.clock.monotonicMs();
        if (this.#tickedAtMs - (this.#heartbeatAtMs ?? Number.NEGATIVE_INFINITY) >= this.#heartbeatMs())
          void this.#beat();
        this.#leases.note();
        this.#tickLater();
      }),
    ];
  }

  #heartbeatMs(): number {
    return Math.min(HEARTBEAT_MS, this.#termMs / HEARTBEATS_PER_TERM);
  }

  async #beat(): Promise<void> {
    if (this.#isBeating) return;
    this.#isBeating = true;
    const { link, clock, announce, replica } = this.#options;
    const sentAtMs = clock.monotonicMs();
    this.#heartbeatAtMs = sentAtMs;
    try {
      const call = {
        held: [...this.#leases.list()],
        heard: [...this.#notices.heard],
        announced: announce(),
        ...(this.#stamp === undefined ? {} : { stamp: this.#stamp }),
      };
      const answer = await link.heartbeat(call, this.#termMs / HEARTBEAT_LIMITS_PER_TERM);
      this.#reached(answer);
      if (!answer.ok) return;
      this.#stamp = answer.value.stamp;
      this.#termMs = answer.value.termMs;
      for (const { taskId, fence, ok: isOk, stop } of answer.value.held) {
        if (isOk) this.#leases.renewed(taskId, fence, sentAtMs, this.#termMs);
        else this.#leases.end(taskId, fence);
        if (stop) this.#stopped(taskId, fence);
      }
      this.#leases.note(); // at once: what was refused is not gone on with by the process after this one
      this.#notices.take(answer.value);
      replica.follow(answer.value);
    } catch (cause) {
      this.#options.logger.error("a heartbeat failed by a bug", { cause: String(cause) });
    } finally {
      this.#isBeating = false;
    }
  }

  /** The long poll: the hub answers when there is more to read or to do. */
  async #waitForHub(): Promise<void> {
    const { link, replica, logger } = this.#options;
    while (this.#isRunning) {
      const { epoch: seqEpoch, seq } = replica.position() ?? { epoch: 0, seq: 0 };
      const answer = await link
        .wait({ seq, seqEpoch, readySeen: this.#readySeen, waitMs: MAX_WAIT_MS })
        .catch((cause: unknown) => err(retryable("internal", `wait for the hub: ${String(cause)}`)));
      if (this.#isOver()) return;
      this.#reached(answer);
      if (!answer.ok) {
        await new Promise<void>((resolve) => this.#options.clock.after(WAIT_RETRY_MS, resolve));
        continue;
      }
      replica.follow(answer.value);
      const isNew = answer.value.ready !== this.#readySeen;
      this.#readySeen = answer.value.ready;
      if (isNew) this.#announceReady();
      for (const { taskId, fence } of answer.value.stops) this.#stopped(taskId, fence);
      for (const key of answer.value.reads) this.#options.onRead(key);
      // What the hub said is there must be here before it is asked again, else it answers at once for ever.
      const arrived = await replica.reached(answer.value, SEEN_MS);
      if (!arrived) logger.debug("the replica is behind", { seq: answer.value.seq });
    }
  }

  /** Asked anew after each wait: it may have been stopped meanwhile. */
  #isOver(): boolean {
    return !this.#isRunning;
  }

  #reached(answer: Result<unknown>): void {
    const isReaching = answer.ok;
    if (isReaching && !this.#courier.isReaching) this.#courier.wake(); // it may wait out a pause still
    if (isReaching === this.#isReaching) return;
    this.#isReaching = isReaching;
    if (!answer.ok) {
      const why = describeFailure(answer.error);
      return this.#options.logger.warn("the hub does not answer; what is accepted here waits", { why });
    }
    this.#options.logger.info("the hub answers");
    this.#courier.wake();
    this.#announceReady();
  }

  #stopped(id: TaskId, fence: Fence): void {
    for (const listener of this.#stopListeners) listener(id, fence);
  }

  #announceReady(): void {
    for (const listener of this.#readyListeners) listener();
  }
}
