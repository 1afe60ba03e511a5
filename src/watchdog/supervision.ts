/**
 * The life of one supervised process, as a machine without effects.
 *
 * W1  One process at a time: a start follows only when nothing of the one before is left.
 * W2  A generation has one fault at most, the first; an end that was asked for is none. Beside it stands only
 *     `unkillable`, which is about what is left of it.
 * W3  At most `budget.restarts` faults within `budget.withinMs`, and since the last was forgiven, are answered with a
 *     restart. The next one is answered with `held`, which only a person (or who acts for one) ends: it never loops. So
 *     is the first fault of a process that says itself that another start would be in vain.
 * W4  After a fault the next start waits for a delay that doubles per fault up to its cap, jitter included, and begins
 *     anew only when the process had been ready for `healthyAfterMs`.
 * W5  An end has one deadline, set when it begins and never put off: SIGKILL comes before it, and with it comes
 *     `gone`, or else the fault `unkillable`.
 * W6  Once asked to stop, it starts nothing until it is asked to start.
 * W7  News of an earlier generation changes nothing.
 * W8  Silence is a fault: not ready in time, no heartbeat, a stale pulse, probes that fail in a row.
 * W9  Time in which the watchdog itself stood still is not held against the process, which is probed all the same: else
 *     nobody would look at it again on a machine where every timer is late.
 */
import { type Exit, exitFault, type Fault, type FaultKind, type Pulse } from "./fault.ts";
import { restartDelayMs, type SupervisionRules } from "./policy.ts";
import type {
  After,
  Effect,
  Moment,
  Phase,
  Probing,
  Step,
  SupervisionEvent,
  SupervisionState,
} from "./supervision-state.ts";

/** How often a process that starts is asked whether it is ready: a restart is waited for. */
const START_PROBE_MS = 200;
/** A timer later than this says that the watchdog stood still; a loaded machine is late by tens of milliseconds. */
const STOOD_STILL_MS = 250;

export function step(state: SupervisionState, event: SupervisionEvent, rules: SupervisionRules): Step {
  if ("generation" in event && event.generation !== state.generation) return same(state); // W7
  switch (event.kind) {
    case "start":
      return start(state, event);
    case "released":
      return state.phase.kind === "held" && state.phase.then !== "end" ? start(state, event) : same(state); // W6
    case "forgiven":
      return same({ ...state, faultsAtMs: [] });
    case "adopted":
      return state.phase.kind === "idle"
        ? running({ ...born(state, event), isPresent: true }, event, rules)
        : same(state);
    case "spawned":
      return state.phase.kind === "starting" && rules.readyBy === "start" ? running(state, event, rules) : same(state);
    case "ready":
      return state.phase.kind === "starting" ? running(state, event, rules) : same(state);
    case "notStarted": {
      const failed = blamed({ ...state, isPresent: false }, event, "notStarted", event.reason);
      const next = follow(failed.state, event, rules, state.phase.kind === "stopping" ? state.phase.then : "backoff");
      return { state: next.state, effects: [...failed.effects, ...next.effects] };
    }
    case "heartbeat":
      return heard(state, event, event.pulses, rules);
    case "probed":
      return probed(state, event, event.reason, rules);
    case "measured":
      return measured(state, event, event.rssBytes, rules);
    case "exited":
      return exited(state, event, event.exit, rules);
    case "gone":
      return gone(state, event, rules);
    case "tick":
      return tick(state, event, event.lateMs, rules);
    case "askedToStop":
      return stop(state, event, event, rules);
    case "askedToRestart":
      return restart(state, event, rules);
  }
}

/** When a tick is due next; Infinity when nothing runs out. */
export function dueMs(state: SupervisionState, rules: SupervisionRules): number {
  const { phase } = state;
  switch (phase.kind) {
    case "idle":
    case "held":
    case "ended":
      return Infinity;
    case "starting":
      return Math.min(phase.sinceMs + rules.startLimitMs, probeDueMs(phase.probing, rules));
    case "running":
      return Math.min(phase.beatMs + (rules.heartbeatLimitMs ?? Infinity), probeDueMs(phase.probing, rules));
    case "stopping":
      return phase.isKilled ? phase.deadlineMs : phase.killAtMs;
    case "waiting":
      return phase.untilMs;
  }
}

