/** Plays a history against the machine, with a world that knows what really lives, and checks W1…W9 after each event. */
import { deepStrictEqual, ok as holds } from "node:assert/strict";
import type { SupervisionRules } from "../../../src/watchdog/policy.ts";
import { dueMs, step } from "../../../src/watchdog/supervision.ts";
import { type Effect, type Happening, IDLE, type SupervisionState } from "../../../src/watchdog/supervision-state.ts";
import type { Deed, History } from "./histories.ts";

const GRACE_MS = { stopSoon: 10, stopLater: 700 } as const;

export function play(history: History): void {
  const player = new Player(history.rules);
  player.tell({ kind: "start" }, 0.5);
  for (const turn of history.turns) {
    player.wait(turn.whenMs, turn.draw);
    player.act(turn.deed, turn.draw);
  }
}

class Player {
  readonly #rules: SupervisionRules;
  #state: SupervisionState = IDLE;
  #nowMs = 1_000;
  /** The generation that lives, in truth. */
  #living: number | undefined;
  /** Whether that generation's own process lives too, not only what it left. */
  #leads = false;
  #isBeingKilled = false;
  #mayStart = true;
  #askedToEnd = new Set<number>();
  #blamed = new Set<number>();
  #faultsAtMs: number[] = [];
  #failures = 0;
  #readySinceMs: number | undefined;
  #startedAtMs = 0;
  #heardAtMs = 0;
  #failedProbes = 0;
  #nextSpawnFails = false;

  constructor(rules: SupervisionRules) {
    this.#rules = rules;
  }

