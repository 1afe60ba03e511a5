import { type NodeId, seededRandom, type ScheduleId, type TaskId } from "#base";
import { type AttemptOutcome, type Fence, type KeyPolicy, LEASE_TERM_MS, type NewTask, type TaskRow } from "#queue";
import { acceptsAll, attemptReport, QueueWorld, type StoreHarness } from "../../support/queue-world.ts";
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
import { BATCH_PICK, KEYS, MISSING_PICK, REQUIREMENTS, type Step, type Submission } from "./steps.ts";
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
  isReleased: boolean;
};

const MAX_RETRY_MS = 5_000;
/** Sweeps come every half second, and time passes here in quarters. */
const SWEEP_SLACK_MS = 1_000;
const RENEW_EVERY_MS = 1_000;

const POLICIES: readonly KeyPolicy[] = [
  { maxConcurrent: null, ratePerSecond: null, burst: 1, weight: 1, paused: false },
  { maxConcurrent: 1, ratePerSecond: null, burst: 1, weight: 1, paused: false },
  { maxConcurrent: 2, ratePerSecond: null, burst: 1, weight: 2, paused: false },
  { maxConcurrent: null, ratePerSecond: 0.5, burst: 1, weight: 1, paused: false },
  { maxConcurrent: null, ratePerSecond: 5, burst: 3, weight: 0.5, paused: false },
  { maxConcurrent: 1, ratePerSecond: 4, burst: 2, weight: 1, paused: false },
  { maxConcurrent: 3, ratePerSecond: null, burst: 1, weight: 1, paused: true },
];