function probeDueMs(probing: Probing, rules: SupervisionRules): number {
  return rules.probes && probing.dueMs !== null ? probing.dueMs : Infinity;
}

function same(state: SupervisionState): Step {
  return { state, effects: [] };
}

function start(state: SupervisionState, moment: Moment): Step {
  const { phase } = state;
  const fresh = { ...state, failures: 0, faultsAtMs: [] };
  switch (phase.kind) {
    case "idle":
    case "ended":
      return spawn(fresh, moment);
    case "held":
      // W1: with something left of it, the start waits for `gone`.
      return state.isPresent ? same({ ...fresh, phase: { ...phase, then: "restart" } }) : spawn(fresh, moment);
    case "stopping":
      return same(phase.then === "end" ? { ...fresh, phase: { ...phase, then: "restart" } } : state);
    case "starting":
    case "running":
    case "waiting":
      return same(state);
  }
}

function born(state: SupervisionState, { nowMs }: Moment): SupervisionState {
  const probing = { dueMs: nowMs, failures: 0 };
  return { ...state, generation: state.generation + 1, phase: { kind: "starting", sinceMs: nowMs, probing } };
}

function spawn(state: SupervisionState, moment: Moment): Step {
  const next = { ...born(state, moment), isPresent: true };
  return { state: next, effects: [{ kind: "spawn", generation: next.generation }] };
}

function running(state: SupervisionState, { nowMs }: Moment, rules: SupervisionRules): Step {
  const probing = { dueMs: nowMs + rules.probeEveryMs, failures: 0 };
  return same({ ...state, phase: { kind: "running", sinceMs: nowMs, beatMs: nowMs, probing } });
}

function heard(state: SupervisionState, moment: Moment, pulses: readonly Pulse[], rules: SupervisionRules): Step {
  const { phase } = state;
  if (phase.kind !== "running") return same(state);
  const stale = pulses.find(({ ageMs, limitMs }) => ageMs > limitMs);
  if (stale === undefined) return same({ ...state, phase: { ...phase, beatMs: moment.nowMs } });
  const reason = `its ${stale.name} has stood still for ${stale.ageMs} ms, ${stale.limitMs} are allowed`;
  return fail(state, moment, rules, "pulse", reason);
}

function probed(state: SupervisionState, moment: Moment, reason: string | null, rules: SupervisionRules): Step {
  const { phase } = state;
  if (phase.kind === "starting") {
    if (reason === null && rules.readyBy === "probe") return running(state, moment, rules);
    const probing = { dueMs: moment.nowMs + Math.min(START_PROBE_MS, rules.probeEveryMs), failures: 0 };
    return same({ ...state, phase: { ...phase, probing } });
  }
  if (phase.kind !== "running") return same(state);
  const failures = reason === null ? 0 : phase.probing.failures + 1;
  if (reason !== null && failures >= rules.probeFailures) {
    return fail(state, moment, rules, "probe", `${failures} probes failed, the last one because ${reason}`);
  }
  return same({ ...state, phase: { ...phase, probing: { dueMs: moment.nowMs + rules.probeEveryMs, failures } } });
}

function measured(state: SupervisionState, moment: Moment, rssBytes: number, rules: SupervisionRules): Step {
  const limit = rules.memoryLimitBytes;
  if (limit === null || rssBytes <= limit) return same(state);
  if (state.phase.kind !== "running" && state.phase.kind !== "starting") return same(state);
  return fail(state, moment, rules, "memory", `it uses ${rssBytes} bytes of memory, ${limit} are allowed`);
}

function exited(state: SupervisionState, moment: Moment, exit: Exit, rules: SupervisionRules): Step {
  const { phase, generation } = state;
  if (phase.kind === "stopping") {
    // What it leaves behind is not waited for.
    return phase.isKilled
      ? same(state)
      : { state: { ...state, phase: { ...phase, isKilled: true } }, effects: [{ kind: "kill", generation }] };
  }
  if (phase.kind !== "starting" && phase.kind !== "running") return same(state);
  const { kind, reason } = exitFault(exit);
  return fail(state, moment, rules, kind, reason);
}

