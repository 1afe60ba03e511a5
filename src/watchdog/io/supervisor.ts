import {
  assert,
  type Clock,
  err,
  type Logger,
  ok,
  type Random,
  type Result,
  retryable,
  type Timer,
  terminal,
} from "#base";
import type { Fault, Pulse } from "../fault.ts";
import { rulesOf, type SupervisionRules } from "../policy.ts";
import type { ProcessSpec } from "../process-spec.ts";
import { dueMs, step } from "../supervision.ts";
import { type Effect, type Happening, IDLE, type Phase, type SupervisionState } from "../supervision-state.ts";
import { askToEnd, killTree } from "./kill-tree.ts";
import { type ProcessIdentity, rssBytesOf } from "./process-table.ts";
import {
  adoptChild,
  type ChildRequest,
  type OutputSink,
  type SupervisedChild,
  startChild,
} from "./supervised-child.ts";

/** A fault, as it is kept. */
export type FaultRecord = Fault & { readonly name: string; readonly atMs: number };

export type SupervisedView = {
  readonly phase: Phase["kind"];
  readonly pid: number | null;
  readonly generation: number;
  /** Since it is in this phase; monotonic time of the watchdog. */
  readonly phaseMs: number;
  /** The last fault; it stays after a restart. */
  readonly fault: FaultRecord | null;
  /** Faults that count against its budget. */
  readonly recentFaults: number;
};

type Parts = {
  /** Asked before each start. */
  readonly spec: () => ProcessSpec;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly output: OutputSink;
  readonly onFault?: (fault: FaultRecord) => void;
  readonly onHeld?: () => void;
  /** Its phase is another now. */
  readonly onChange?: () => void;
};

/** A probe that gives no answer is one that failed. */
const PROBE_LIMIT_MS = 5_000;
const MEMORY_EVERY_MS = 5_000;
/** A timer that comes at least so often notices when this process stood still (W9 of supervision.ts). */
const TICK_EVERY_MS = 1_000;
/** Two looks lie further apart than an end and the news of it. */
const LOOK_EVERY_MS = 1_000;