  /** Time passes, and every tick that falls due comes, in time. */
  wait(byMs: number, draw: number): void {
    const endMs = this.#nowMs + byMs;
    for (let rounds = 0; ; rounds += 1) {
      const due = dueMs(this.#state, this.#rules);
      if (due > endMs) break;
      holds(rounds < 10_000, "ticks do not end: the machine asks for one and does nothing in it");
      this.#nowMs = Math.max(this.#nowMs, due);
      this.tell({ kind: "tick", lateMs: 0 }, draw);
    }
    this.#nowMs = endMs;
    // One more than it asked for, as from a timer that was already on its way.
    this.tell({ kind: "tick", lateMs: 0 }, draw);
  }

  act(deed: Deed, draw: number): void {
    const { generation } = this.#state;
    const reason = "it says so";
    switch (deed) {
      case "start":
        this.tell({ kind: "start" }, draw);
        return;
      case "release":
        this.tell({ kind: "released" }, draw);
        return;
      case "restart":
        this.tell({ kind: "askedToRestart" }, draw);
        return;
      case "stopSoon":
      case "stopLater":
        this.tell({ kind: "askedToStop", graceMs: GRACE_MS[deed], isAsked: draw < 0.5 }, draw);
        return;
      case "spawnFails":
        this.#nextSpawnFails = true;
        return;
      case "staleNews":
        this.#staleNews(draw);
        return;
      case "standStill":
        this.#standStill(draw);
        return;
      case "gone":
        if (this.#living === undefined || !this.#isBeingKilled) return;
        this.#exit(draw);
        this.#living = undefined;
        this.#isBeingKilled = false;
        this.tell({ kind: "gone", generation }, draw);
        return;
      case "exit":
        this.#exit(draw);
        return;
      case "ready":
        if (this.#leads) this.tell({ kind: "ready", generation }, draw);
        return;
      case "heartbeat":
      case "stalePulse": {
        const ageMs = deed === "heartbeat" ? 1 : 11;
        if (this.#leads)
          this.tell({ kind: "heartbeat", generation, pulses: [{ name: "queue", ageMs, limitMs: 10 }] }, draw);
        return;
      }
      case "probePassed":
      case "probeFailed":
        if (this.#living === undefined || !this.#rules.probes) return;
        this.tell({ kind: "probed", generation, reason: deed === "probePassed" ? null : reason }, draw);
        return;
      case "fat":
        if (this.#leads) this.tell({ kind: "measured", generation, rssBytes: 1_001 }, draw);
        return;
    }
  }

  tell(happening: Happening, draw: number): void {
    const before = this.#state;
    const { state, effects } = step(before, { ...happening, nowMs: this.#nowMs, draw }, this.#rules);
    this.#state = state;
    this.#askFor(happening, before);
    for (const effect of effects) this.#check(effect, happening, before);
    this.#note(happening, before);
    this.#checkPhase(happening, before, draw);
    // What an effect brings about at once follows it.
    for (const { kind, ...rest } of effects)
      if (kind === "spawn" && "generation" in rest) this.#spawned(rest.generation, draw);
  }

  #spawned(generation: number, draw: number): void {
    this.#living = generation;
    this.#leads = true;
    this.#isBeingKilled = false;
    if (!this.#nextSpawnFails) {
      this.tell({ kind: "spawned", generation }, draw);
      return;
    }
    this.#nextSpawnFails = false;
    this.#living = undefined;
    this.#leads = false;
    this.tell({ kind: "notStarted", generation, reason: "there is no such program" }, draw);
  }

  #exit(draw: number): void {
    if (!this.#leads) return;
    this.#leads = false;
    const exit = { code: 1, signal: null, outOfMemory: false };
    this.tell({ kind: "exited", generation: this.#state.generation, exit }, draw);
  }

  /** W7 */
  #staleNews(draw: number): void {
    const generation = this.#state.generation - 1;
    const exit = { code: 1, signal: null, outOfMemory: false };
    const news: readonly Happening[] = [
      { kind: "exited", generation, exit },
      { kind: "gone", generation },
      { kind: "ready", generation },
      { kind: "probed", generation, reason: "late" },
      { kind: "measured", generation, rssBytes: 2_000 },
    ];
    for (const happening of news) {
      const next = step(this.#state, { ...happening, nowMs: this.#nowMs, draw }, this.#rules);
      deepStrictEqual(next, { state: this.#state, effects: [] }, "W7: news of an earlier generation changed something");
    }
  }

  /** W9: the watchdog stood still until long after a tick was due. */
  #standStill(draw: number): void {
    const due = dueMs(this.#state, this.#rules);
    const { kind } = this.#state.phase;
    if (due === Infinity || (kind !== "starting" && kind !== "running")) return;
    const stoodMs = 5_000;
    this.#nowMs = due + stoodMs;
    this.#heardAtMs += stoodMs;
    if (kind === "starting") this.#startedAtMs += stoodMs;
    this.tell({ kind: "tick", lateMs: stoodMs }, draw);
    holds(this.#state.phase.kind === kind, "W9: time in which the watchdog stood still was held against the process");
  }

  /** What is asked for counts before what it brings about. */
  #askFor(happening: Happening, before: SupervisionState): void {
    if (happening.kind === "start") this.#mayStart = true;
    if (happening.kind === "askedToStop") this.#mayStart = false;
    const wasAlive = before.phase.kind === "starting" || before.phase.kind === "running";
    if (wasAlive && (happening.kind === "askedToStop" || happening.kind === "askedToRestart")) {
      this.#askedToEnd.add(before.generation);
    }
    const isFresh =
      (happening.kind === "start" && ["idle", "ended", "held"].includes(before.phase.kind)) ||
      (happening.kind === "start" && before.phase.kind === "stopping" && before.phase.then === "end") ||
      (happening.kind === "released" && before.phase.kind === "held" && before.phase.then !== "end");
    if (isFresh) {
      this.#faultsAtMs = [];
      this.#failures = 0;
    }
  }

  #check(effect: Effect, happening: Happening, before: SupervisionState): void {
    switch (effect.kind) {
      case "spawn":
        holds(this.#living === undefined, "W1: started although something of the one before is left");
        holds(this.#mayStart, "W6: started although it was asked to stop");
        if (before.phase.kind === "waiting" && happening.kind === "tick") {
          holds(this.#nowMs >= before.phase.untilMs, "W4: started before its delay was over");
        }
        return;
      case "record":
        this.#checkFault(effect.fault.kind === "unkillable", effect.fault.generation, before);
        return;
      case "kill":
        holds(this.#living !== undefined, "a kill needs something that lives");
        this.#isBeingKilled = true;
        return;
      case "ended":
        holds(this.#living === undefined, "W1: said to have ended although something is left");
        return;
      case "terminate":
      case "probe":
        holds(this.#leads, "only a living process is signalled or probed");
        return;
      case "hold":
        return;
    }
  }

  #checkFault(isUnkillable: boolean, generation: number, before: SupervisionState): void {
    this.#faultsAtMs.push(this.#nowMs);
    if (isUnkillable) {
      holds(this.#isBeingKilled && this.#living !== undefined, "W5: given up without SIGKILL");
      return;
    }
    holds(!this.#blamed.has(generation), "W2: a second fault of one generation");
    holds(!this.#askedToEnd.has(generation), "W2: a fault of one that was asked to end");
    this.#blamed.add(generation);
    const uptimeMs = before.phase.kind === "running" ? this.#nowMs - (this.#readySinceMs ?? this.#nowMs) : -1;
    this.#failures = uptimeMs >= this.#rules.backoff.healthyAfterMs ? 1 : this.#failures + 1;
  }

  #note(happening: Happening, before: SupervisionState): void {
    const { phase } = this.#state;
    if (phase.kind === "running" && before.phase.kind !== "running") {
      this.#readySinceMs = this.#nowMs;
      this.#heardAtMs = this.#nowMs;
      this.#failedProbes = 0;
    }
    if (phase.kind === "starting" && before.phase.kind !== "starting") this.#startedAtMs = this.#nowMs;
    if (happening.kind === "heartbeat") this.#heardAtMs = this.#nowMs;
    if (happening.kind === "probed" && before.phase.kind === "running") {
      this.#failedProbes = happening.reason === null ? 0 : this.#failedProbes + 1;
    }
  }

  #checkPhase(happening: Happening, before: SupervisionState, draw: number): void {
    const { phase } = this.#state;
    const { budget, backoff, heartbeatLimitMs, startLimitMs, probeFailures } = this.#rules;
    if (happening.kind === "tick" && happening.lateMs === 0) {
      holds(phase.kind !== "starting" || this.#nowMs - this.#startedAtMs < startLimitMs, "W8: not ready, and no fault");
      const isSilent = heartbeatLimitMs !== null && this.#nowMs - this.#heardAtMs >= heartbeatLimitMs;
      holds(phase.kind !== "running" || !isSilent, "W8: silent, and no fault");
      holds(phase.kind !== "stopping" || this.#nowMs < phase.deadlineMs, "W5: the deadline of an end passed");
      const isKillDue = before.phase.kind === "stopping" && this.#nowMs >= before.phase.killAtMs;
      holds(!isKillDue || this.#isBeingKilled, "W5: the grace is over, and nothing was sent SIGKILL");
    }
    if (happening.kind === "exited") {
      holds(phase.kind !== "stopping" || this.#isBeingKilled, "what an ended process left behind is waited for");
    }
    const isStale = happening.kind === "heartbeat" && happening.pulses.some(({ ageMs, limitMs }) => ageMs > limitMs);
    holds(phase.kind !== "running" || (!isStale && this.#failedProbes < probeFailures), "W8: hung, and no fault");
    if (phase.kind === "stopping" && before.phase.kind === "stopping") {
      holds(phase.deadlineMs <= before.phase.deadlineMs, "W5: the deadline of an end was put off");
      holds(!before.phase.isKilled || phase.isKilled, "W5: a kill is not taken back");
    }
    if (phase.kind === "stopping" && before.phase.kind !== "stopping") {
      holds(phase.deadlineMs <= this.#nowMs + 700 + this.#rules.killLimitMs, "W5: an end without a deadline");
      holds(phase.killAtMs < phase.deadlineMs, "W5: no time between SIGKILL and the deadline");
    }
    const recent = this.#faultsAtMs.filter((atMs) => this.#nowMs - atMs < budget.withinMs).length;
    if (phase.kind === "waiting" && before.phase.kind !== "waiting") {
      holds(recent <= budget.restarts, "W3: a restart beyond the budget");
      const ceilingMs = Math.min(backoff.maxMs, backoff.firstMs * 2 ** (this.#failures - 1));
      const expectedMs = Math.round(ceilingMs / 2 + (ceilingMs / 2) * draw);
      deepStrictEqual(phase.untilMs - this.#nowMs, expectedMs, "W4: another delay");
    }
    if (phase.kind === "held" && phase.then === null && before.phase.kind !== "held") {
      holds(recent > budget.restarts, "W3: held although the budget is not used up");
    }
    if (before.phase.kind === "held" && phase.kind !== "held") {
      const isAnswered = ["released", "start", "askedToStop", "gone"].includes(happening.kind);
      holds(isAnswered, `W3: left held because of ${happening.kind}`);
      holds(happening.kind !== "gone" || before.phase.then !== null, "W3: left held by itself");
    }
  }
}