function gone(state: SupervisionState, moment: Moment, rules: SupervisionRules): Step {
  const { phase } = state;
  const empty = { ...state, isPresent: false };
  if (phase.kind === "stopping") return follow(empty, moment, rules, phase.then);
  if (phase.kind === "held") return phase.then === null ? same(empty) : follow(empty, moment, rules, phase.then);
  return same(state);
}

function tick(state: SupervisionState, moment: Moment, lateMs: number, rules: SupervisionRules): Step {
  const { phase, generation } = state;
  const { nowMs } = moment;
  const stoodMs = lateMs > STOOD_STILL_MS ? lateMs : 0; // W9
  switch (phase.kind) {
    case "starting":
      if (stoodMs > 0) return probeIfDue(state, { ...phase, sinceMs: phase.sinceMs + stoodMs }, nowMs, rules);
      if (nowMs - phase.sinceMs < rules.startLimitMs) return probeIfDue(state, phase, nowMs, rules);
      return fail(state, moment, rules, "notReady", `it was not ready after ${rules.startLimitMs} ms`); // W8
    case "running":
      if (stoodMs > 0) return probeIfDue(state, { ...phase, beatMs: phase.beatMs + stoodMs }, nowMs, rules);
      if (rules.heartbeatLimitMs === null || nowMs - phase.beatMs < rules.heartbeatLimitMs) {
        return probeIfDue(state, phase, nowMs, rules);
      }
      return fail(state, moment, rules, "heartbeat", `it sent no heartbeat for ${rules.heartbeatLimitMs} ms`); // W8
    case "stopping":
      if (nowMs >= phase.deadlineMs) return overdue(state, moment, phase.then);
      if (phase.isKilled || nowMs < phase.killAtMs) return same(state);
      return { state: { ...state, phase: { ...phase, isKilled: true } }, effects: [{ kind: "kill", generation }] };
    case "waiting":
      return nowMs < phase.untilMs ? same(state) : spawn(state, moment);
    case "idle":
    case "held":
    case "ended":
      return same(state);
  }
}

function probeIfDue(
  state: SupervisionState,
  phase: Extract<Phase, { kind: "starting" | "running" }>,
  nowMs: number,
  rules: SupervisionRules,
): Step {
  if (probeDueMs(phase.probing, rules) > nowMs) return same({ ...state, phase });
  const next = { ...state, phase: { ...phase, probing: { ...phase.probing, dueMs: null } } };
  return { state: next, effects: [{ kind: "probe", generation: state.generation }] };
}

/** W5: it has had its time. With something of it left nothing is started; if that ends after all, it goes on. */
function overdue(state: SupervisionState, moment: Moment, then: After): Step {
  const reason = "something of it is left although it was sent SIGKILL";
  const fault: Fault = { kind: "unkillable", reason, generation: state.generation, uptimeMs: 0 };
  const next: SupervisionState = { ...state, phase: { kind: "held", then }, fault };
  const { generation } = state;
  // Also here: until now its end may have been only asked for.
  const effects: readonly Effect[] = [
    { kind: "kill", generation },
    { kind: "record", fault },
    { kind: "hold", fault },
  ];
  return { state: { ...next, faultsAtMs: [...state.faultsAtMs, moment.nowMs] }, effects };
}

function stop(
  state: SupervisionState,
  moment: Moment,
  how: { readonly graceMs: number; readonly isAsked: boolean },
  rules: SupervisionRules,
): Step {
  const { phase, generation } = state;
  switch (phase.kind) {
    case "starting":
    case "running":
      return end(state, moment, rules, { then: "end", graceMs: how.graceMs, signal: how.isAsked ? null : "terminate" });
    case "stopping": {
      const killAtMs = Math.min(phase.killAtMs, moment.nowMs + how.graceMs);
      const deadlineMs = Math.min(phase.deadlineMs, killAtMs + killMarginMs(rules));
      return same({ ...state, phase: { ...phase, then: "end", killAtMs, deadlineMs } });
    }
    case "held":
      if (state.isPresent) return same({ ...state, phase: { ...phase, then: "end" } });
      return { state: { ...state, phase: { kind: "ended" } }, effects: [{ kind: "ended", generation }] };
    case "idle":
    case "waiting":
      return { state: { ...state, phase: { kind: "ended" } }, effects: [{ kind: "ended", generation }] };
    case "ended":
      return same(state);
  }
}

