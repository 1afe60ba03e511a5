/** One deliberate defect of src/watchdog/supervision.ts: `find` stands exactly once in it and is replaced. */
export type Mutation = {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
};

const MACHINE = "supervision.ts";
const POLICY = "policy.ts";

/** Each takes one guard away, or turns one comparison, and must make a property break. A survivor is a hole in them. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: "W1: released from held, it starts beside what is left",
    file: MACHINE,
    find: "return state.isPresent ? same(",
    replace: "return state.generation < 0 ? same(",
  },
  {
    name: "W1: an asked end is over although something is left",
    file: MACHINE,
    find: `      if (state.isPresent) return same({ ...state, phase: { ...phase, then: "end" } });\n`,
    replace: "",
  },
  {
    name: "W2: an exit while it is ended is a fault",
    file: MACHINE,
    find: `  if (phase.kind === "stopping") {
    // What`,
    replace: `  if (phase.kind === "stopping" && phase.then === "backoff") {
    // What`,
  },
  {
    name: "W2: a process that ends is looked at again",
    file: MACHINE,
    find: `  if (state.phase.kind !== "running" && state.phase.kind !== "starting") return same(state);\n`,
    replace: "",
  },
  {
    name: "W3: one restart too many",
    file: MACHINE,
    find: "faultsAtMs.length > rules.budget.restarts",
    replace: "faultsAtMs.length > rules.budget.restarts + 1",
  },
  {
    name: "W3: old faults use up the budget",
    file: MACHINE,
    find: "moment.nowMs - atMs < rules.budget.withinMs",
    replace: "moment.nowMs - atMs < rules.budget.withinMs * 2",
  },
  {
    name: "W3: held ends by itself",
    file: MACHINE,
    find: `    case "idle":
    case "held":
    case "ended":
      return same(state);
  }
}

function probeIfDue(`,
    replace: `    case "held":
      return spawn(state, moment);
    case "idle":
    case "ended":
      return same(state);
  }
}

function probeIfDue(`,
  },
  {
    name: "W4: delays do not begin anew",
    file: MACHINE,
    find: "const failures = wasHealthy ? 1 : state.failures + 1;",
    replace: "const failures = state.failures + 1;",
  },
  {
    name: "W4: readiness alone makes the next fault the first",
    file: MACHINE,
    find: `phase.kind === "running" && uptimeMs >= healthyAfterMs`,
    replace: `phase.kind === "running" && uptimeMs >= 0`,
  },
  { name: "W4: no jitter", file: POLICY, find: "(ceilingMs / 2) * draw", replace: "ceilingMs / 2" },
  { name: "W4: no cap", file: POLICY, find: "Math.min(backoff.maxMs, ", replace: "Math.max(0, " },
  {
    name: "W5: a second request puts the deadline off",
    file: MACHINE,
    find: "Math.min(phase.deadlineMs, killAtMs + killMarginMs(rules))",
    replace: "moment.nowMs + how.graceMs + killMarginMs(rules)",
  },
  {
    name: "W5: nothing is sent SIGKILL after the grace",
    file: MACHINE,
    find: `if (phase.isKilled || nowMs < phase.killAtMs) return same(state);
      return { state: { ...state, phase: { ...phase, isKilled: true } }, effects: [{ kind: "kill", generation }] };`,
    replace: `if (phase.isKilled || nowMs < phase.killAtMs) return same(state);
      return { state: { ...state, phase: { ...phase, isKilled: true } }, effects: [] };`,
  },
  {
    name: "W5: the deadline is not looked at",
    file: MACHINE,
    find: "if (nowMs >= phase.deadlineMs) return",
    replace: "if (nowMs >= phase.deadlineMs + 60_000) return",
  },
  {
    name: "W6: asked to stop while it waits, it starts all the same",
    file: MACHINE,
    find: `    case "idle":
    case "waiting":
      return { state: { ...state, phase: { kind: "ended" } }, effects: [{ kind: "ended", generation }] };`,
    replace: `    case "waiting":
      return same(state);
    case "idle":
      return { state: { ...state, phase: { kind: "ended" } }, effects: [{ kind: "ended", generation }] };`,
  },
  {
    name: "W6: asked to stop while it is ended after a fault, it starts all the same",
    file: MACHINE,
    find: `phase: { ...phase, then: "end", killAtMs, deadlineMs }`,
    replace: `phase: { ...phase, killAtMs, deadlineMs }`,
  },
  {
    name: "W7: news of an earlier generation counts",
    file: MACHINE,
    find: `if ("generation" in event && event.generation !== state.generation) return same(state); // W7`,
    replace: "",
  },
  {
    name: "W8: a start may take for ever",
    file: MACHINE,
    find: "nowMs - phase.sinceMs < rules.startLimitMs",
    replace: "nowMs - phase.sinceMs < rules.startLimitMs * 100",
  },
  {
    name: "W8: silence is no fault",
    file: MACHINE,
    find: "nowMs - phase.beatMs < rules.heartbeatLimitMs)",
    replace: "nowMs - phase.beatMs < rules.heartbeatLimitMs * 100)",
  },
  {
    name: "W8: a stale pulse counts as a heartbeat",
    file: MACHINE,
    find: "ageMs > limitMs",
    replace: "ageMs > limitMs * 100",
  },
  {
    name: "W8: one failed probe too many",
    file: MACHINE,
    find: "failures >= rules.probeFailures",
    replace: "failures > rules.probeFailures",
  },
  {
    name: "W9: a process that starts pays for the watchdog's standstill",
    file: MACHINE,
    find: "      if (stoodMs > 0) return probeIfDue(state, { ...phase, sinceMs: phase.sinceMs + stoodMs }, nowMs, rules);\n",
    replace: "",
  },
  {
    name: "W9: a process that runs pays for the watchdog's standstill",
    file: MACHINE,
    find: "      if (stoodMs > 0) return probeIfDue(state, { ...phase, beatMs: phase.beatMs + stoodMs }, nowMs, rules);\n",
    replace: "",
  },
];