/** Keeps one process alive: performs what the machine of `supervision.ts` decides, and tells it what happened. */
export class Supervisor {
  readonly #parts: Parts;
  #state: SupervisionState = IDLE;
  #rules: SupervisionRules | undefined;
  #spec: ProcessSpec | undefined;
  #child: SupervisedChild | undefined;
  #killing = 0;
  #fault: FaultRecord | null = null;
  #phaseSinceMs: number;
  #lookedAtMs = 0;
  #toldPhase: Phase["kind"] = "idle";
  #timer: Timer | undefined;
  #measuring: Timer | undefined;
  readonly #waiting: Happening[] = [];
  #isStepping = false;
  readonly #watchers = new Set<() => void>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#phaseSinceMs = parts.clock.monotonicMs();
  }

  start(): void {
    this.#tell({ kind: "start" });
  }

  /** Takes over a living process that an earlier watchdog started. One that has ended meanwhile is a fault like others. */
  adopt(identity: ProcessIdentity): void {
    assert(this.#state.phase.kind === "idle", "a supervisor adopts before it starts");
    const { clock, output } = this.#parts;
    const spec = this.#renewSpec();
    const child = adoptChild(identity, spec.spares ?? sparesNone, output, clock);
    if (child === undefined) {
      this.start();
      return;
    }
    this.#tell({ kind: "adopted" });
    this.#watch(child, this.#state.generation);
  }

  /** The process says that it is ready. */
  ready(): void {
    this.#tell({ kind: "ready", generation: this.#state.generation });
  }

  heartbeat(pulses: readonly Pulse[]): void {
    this.#tell({ kind: "heartbeat", generation: this.#state.generation, pulses });
  }

  /** Ends it and starts it again; no fault, and no delay. Does nothing in safe mode. */
  restart(reason: string): void {
    this.#parts.logger.info(`${this.#name} is restarted: ${reason}`);
    this.#tell({ kind: "askedToRestart" });
  }

  /** Starts it again after the restart budget was used up; the budget is whole again. */
  release(): void {
    this.#tell({ kind: "released" });
  }

  /** The budget is whole again. */
  forgive(): void {
    this.#tell({ kind: "forgiven" });
  }

  /** SIGTERM (or `ask`), grace, SIGKILL until nothing of it is left. Resolves when that is so, or cannot be reached. */
  async stop(options: { readonly ask?: () => void; readonly graceMs: number }): Promise<void> {
    if (this.#state.isPresent) options.ask?.();
    this.#tell({ kind: "askedToStop", graceMs: options.graceMs, isAsked: options.ask !== undefined });
    await this.#until(() => this.#state.phase.kind === "ended" || this.#state.phase.kind === "held", Infinity);
  }

  /** Resolves when the process now starting is ready, or with the reason why it is not. */
  async untilReady(limitMs: number): Promise<Result<void>> {
    const earlier = this.#fault;
    const isSettled = (): boolean => {
      const { phase } = this.#state;
      const isOnTheWay = phase.kind === "starting" || (phase.kind === "stopping" && phase.then === "restart");
      return !isOnTheWay || this.#fault !== earlier;
    };
    if (!(await this.#until(isSettled, limitMs))) {
      return err(retryable("timed_out", `${this.#name} was not ready after ${limitMs} ms`));
    }
    if (this.#state.phase.kind === "running") return ok(undefined);
    const reason = this.#fault?.reason ?? "it was not started";
    return err(terminal("unavailable", `${this.#name} is not ready: ${reason}`, "Read the end of its log"));
  }

  snapshot(): SupervisedView {
    const { phase, generation, faultsAtMs } = this.#state;
    const nowMs = this.#parts.clock.monotonicMs();
    const withinMs = this.#rules?.budget.withinMs ?? Number.POSITIVE_INFINITY;
    return {
      phase: phase.kind,
      pid: this.identity?.pid ?? null,
      generation,
      phaseMs: nowMs - this.#phaseSinceMs,
      fault: this.#fault,
      recentFaults: faultsAtMs.filter((atMs) => nowMs - atMs < withinMs).length,
    };
  }

  /** Of the process there is, or of which something may be left. */
  get identity(): ProcessIdentity | undefined {
    return this.#state.isPresent ? this.#child?.identity : undefined;
  }

  get #name(): string {
    return this.#spec?.name ?? "the process";
  }

  #renewSpec(): ProcessSpec {
    const spec = this.#parts.spec();
    this.#spec = spec;
    this.#rules = rulesOf(spec.policy, spec.usesHeartbeat, spec.probe !== null);
    return spec;
  }

  /** One event after the other, in order: what an effect brings about at once waits until that step is done. */
  #tell(happening: Happening): void {
    this.#waiting.push(happening);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) this.#step(next);
    } finally {
      this.#isStepping = false;
    }
    this.#setTimer();
    this.#look();
    const { kind } = this.#state.phase;
    if (kind !== this.#toldPhase) {
      this.#toldPhase = kind;
      this.#parts.onChange?.();
    }
    for (const watcher of this.#watchers) watcher();
  }

  #step(happening: Happening): void {
    const { clock, random } = this.#parts;
    if (this.#rules === undefined) this.#renewSpec();
    const rules = this.#knownRules();
    const before = this.#state.phase.kind;
    const { state, effects } = step(
      this.#state,
      { ...happening, nowMs: clock.monotonicMs(), draw: random.next() },
      rules,
    );
    this.#state = state;
    if (state.phase.kind !== before) this.#phaseSinceMs = clock.monotonicMs();
    for (const effect of effects) this.#perform(effect);
  }

  #knownRules(): SupervisionRules {
    return this.#rules ?? rulesOf(this.#renewSpec().policy, false, false);
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "spawn":
        this.#spawn(effect.generation);
        return;
      case "probe":
        void this.#probe(effect.generation);
        return;
      case "terminate":
        if (this.#child !== undefined) askToEnd(this.#child.tree);
        return;
      case "kill":
        void this.#kill(effect.generation);
        return;
      case "record":
        this.#fault = { ...effect.fault, name: this.#name, atMs: this.#parts.clock.nowMs() };
        this.#parts.logger.warn(`${this.#name} failed: ${effect.fault.reason}`, { kind: effect.fault.kind });
        this.#parts.onFault?.(this.#fault);
        return;
      case "hold":
        this.#parts.logger.error(`${this.#name} is not started again: ${effect.fault.reason}`);
        this.#parts.onHeld?.();
        return;
      case "ended":
        return;
    }
  }

  #spawn(generation: number): void {
    const spec = this.#renewSpec();
    const request: ChildRequest = { ...spec, spares: spec.spares ?? sparesNone };
    const mark = `${spec.name}:${Buffer.from(this.#parts.random.bytes(8)).toString("hex")}`;
    const started = startChild(request, mark, this.#parts.output, this.#parts.clock);
    if (!started.ok) {
      this.#tell({ kind: "notStarted", generation, reason: started.error.message });
      return;
    }
    this.#watch(started.value, generation);
    this.#tell({ kind: "spawned", generation });
  }

  #watch(child: SupervisedChild, generation: number): void {
    this.#child = child;
    void child.exited.then((exit) => this.#tell({ kind: "exited", generation, exit }));
    this.#measureLater(child.identity.pid, generation);
  }

  #measureLater(pid: number, generation: number): void {
    this.#measuring?.cancel();
    if (this.#knownRules().memoryLimitBytes === null) return;
    this.#measuring = this.#parts.clock.after(MEMORY_EVERY_MS, () => {
      if (!this.#state.isPresent || this.#state.generation !== generation) return;
      const rssBytes = rssBytesOf(pid);
      if (rssBytes !== undefined) this.#tell({ kind: "measured", generation, rssBytes });
      this.#measureLater(pid, generation);
    });
  }

  async #probe(generation: number): Promise<void> {
    const late = Promise.withResolvers<Result<void>>();
    const timer = this.#parts.clock.after(PROBE_LIMIT_MS, () => {
      late.resolve(err(retryable("timed_out", `it gave no answer within ${PROBE_LIMIT_MS} ms`)));
    });
    const answer = await Promise.race([this.#spec?.probe?.() ?? ok(undefined), late.promise]);
    timer.cancel();
    this.#tell({ kind: "probed", generation, reason: answer.ok ? null : answer.error.message });
  }

  async #kill(generation: number): Promise<void> {
    const child = this.#child;
    if (child === undefined || this.#killing === generation) return;
    this.#killing = generation;
    await killTree(child.tree, this.#parts.clock);
    await child.exited; // Its status is taken: no zombie is left.
    await child.close();
    this.#measuring?.cancel();
    this.#tell({ kind: "gone", generation });
  }

  /** A process that neither beats nor is probed is not looked at: then all its time counts as recent. */
  #look(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return;
    this.#lookedAtMs = nowMs;
    this.#child?.look();
  }

  #setTimer(): void {
    this.#timer?.cancel();
    const due = dueMs(this.#state, this.#knownRules());
    if (due === Infinity) return;
    const { clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    // What is overdue already comes at once, and is late from then on only.
    const nextMs = Math.max(nowMs, Math.min(due, nowMs + TICK_EVERY_MS));
    this.#timer = clock.after(Math.ceil(nextMs - nowMs), () => {
      this.#tell({ kind: "tick", lateMs: Math.max(0, clock.monotonicMs() - nextMs) });
    });
  }

  /** @returns whether the condition came true within the limit; it is looked at after each event. */
  async #until(condition: () => boolean, limitMs: number): Promise<boolean> {
    if (condition()) return true;
    const settled = Promise.withResolvers<boolean>();
    const watcher = (): void => {
      if (condition()) settled.resolve(true);
    };
    this.#watchers.add(watcher);
    const timer = limitMs === Infinity ? undefined : this.#parts.clock.after(limitMs, () => settled.resolve(false));
    const isMet = await settled.promise;
    timer?.cancel();
    this.#watchers.delete(watcher);
    return isMet;
  }
}

const sparesNone = (): boolean => false;