function restart(state: SupervisionState, moment: Moment, rules: SupervisionRules): Step {
  const { phase } = state;
  if (phase.kind === "waiting") return spawn(state, moment);
  if (phase.kind !== "starting" && phase.kind !== "running") return same(state);
  return end(state, moment, rules, { then: "restart", graceMs: rules.termGraceMs, signal: "terminate" });
}

function killMarginMs(rules: SupervisionRules): number {
  return Math.max(0, rules.killLimitMs - rules.termGraceMs);
}

function end(
  state: SupervisionState,
  { nowMs }: Moment,
  rules: SupervisionRules,
  how: { readonly then: After; readonly graceMs: number; readonly signal: "terminate" | "kill" | null },
): Step {
  const isKilled = how.signal === "kill";
  const killAtMs = isKilled ? nowMs : nowMs + how.graceMs;
  const deadlineMs = killAtMs + killMarginMs(rules);
  return {
    state: { ...state, phase: { kind: "stopping", then: how.then, killAtMs, deadlineMs, isKilled } },
    effects: how.signal === null ? [] : [{ kind: how.signal, generation: state.generation }],
  };
}

/** Records the fault, and counts it as the first one when a healthy window lies before it (W4). */
function blamed(
  state: SupervisionState,
  moment: Moment,
  kind: FaultKind,
  reason: string,
  healthyAfterMs = Infinity,
): Step {
  const { phase, generation } = state;
  const uptimeMs = phase.kind === "starting" || phase.kind === "running" ? moment.nowMs - phase.sinceMs : 0;
  const wasHealthy = phase.kind === "running" && uptimeMs >= healthyAfterMs;
  const fault: Fault = { kind, reason, generation, uptimeMs };
  const failures = wasHealthy ? 1 : state.failures + 1;
  return {
    state: { ...state, fault, failures, faultsAtMs: [...state.faultsAtMs, moment.nowMs] },
    effects: [{ kind: "record", fault }],
  };
}

/** What has ended or stands still gets no grace: a stuck loop hears no signal, and somebody waits for the next start. */
const WITHOUT_GRACE: readonly FaultKind[] = [
  "exit",
  "signal",
  "killed",
  "outOfMemory",
  "unknown",
  "heartbeat",
  "refused",
];

function fail(state: SupervisionState, moment: Moment, rules: SupervisionRules, kind: FaultKind, reason: string): Step {
  const failed = blamed(state, moment, kind, reason, rules.backoff.healthyAfterMs);
  const signal = WITHOUT_GRACE.includes(kind) ? "kill" : "terminate";
  const ending = end(failed.state, moment, rules, { then: "backoff", graceMs: rules.termGraceMs, signal });
  return { state: ending.state, effects: [...failed.effects, ...ending.effects] };
}

/** Nothing of the process is left. */
function follow(state: SupervisionState, moment: Moment, rules: SupervisionRules, then: After): Step {
  const { generation, fault } = state;
  if (then === "end")
    return { state: { ...state, phase: { kind: "ended" } }, effects: [{ kind: "ended", generation }] };
  if (then === "restart") return spawn(state, moment);
  const faultsAtMs = state.faultsAtMs.filter((atMs) => moment.nowMs - atMs < rules.budget.withinMs);
  if (fault !== null && (faultsAtMs.length > rules.budget.restarts || fault.kind === "refused")) {
    return { state: { ...state, faultsAtMs, phase: { kind: "held", then: null } }, effects: [{ kind: "hold", fault }] }; // W3
  }
  const untilMs = moment.nowMs + restartDelayMs(Math.max(1, state.failures), rules.backoff, moment.draw);
  return same({ ...state, faultsAtMs, phase: { kind: "waiting", untilMs } });
}
