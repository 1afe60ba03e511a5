import { type NodeId, type ScheduleId, seededRandom, type TaskId } from "#base";
import { type AttemptOutcome, type Fence, LEASE_TERM_MS } from "#queue";
import { acceptsAll, attemptReport, QueueWorld, type StoreHarness } from "../../support/queue-world.ts";
import { checkEnd, checkWake, newlyLost } from "./expectations.ts";
import {
  check,
  checkNothingForgotten,
  fingerprint,
  holdsFence,
  isOver,
  Oracle,
  type Snapshot,
  takeSnapshot,
} from "./oracle.ts";
import { policyAt } from "./policies.ts";
import { choose, KEYS, REQUIREMENTS, type Submission } from "./steps.ts";
import { SubmissionModel } from "./submission-model.ts";
import type { Tally } from "./tally.ts";

/** An attempt that somebody was given, whatever became of it. */
export type Held = {
  readonly taskId: TaskId;
  readonly fence: Fence;
  /** Monotonic; when the queue last heard of it. */
  heardMs: number;
  /** Time since then in which nobody could have noticed its silence. */
  excusedMs: number;
  /** Time since then that its lease must have been given back. */
  giftMs: number;
  isAlive: boolean;
};

const MAX_RETRY_MS = 5_000;
/** Sweeps come every half second, and time passes here in quarters. */
const SWEEP_SLACK_MS = 1_000;
const RENEW_EVERY_MS = 1_000;

/** What the outside asked for and was told, and the steps by which it goes on. */
export class History {
  readonly world: QueueWorld;
  readonly held: Held[] = [];
  readonly #tally: Tally;
  readonly #oracle = new Oracle();
  readonly #holders: readonly NodeId[];
  readonly #accepted = new Set<TaskId>();
  readonly #passed = new Set<TaskId>();
  readonly #submissions = new SubmissionModel(MAX_RETRY_MS);
  readonly schedules: ScheduleId[] = [];
  readonly #overlapping = new Set<string>();
  readonly #lastRun = new Map<string, TaskId>();
  #lastFence = 0;
  #isPaused = false;
  #snapshot: Snapshot = { tasks: new Map(), lanes: [], keys: new Map(), nextWakeMs: null, lastSeq: 0 };