/** What the outside asked for and was told, and the steps by which it goes on. */
export class History {
  readonly world: QueueWorld;
  readonly held: Held[] = [];
  readonly #tally: Tally;
  readonly #oracle = new Oracle();
  readonly #holders: readonly NodeId[];
  readonly #accepted = new Set<TaskId>();
  readonly #passed = new Set<TaskId>();
  readonly #idempotency = new Map<string, { id: TaskId; bodyHash: string }>();
  readonly #schedules: ScheduleId[] = [];
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
        this.#checkOverlap(String(event.data["schedule"]), id, after);
      }
    }
    for (const id of removed) this.#accepted.delete(id);
    for (const id of this.#accepted) check(after.tasks.has(id), `Q8: accepted task ${id} is still there`);
    for (const id of this.#passed) {
      const record = after.tasks.get(id);
      check(record === undefined || record.row.state === "done", `Q14: ${id} passed and stays done`);
    }
    for (const [id, { row }] of after.tasks) this.#checkWake(before.tasks.get(id)?.row, row, redriven);
    this.#checkLost(before, after);
    this.#snapshot = after;
  }

  async take(step: Step): Promise<void> {
    const removed = new Set<TaskId>();
    await this.#act(step, removed);
    await this.world.settle();
    await this.look(step.kind === "retry", removed);
  }

  async #act(step: Step, removed: Set<TaskId>): Promise<void> {
    const { queue, clock } = this.world;
    switch (step.kind) {
      case "submit":
        return this.#submit(step.tasks);
      case "claim":
        await this.claim(step.limit, step.holder, step.picky);
        return;
      case "finish": {
        const held = choose(this.running(), step.pick);
        if (held !== undefined) await this.finish(held, step.outcome, step.terminal);
        return;
      }
      case "report again": {
        const held = choose(this.held, step.pick);
        if (held !== undefined) await this.finish(held, step.outcome, false);
        return;
      }
      case "worker dies": {
        const held = choose(this.running(), step.pick);
        if (held !== undefined) held.isAlive = false;
        return;
      }
      case "release":
        return this.#release(choose(this.held, step.pick));
      case "progress": {
        const held = choose(this.held, step.pick);
        if (held !== undefined) await queue.progress(held.taskId, held.fence, { ratio: 0.5, message: "half" });
        return;
      }
      case "cancel":
        return this.#cancel(choose([...this.#snapshot.tasks.keys()], step.pick));
      case "retry":
        return this.#retry(step.pick);
      case "drop":
        return this.#drop(step.pick, removed);
      case "node restarts":
        return this.#restart();
      case "key policy":
        await this.setPolicy(KEYS[step.key] ?? "a", step.policy);
        return;
      case "pause":
        await queue.setPaused(step.paused);
        this.#isPaused = step.paused;
        return;
      case "time passes":
        await this.pass(step.ms);
        return this.world.catchUp();
      case "process stands still":
        clock.advance(step.ms);
        for (const held of this.held) {
          held.excusedMs += step.ms;
          // Noticed by the service at the next sweep, at the latest half a second after it began.
          if (step.ms > LEASE_TERM_MS / 2 + SWEEP_SLACK_MS) held.giftMs += step.ms - SWEEP_SLACK_MS;
        }
        return;
      case "wall clock jumps":
        clock.jumpWall(step.ms);
        this.#tally.add("jumps");
        return;
      case "add schedule":
        return this.#addSchedule(step.overlap);
      case "remove schedule": {
        const id = choose(this.#schedules, step.pick);
        if (id !== undefined) await queue.removeSchedule(id);
        return;
      }
      case "prune":
        return this.#prune(step.olderThanMs, removed);
    }
  }

  /** Attempts whose task still runs under their fence. */
  running(): readonly Held[] {
    return this.held.filter((held) => holdsFence(this.#snapshot.tasks.get(held.taskId), held.fence));
  }

  async #submit(submissions: readonly Submission[]): Promise<void> {
    const { ids, clock, queue } = this.world;
    const fresh = submissions.map(() => ids.task());
    const stored = [...this.#snapshot.tasks.keys()];
    const batch: NewTask[] = submissions.map((wanted, index) => ({
      id: fresh[index] ?? ids.task(),
      lane: wanted.lane,
      key: KEYS[wanted.key] ?? "",
      requirements: REQUIREMENTS[wanted.requirements] ?? "{}",
      dependsOn: wanted.dependsOn
        .map((pick) =>
          pick >= BATCH_PICK ? fresh[pick - BATCH_PICK] : pick === MISSING_PICK ? ids.task() : choose(stored, pick),
        )
        .filter((id) => id !== undefined),
      dependencyPolicy: wanted.policy,
      runAtMs: wanted.runInMs === null ? null : clock.nowMs() + wanted.runInMs,
      maxAttempts: wanted.maxAttempts,
      retryBaseMs: wanted.retryBaseMs,
      retryMaxMs: MAX_RETRY_MS,
      idempotencyKey: wanted.idempotency === null ? null : `once-${wanted.idempotency}`,
      bodyHash: `body-${wanted.body}`,
      labels: {},
      body: JSON.stringify({ title: `body ${wanted.body}` }),
    }));
    const expected = this.#expectSubmit(batch);
    const seq = this.#snapshot.lastSeq;
    const result = await queue.submit(batch);
    check(
      result.ok === (expected !== undefined),
      `submit ${result.ok ? "accepts" : `refuses (${result.error.message})`}`,
    );
    if (!result.ok) {
      this.#tally.add("refusedSubmits");
      const range = await this.world.store.eventRange();
      check(range.ok && range.value.lastSeq === seq, "a refused submission leaves nothing");
      return;
    }
    for (const [index, task] of batch.entries()) {
      const receipt = result.value[index];
      const id = expected?.get(task.id);
      check(receipt?.id === id, `Q10: ${task.idempotencyKey} names ${id}, got ${receipt?.id}`);
      check(receipt?.created === (id === task.id), "Q10: only a first submission is new");
      if (id !== task.id) this.#tally.add("repeatedSubmits");
      if (id === task.id) this.#accepted.add(task.id);
      if (task.idempotencyKey !== null && id !== undefined && !this.#idempotency.has(task.idempotencyKey)) {
        this.#idempotency.set(task.idempotencyKey, { id, bodyHash: task.bodyHash });
      }
    }
  }

  /** @returns which task each member of the batch names, or undefined when the batch is to be refused. */
  #expectSubmit(batch: readonly NewTask[]): ReadonlyMap<TaskId, TaskId> | undefined {
    const names = new Map<TaskId, TaskId>();
    const keys = new Map(this.#idempotency);
    for (const task of batch) {
      const known = task.idempotencyKey === null ? undefined : keys.get(task.idempotencyKey);
      if (known !== undefined && known.bodyHash !== task.bodyHash) return undefined;
      names.set(task.id, known?.id ?? task.id);
      if (known === undefined && task.idempotencyKey !== null) {
        keys.set(task.idempotencyKey, { id: task.id, bodyHash: task.bodyHash });
      }
    }
    const fresh = new Map(batch.filter((task) => names.get(task.id) === task.id).map((task) => [task.id, task]));
    for (const task of fresh.values()) {
      const reached = new Set<TaskId>();
      const open: TaskId[] = task.dependsOn.map((id) => names.get(id) ?? id);
      for (let id = open.pop(); id !== undefined; id = open.pop()) {
        if (id === task.id) return undefined;
        if (reached.has(id)) continue;
        reached.add(id);
        open.push(...(fresh.get(id)?.dependsOn.map((next) => names.get(next) ?? next) ?? []));
      }
      for (const named of task.dependsOn) {
        const id = names.get(named) ?? named;
        if (fresh.has(id)) continue;
        const state = this.#snapshot.tasks.get(id)?.row.state;
        if (state === undefined) return undefined;
        if (task.dependencyPolicy === "fail" && (state === "dead" || state === "cancelled")) return undefined;
      }
    }
    return names;
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
        isReleased: false,
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
    const verdict = expectedState(record.row, outcome, isTerminal);
    check(
      verdict.includes(row.state),
      `a task whose attempt ended ${outcome} is ${row.state}, not ${verdict.join(" or ")}`,
    );
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

  async #release(held: Held | undefined): Promise<void> {
    if (held === undefined) return;
    const record = this.#snapshot.tasks.get(held.taskId);
    const holds = holdsFence(record, held.fence);
    const result = await this.world.queue.release(held.taskId, held.fence, "the node stops");
    check(result.ok && result.value.kind === (holds ? "applied" : "stale"), "Q3: only the holder releases");
    if (!holds) return;
    held.isReleased = true;
    this.#tally.add("releases");
    const after = await this.world.record(held.taskId);
    check(after.row.attempts === record?.row.attempts, "a release counts no attempt");
    check(
      after.row.state === (record?.row.cancelRequested === true ? "cancelled" : "ready"),
      "a released task is offered",
    );
  }

  async #cancel(id: TaskId | undefined): Promise<void> {
    if (id === undefined) return;
    const before = this.#snapshot.tasks.get(id)?.row;
    const result = await this.world.queue.cancel(id, "asked for");
    const { row } = await this.world.record(id);
    check(result.ok === (before?.state !== "done" && before?.state !== "dead"), `cancel of a ${before?.state} task`);
    if (before?.state === "running")
      check(row.cancelRequested && row.state === "running", "a running task is asked to stop");
    if (before?.state === "ready" || before?.state === "waiting") check(row.state === "cancelled", "cancelled at once");
  }

  async #retry(pick: number): Promise<void> {
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

  async #drop(pick: number, removed: Set<TaskId>): Promise<void> {
    const record = choose([...this.#snapshot.tasks.values()], pick);
    if (record === undefined) return;
    const { id, state } = record.row;
    const result = await this.world.queue.drop(id);
    check(!result.ok || state === "dead", `a ${state} task is not dropped`);
    if (result.ok) removed.add(id);
  }

  async #restart(): Promise<void> {
    await this.world.restart();
    this.#tally.add("restarts");
    for (const held of this.held) {
      held.excusedMs += this.world.clock.monotonicMs() - held.heardMs - held.excusedMs; // a full term from now
    }
  }

  async setPolicy(key: string, policy: number): Promise<void> {
    const result = await this.world.queue.setKeyPolicy(key, POLICIES[policy] ?? POLICIES[0] ?? never());
    check(result.ok, "a policy is accepted");
  }

  /** Ends what would keep the queue from coming to rest: pauses and schedules. */
  async calm(): Promise<void> {
    const { queue, store } = this.world;
    await queue.setPaused(false);
    this.#isPaused = false;
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

  async #addSchedule(overlap: "skip" | "allow"): Promise<void> {
    const { queue, ids } = this.world;
    if (this.#schedules.length >= 3) return;
    const draw = seededRandom(this.#schedules.length).next();
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
    this.#schedules.push(result.value.id);
    if (overlap === "allow") this.#overlapping.add(result.value.id);
  }

  async #prune(olderThanMs: number, removed: Set<TaskId>): Promise<void> {
    const { store, clock } = this.world;
    const beforeMs = clock.nowMs() - olderThanMs;
    const result = await store.prune(
      { endedTasksMs: beforeMs, deadLettersMs: beforeMs, eventsMs: 0, idempotencyMs: 0 },
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

  /** A retry sleeps through its backoff, unless somebody asks for it. */
  #checkWake(before: TaskRow | undefined, after: TaskRow, redriven: boolean): void {
    if (before?.state !== "waiting" || after.state !== "ready" || before.wakeAtMs === null || redriven) return;
    const earlyMs = before.wakeAtMs - this.world.clock.nowMs();
    // A wall clock that was set back brings a retry nearer, but never one that slept less than its longest backoff.
    const isClamped = before.wakeReason === "retry" && earlyMs > before.retryMaxMs;
    check(earlyMs <= 0 || isClamped, `${after.id} wakes ${earlyMs} ms before its time`);
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

  /** An attempt is given up only after its holder was silent for a full term. */
  #checkLost(before: Snapshot, after: Snapshot): void {
    for (const [id, record] of after.tasks) {
      const known = before.tasks.get(id)?.attempts.length ?? 0;
      for (const attempt of record.attempts.slice(known)) {
        if (attempt.executor !== "unknown") continue;
        const held = this.held.find((one) => one.fence.n === attempt.fenceN);
        const silentMs = this.world.clock.monotonicMs() - (held?.heardMs ?? 0) - (held?.giftMs ?? 0);
        check(silentMs >= LEASE_TERM_MS, `${id} was given up after ${silentMs} ms of silence`);
        this.#tally.add("expiries");
      }
    }
  }
}

function expectedState(row: TaskRow, outcome: AttemptOutcome, isTerminal: boolean): readonly string[] {
  if (outcome === "passed") return ["done"];
  if (row.cancelRequested) return ["cancelled"];
  if (isTerminal || row.attempts + 1 >= row.attemptLimit) return ["dead"];
  if (outcome === "lost" || row.retryBaseMs === 0) return ["ready"];
  return ["waiting"];
}

function choose<T>(from: readonly T[], pick: number): T | undefined {
  return from[pick % Math.max(1, from.length)];
}

function never(): never {
  throw new Error("there is a first policy");
}