  constructor(harness: StoreHarness, tally: Tally) {
    this.world = new QueueWorld(harness);
    this.#tally = tally;
    this.#holders = [this.world.ids.node(), this.world.ids.node()];
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  async start(): Promise<void> {
    await this.world.start();
    await this.look(false);
  }

  /** Takes a snapshot and holds it against the one before. */
  async look(redriven: boolean, removed: ReadonlySet<TaskId> = new Set()): Promise<void> {
    const before = this.#snapshot;
    const after = await takeSnapshot(this.world.store);
    const events = await this.#oracle.observe(this.world.store, before, after, redriven);
    for (const event of events) {
      this.#tally.saw(event);
      if (event.kind === "schedule.fired") {
        const id = [...after.tasks.keys()].find((task) => task === event.data["taskId"]);
        if (id !== undefined) this.#accepted.add(id);
        this.#checkOverlap(JSON.stringify(event.data["schedule"]), id, after);
      }
    }
    for (const id of removed) this.#accepted.delete(id);
    for (const id of this.#accepted) check(after.tasks.has(id), `Q8: accepted task ${id} is still there`);
    for (const id of this.#passed) {
      const record = after.tasks.get(id);
      check(record === undefined || record.row.state === "done", `Q14: ${id} passed and stays done`);
    }
    const { clock } = this.world;
    for (const [id, { row }] of after.tasks) {
      if (!redriven) checkWake(before.tasks.get(id)?.row, row, clock.nowMs());
    }
    for (const fenceN of newlyLost(before, after)) {
      this.#tally.add("expiries");
      const held = this.held.find((one) => one.fence.n === fenceN);
      const silentMs = clock.monotonicMs() - (held?.heardMs ?? 0) - (held?.giftMs ?? 0);
      check(silentMs >= LEASE_TERM_MS, `attempt ${fenceN} was given up after ${silentMs} ms of silence`);
    }
    this.#snapshot = after;
  }

  /** Attempts whose task still runs under their fence. */
  running(): readonly Held[] {
    return this.held.filter((held) => holdsFence(this.#snapshot.tasks.get(held.taskId), held.fence));
  }

  async submit(submissions: readonly Submission[]): Promise<void> {
    const { queue, store } = this.world;
    const batch = this.#submissions.batch(submissions, this.world, [...this.#snapshot.tasks.keys()]);
    const expected = this.#submissions.expect(batch, this.#snapshot);
    const seq = this.#snapshot.lastSeq;
    const result = await queue.submit(batch);
    check(
      result.ok === (expected !== undefined),
      `submit ${result.ok ? "accepts" : `refuses (${result.error.message})`}`,
    );
    if (!result.ok || expected === undefined) {
      this.#tally.add("refusedSubmits");
      const range = await store.eventRange();
      check(range.ok && range.value.lastSeq === seq, "a refused submission leaves nothing");
      return;
    }
    for (const [index, task] of batch.entries()) {
      const receipt = result.value[index];
      const id = expected.get(task.id);
      check(receipt?.id === id, `Q10: ${task.idempotencyKey} names ${id}, got ${receipt?.id}`);
      check(receipt?.created === (id === task.id), "Q10: only a first submission is new");
      if (id === task.id) this.#accepted.add(task.id);
      else this.#tally.add("repeatedSubmits");
    }
    this.#submissions.accepted(batch, expected);
  }

  /** @returns the attempts it was given. */
  async claim(limit: number, holder: number, picky: boolean): Promise<readonly Held[]> {
    const { queue, clock } = this.world;
    const before = this.#snapshot;
    const claimed = await queue.claim({
      holder: this.#holders[holder] ?? this.world.node,
      limit,
      accepts: picky ? (requirements) => requirements === REQUIREMENTS[0] : acceptsAll,
    });
    if (!claimed.ok) throw new Error(claimed.error.message);
    const { tasks } = claimed.value;
    check(tasks.length <= limit, "a claim takes no more than it asked for");
    check(!this.#isPaused || tasks.length === 0, "Q13: nothing is claimed while paused");
    const taken: Held[] = [];
    for (const { row, fence, attempt } of tasks) {
      check(fence.epoch === 1 && fence.n > this.#lastFence, `Q2: fence ${fence.n} is greater than ${this.#lastFence}`);
      this.#lastFence = Math.max(this.#lastFence, fence.n);
      const was = before.tasks.get(row.id);
      check(was?.row.state === "ready", `Q3: ${row.id} was ready, not ${was?.row.state}`);
      check(attempt === (was?.attempts.length ?? 0) + 1, "Q4: the attempt after those that ended");
      taken.push({
        taskId: row.id,
        fence,
        heardMs: clock.monotonicMs(),
        excusedMs: 0,
        giftMs: 0,
        isAlive: true,
      });
      this.#tally.add("claims");
    }
    this.held.push(...taken);
    const after = await takeSnapshot(this.world.store);
    for (const name of new Set(tasks.map(({ row }) => row.key))) {
      const policy = after.keys.get(name)?.policy;
      const running = [...after.tasks.values()].filter(({ row }) => row.key === name && row.state === "running").length;
      const max = policy?.maxConcurrent ?? null;
      check(max === null || running <= max, `Q6: ${running} tasks of key "${name}" run, ${max} may`);
      check(policy?.paused !== true, `Q6: key "${name}" is paused`);
    }
    return taken;
  }

  async finish(held: Held, outcome: AttemptOutcome, isTerminal: boolean): Promise<void> {
    const { queue, clock, store } = this.world;
    const before = await takeSnapshot(store);
    const record = before.tasks.get(held.taskId);
    const report = attemptReport({
      outcome,
      consequence: isTerminal ? "terminal" : "retryable",
      result: { fence: held.fence.n },
    });
    const result = await queue.finish(held.taskId, held.fence, report);
    if (!result.ok) throw new Error(result.error.message);
    // The report of an attempt before the latest counts as stale, though it may have been applied in its time.
    const isLatest = record?.row.fenceN === held.fence.n && record.attempts.at(-1)?.fenceN === held.fence.n;
    const expected = holdsFence(record, held.fence) ? "applied" : isLatest ? "duplicate" : "stale";
    check(result.value.kind === expected, `Q3: a report that is ${expected} is called ${result.value.kind}`);
    this.#tally.add(expected);
    const after = await takeSnapshot(store);
    if (expected !== "applied" || record === undefined) {
      check(fingerprint(after) === fingerprint(before), `Q3: a ${expected} report changes nothing`);
      return;
    }
    const { row, attempts } = after.tasks.get(held.taskId) ?? record;
    check(
      attempts.at(-1)?.fenceN === held.fence.n && attempts.at(-1)?.outcome === outcome,
      "Q4: the attempt is recorded",
    );
    checkEnd(record, row, outcome, isTerminal);
    if (row.state === "waiting") {
      const delayMs = (row.wakeAtMs ?? 0) - clock.nowMs();
      const ceilingMs = Math.min(row.retryMaxMs, row.retryBaseMs * 2 ** (row.attempts - 1));
      check(
        delayMs >= Math.floor(ceilingMs / 2) && delayMs <= ceilingMs,
        `backoff ${delayMs} of at most ${ceilingMs} ms`,
      );
    }
    if (outcome === "passed") {
      check(!this.#passed.has(held.taskId), `Q14: ${held.taskId} passes once`);
      this.#passed.add(held.taskId);
    }
  }

  async release(held: Held): Promise<void> {
    const record = this.#snapshot.tasks.get(held.taskId);
    const holds = holdsFence(record, held.fence);
    const result = await this.world.queue.release(held.taskId, held.fence, "the node stops");
    check(result.ok && result.value.kind === (holds ? "applied" : "stale"), "Q3: only the holder releases");
    if (!holds) return;
    this.#tally.add("releases");
    const after = await this.world.record(held.taskId);
    check(after.row.attempts === record?.row.attempts, "a release counts no attempt");
    check(
      after.row.state === (record?.row.cancelRequested === true ? "cancelled" : "ready"),
      "a released task is offered",
    );
  }

  async cancel(id: TaskId | undefined): Promise<void> {
    if (id === undefined) return;
    const before = this.#snapshot.tasks.get(id)?.row;
    const result = await this.world.queue.cancel(id, "asked for");
    const { row } = await this.world.record(id);
    check(result.ok === (before?.state !== "done" && before?.state !== "dead"), `cancel of a ${before?.state} task`);
    if (before?.state === "running")
      check(row.cancelRequested && row.state === "running", "a running task is asked to stop");
    if (before?.state === "ready" || before?.state === "waiting") check(row.state === "cancelled", "cancelled at once");
  }

  async retry(pick: number): Promise<void> {
    const ended = [...this.#snapshot.tasks.values()].filter(({ row }) => row.state !== "done");
    const record = choose(ended, pick);
    if (record === undefined) return;
    const result = await this.world.queue.retry(record.row.id);
    if (!result.ok || !isOver(record.row.state)) return;
    this.#tally.add("redrives");
    check(result.value.attemptLimit === record.row.attempts + record.row.maxAttempts, "a redrive gives a fresh budget");
    check(
      result.value.state === (record.row.blockedBy === 0 ? "ready" : "waiting"),
      "a redriven task is offered again",
    );
  }

  async drop(pick: number, removed: Set<TaskId>): Promise<void> {
    const dead = [...this.#snapshot.tasks.values()].filter(({ row }) => row.state === "dead");
    const any = [...this.#snapshot.tasks.values()];
    const record = choose(dead.length > 0 && pick % 4 > 0 ? dead : any, pick);
    if (record === undefined) return;
    const { id, state } = record.row;
    const result = await this.world.queue.drop(id);
    check(!result.ok || state === "dead", `a ${state} task is not dropped`);
    if (result.ok) removed.add(id);
  }

  async restart(): Promise<void> {
    await this.world.restart();
    this.#tally.add("restarts");
    for (const held of this.held) {
      held.excusedMs += this.world.clock.monotonicMs() - held.heardMs - held.excusedMs; // a full term from now
    }
  }

  async setPaused(paused: boolean): Promise<void> {
    await this.world.queue.setPaused(paused);
    this.#isPaused = paused;
  }

  /** The whole process is suspended: nothing runs, nobody is heard. */
  standStill(ms: number): void {
    this.world.clock.advance(ms);
    for (const held of this.held) {
      held.excusedMs += ms;
      // Noticed by the service at the next sweep, at the latest half a second after it began.
      if (ms > LEASE_TERM_MS / 2 + SWEEP_SLACK_MS) held.giftMs += ms - SWEEP_SLACK_MS;
    }
  }

  jumpWall(ms: number): void {
    this.world.clock.jumpWall(ms);
    this.#tally.add("jumps");
  }

  async setPolicy(key: string, policy: number): Promise<void> {
    const result = await this.world.queue.setKeyPolicy(key, policyAt(policy));
    check(result.ok, "a policy is accepted");
  }

  /** Ends what would keep the queue from coming to rest: pauses and schedules. */
  async calm(): Promise<void> {
    const { queue, store } = this.world;
    await this.setPaused(false);
    for (const key of KEYS.slice(1)) {
      const row = this.#snapshot.keys.get(key);
      if (row?.policy.paused === true) await queue.setKeyPolicy(key, { ...row.policy, paused: false });
    }
    const schedules = await store.schedules(1_000);
    if (schedules.ok) for (const schedule of schedules.value) await queue.removeSchedule(schedule.id);
    await this.world.settle();
    await this.look(false);
  }

  /** Time passes; workers that live renew their leases, those that died are found out in time. */
  async pass(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= RENEW_EVERY_MS) {
      await this.world.pass(Math.min(leftMs, RENEW_EVERY_MS));
      await this.look(false);
      this.renew();
    }
    const nowMs = this.world.clock.monotonicMs();
    for (const held of this.running()) {
      const silentMs = nowMs - held.heardMs - held.excusedMs;
      check(
        silentMs <= LEASE_TERM_MS + SWEEP_SLACK_MS,
        `${held.taskId} is offered again, its worker silent for ${silentMs} ms`,
      );
    }
  }

  renew(): void {
    for (const held of this.held) {
      const holds = holdsFence(this.#snapshot.tasks.get(held.taskId), held.fence);
      if (!held.isAlive && holds) continue; // dead workers say nothing; stale ones may still try
      const renewed = this.world.queue.renew(held.taskId, held.fence);
      check(renewed === holds, `Q3: a lease that is ${holds ? "held" : "lost"} is ${renewed ? "" : "not "}renewed`);
      if (renewed) Object.assign(held, { heardMs: this.world.clock.monotonicMs(), excusedMs: 0, giftMs: 0 });
    }
  }

  /** After a moment of quiet nothing may be left that only an accident would bring back. */
  async checkRest(): Promise<void> {
    await this.pass(1_500);
    await this.world.catchUp();
    await this.look(false);
    checkNothingForgotten(this.#snapshot, this.world.clock.nowMs());
  }

  async addSchedule(overlap: "skip" | "allow"): Promise<void> {
    const { queue, ids } = this.world;
    if (this.schedules.length >= 3) return;
    const draw = seededRandom(this.schedules.length).next();
    const task = this.world.task({ id: ids.task(), key: "a", lane: draw < 0.5 ? 1 : 3, retryMaxMs: MAX_RETRY_MS });
    const result = await queue.addSchedule({
      name: "every five seconds",
      cron: "*/5 * * * * *",
      timezone: "UTC",
      overlap,
      task,
    });
    check(result.ok, "a schedule is accepted");
    if (!result.ok) return;
    this.schedules.push(result.value.id);
    if (overlap === "allow") this.#overlapping.add(JSON.stringify(result.value.id));
  }

  async prune(olderThanMs: number, removed: Set<TaskId>): Promise<void> {
    const { store, clock } = this.world;
    const beforeMs = clock.nowMs() - olderThanMs;
    const result = await store.prune(
      { endedTasksMs: beforeMs, deadLettersMs: beforeMs, eventsMs: 0, idempotencyMs: 0, commandsMs: 0 },
      1_000,
    );
    check(result.ok, "old tasks are pruned");
    const after = await takeSnapshot(store);
    for (const [id, { row }] of this.#snapshot.tasks) {
      if (after.tasks.has(id)) continue;
      check(isOver(row.state) && (row.endedAtMs ?? 0) < beforeMs, `Q8: pruning leaves ${id}, which is ${row.state}`);
      removed.add(id);
      this.#passed.delete(id);
      this.#tally.add("pruned");
    }
  }

  #checkOverlap(schedule: string, id: TaskId | undefined, after: Snapshot): void {
    const last = this.#lastRun.get(schedule);
    const mayOverlap = this.#overlapping.has(schedule);
    const state = last === undefined ? undefined : after.tasks.get(last)?.row.state;
    check(
      mayOverlap || state === undefined || isOver(state),
      `schedule ${schedule} fires while its last task is ${state}`,
    );
    if (id !== undefined) this.#lastRun.set(schedule, id);
  }
}
