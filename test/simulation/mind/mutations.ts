import { HOLD_MUTATIONS } from "./hold-mutations.ts";
import type { Mutation } from "./mutation.ts";

const STEP = "step.ts";
const TABLE = "transitions.ts";
const POLICY = "healing-policy.ts";
const JOURNAL = "journal.ts";
const EFFECTS = "effects.ts";

/** Each takes one guard away, or turns one comparison, and must make a law break. A survivor is a hole in them. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: "FSM1: whoever contemplates goes on improving",
    file: TABLE,
    find: `{ from: "contemplating", to: "resting", when: ["activityDone"] }`,
    replace: `{ from: "contemplating", to: "improving", when: ["activityDone"] }`,
  },
  {
    name: "FSM1: ready work does not end improving",
    file: TABLE,
    find: `  { from: "improving", to: "executing", when: ["workReady"] },\n`,
    replace: "",
  },
  {
    name: "FSM1: proposals need no end of the scan",
    file: TABLE,
    find: `when: ["proposalDue", "activityDone"]`,
    replace: `when: ["proposalDue"]`,
  },
  {
    name: "FSM1: executing goes on with attempts left alone",
    file: TABLE,
    find: "return facts.readyGoals + facts.readyTasks + facts.runningAttempts === 0;",
    replace: "return facts.readyGoals + facts.readyTasks === 0;",
  },
  {
    name: "FSM1: a wake-up is not heard",
    file: TABLE,
    find: "const isDue = wakeEvents > 0 || isLongAgo(",
    replace: "const isDue = isLongAgo(",
  },
  {
    name: "FSM1: a spent budget ends nothing",
    file: TABLE,
    find: "facts.budgetLeftPercent[state] <= 0 ?",
    replace: "facts.budgetLeftPercent[state] < 0 ?",
  },
  {
    name: "FSM1: any budget lets a state begin",
    file: TABLE,
    find: "facts.budgetLeftPercent[state] >= rules.settings.pace.budgetPercent",
    replace: "facts.budgetLeftPercent[state] >= 0",
  },
  {
    name: "FSM1: forced into the state it is in",
    file: STEP,
    find: "      if (mind.state === event.to) return refusal(mind, `is ${event.to} already`);\n",
    replace: "",
  },
  {
    name: "FSM2: contemplating has no deadline",
    file: TABLE,
    find: `  { from: "contemplating", to: "resting", when: ["deadline"] },\n`,
    replace: "",
  },
  {
    name: "FSM2: deadlines come late",
    file: TABLE,
    find: "deadlineMs !== null && nowMs >= deadlineMs",
    replace: "deadlineMs !== null && nowMs > deadlineMs",
  },
  {
    name: "FSM2: a forced state has no deadline",
    file: STEP,
    find: `deadlineMs: to === "resting" ? null`,
    replace: `deadlineMs: to === "resting" || cause === "forced" ? null`,
  },
  {
    name: "FSM2: who stood still gets more than the gap",
    file: STEP,
    find: "const missedMs = Math.min(event.missedMs, moment.nowMs - mind.atMs);",
    replace: "const missedMs = 2 * event.missedMs;",
  },
  {
    name: "FSM2: the activity of a state that ends goes on",
    file: EFFECTS,
    find: `if (from !== "resting") effects.push({ kind: "end", state: from });`,
    replace: `if (from !== "resting" && to === "resting") effects.push({ kind: "end", state: from });`,
  },
  {
    name: "FSM3: a window may be full of healing",
    file: POLICY,
    find: "  if (healedMs(mind, nowMs - healing.windowMs) + deadlineMs.healing > shareMs(healing)) return null;\n",
    replace: "",
  },
  {
    name: "FSM3: the episode that begins does not count",
    file: POLICY,
    find: "healedMs(mind, nowMs - healing.windowMs) + deadlineMs.healing >",
    replace: "healedMs(mind, nowMs - healing.windowMs) >",
  },
  {
    name: "FSM3: one episode too many",
    file: POLICY,
    find: "recent.length >= healing.episodes",
    replace: "recent.length > healing.episodes",
  },
  {
    name: "FSM3: healing begins again at once",
    file: POLICY,
    find: "if (nowMs < mind.healAgainMs || moment",
    replace: "if (moment",
  },
  {
    name: "FSM3: rests do not grow",
    file: POLICY,
    find: "firstMs * 2 ** recent.length",
    replace: "firstMs",
  },
  {
    name: "FSM3: no rest after healing that did not help",
    file: TABLE,
    find: "  if (nowMs < mind.restUntilMs) return false;\n",
    replace: "",
  },
  {
    name: "FSM3: one fruitless episode too many before the hold",
    file: POLICY,
    find: "fruitless < healing.fruitless && !isLastTry",
    replace: "fruitless <= healing.fruitless && !isLastTry",
  },
  {
    name: "FSM3: an overdue episode helped",
    file: POLICY,
    find: `["exhausted", "overdue"]`,
    replace: `["exhausted"]`,
  },
  {
    name: "FSM3: a hold is tried again and again",
    file: POLICY,
    find: "const retryAtMs = isLastTry ? null :",
    replace: "const retryAtMs = fruitless === 0 ? null :",
  },
  {
    name: "FSM3: a hold is never tried again",
    file: STEP,
    find: "hold.retryAtMs !== null && nowMs >= hold.retryAtMs",
    replace: "hold.retryAtMs !== null && nowMs < 0",
  },
  {
    name: "FSM3: a hold asks nobody after a crash",
    file: EFFECTS,
    find: "  if (hold !== null) effects.push(...asking(hold.reason, hold.retryAtMs));\n  return effects;",
    replace: "  return effects;",
  },
  {
    name: "FSM3: overdue healing is a warning",
    file: EFFECTS,
    find: `from === "healing" ? "critical" : "warning"`,
    replace: `from === "improving" ? "critical" : "warning"`,
  },
  {
    name: "FSM4: no dwell time",
    file: TABLE,
    find: "keptMs < leastMs(from, to, rules.settings)",
    replace: "keptMs < 0",
  },
  {
    name: "FSM4: a fault need not wait for the dwell time",
    file: TABLE,
    find: `return isForLater && to === "healing" ? Math.min(dwellMs[from], dwellMs.resting) : dwellMs[from];`,
    replace: `return to === "healing" ? 0 : isForLater ? dwellMs[from] : dwellMs[from];`,
  },
  {
    name: "FSM4: a fault interrupts what is done for later at once",
    file: TABLE,
    find: "? Math.min(dwellMs[from], dwellMs.resting) :",
    replace: "? 0 :",
  },
  {
    name: "FSM4: a fault does not interrupt what is done for later",
    file: TABLE,
    find: "? Math.min(dwellMs[from], dwellMs.resting) :",
    replace: "? dwellMs[from] :",
  },
  {
    name: "FSM4: a fault interrupts work before its time, too",
    file: TABLE,
    find: `const isForLater = from === "improving" ||`,
    replace: `const isForLater = from === "executing" || from === "improving" ||`,
  },
  {
    name: "FSM4: one threshold for both, the lower",
    file: POLICY,
    find: `return bound === "enterAt" ? level >= settings.enterAt[kind]`,
    replace: `return bound === "enterAt" ? level > settings.leaveAt[kind]`,
  },
  {
    name: "FSM4: one threshold for both, the upper",
    file: TABLE,
    find: `plan(mind, moment, "leaveAt", mind.deadlineMs ?? moment.nowMs)`,
    replace: `plan(mind, moment, "enterAt", mind.deadlineMs ?? moment.nowMs)`,
  },
  {
    name: "FSM5: entries are not counted",
    file: JOURNAL,
    find: "[to]: entries[to] + 1",
    replace: "[to]: entries[to]",
  },
  {
    name: "FSM5: one entry too many",
    file: TABLE,
    find: "mind.period.entries[to] < entriesPerPeriod[to]",
    replace: "mind.period.entries[to] <= entriesPerPeriod[to]",
  },
  {
    name: "FSM5: each change begins a new period",
    file: STEP,
    find: "periodSinceMs: nowMs - mind.period.sinceMs >= pace.periodMs ? nowMs",
    replace: "periodSinceMs: nowMs - mind.period.sinceMs >= 0 && pace.periodMs > 0 ? nowMs",
  },
  {
    name: "FSM6: a pause writes no move to rest",
    file: STEP,
    find: `  if (mind.state !== "resting") pen.write(change(mind, "resting", "paused", reason, moment), event.by);\n`,
    replace: "",
  },
  {
    name: "FSM6: a pause is written before the move to rest",
    file: STEP,
    find: `  if (mind.state !== "resting") pen.write(change(mind, "resting", "paused", reason, moment), event.by);
  pen.write({ kind: "paused", reason, untilMs: event.forMs === null ? null : moment.nowMs + event.forMs }, event.by);`,
    replace: `  pen.write({ kind: "paused", reason, untilMs: event.forMs === null ? null : moment.nowMs + event.forMs }, event.by);
  if (mind.state !== "resting") pen.write(change(mind, "resting", "paused", reason, moment), event.by);`,
  },
  {
    name: "FSM6: a retry is not written as one",
    file: "journal-text.ts",
    find: "released: record({ isRetry: flag }),",
    replace: "released: record({ isRetry: (_value, _at) => ok(false) }),",
  },
  {
    name: "FSM6: when a hold was tried again is not kept",
    file: JOURNAL,
    find: "? { ...next, hold: null, retriedAtMs: entry.atMs }",
    replace: "? { ...next, hold: null }",
  },
  {
    name: "FSM7: healthy attempts are interrupted",
    file: POLICY,
    find: "  if (mayInterrupt && fault.healthyAttempts > 0) return false;\n",
    replace: "",
  },
  {
    name: "FSM7: what may interrupt does not say so",
    file: STEP,
    find: "onlyIfIdle: remediation.mayInterrupt,",
    replace: "onlyIfIdle: remediation.mayInterrupt && remediation.costs,",
  },
  {
    name: "FSM8: one attempt too many",
    file: POLICY,
    find: "past.length >= remediation.attempts",
    replace: "past.length > remediation.attempts",
  },
  {
    name: "FSM8: no cool-down",
    file: POLICY,
    find: "endedMs + coolDownMs * 2 ** (past.length - 1)",
    replace: "endedMs",
  },
  {
    name: "FSM8: cool-downs do not grow",
    file: POLICY,
    find: "endedMs + coolDownMs * 2 ** (past.length - 1)",
    replace: "endedMs + coolDownMs",
  },
  {
    name: "FSM8: a fault that is treated is treated again",
    file: POLICY,
    find: `  if (mind.treatments.some(isTreated)) return "wait";\n`,
    replace: "  mind.treatments.some(isTreated);\n",
  },
  {
    name: "FSM8: more remediations at once than allowed",
    file: POLICY,
    find: "underWay(mind) >= moment.rules.settings.healing.atOnce",
    replace: "underWay(mind) > moment.rules.settings.healing.atOnce",
  },
  {
    name: "FSM8: judged before its time",
    file: POLICY,
    find: "  if (nowMs < untilMs) return null;\n",
    replace: "",
  },
  {
    name: "FSM8: never judged",
    file: STEP,
    find: "treatment.verdict === null ? judge(treatment, moment) : null",
    replace: `treatment.verdict === "helped" ? judge(treatment, moment) : null`,
  },
  {
    name: "FSM8: treatments are forgotten too soon",
    file: POLICY,
    find: "if (verdict === null || startedMs > beforeMs) return false;",
    replace: "if (verdict === null) return false;",
  },
  {
    name: "FSM8: what this fleet lacks is used",
    file: POLICY,
    find: "  if (needs !== null && !facts.means.includes(needs)) return false;\n",
    replace: "",
  },
  {
    name: "FSM8: what costs needs no budget",
    file: POLICY,
    find: "return !costs || facts.budgetLeftPercent.healing > 0;",
    replace: "return !costs || facts.budgetLeftPercent.healing >= 0;",
  },
  {
    name: "FSM8: treatments begin when the episode is over",
    file: STEP,
    find: `  else if (pen.mind.state === "healing") treat(pen, moment);`,
    replace: `  else if (pen.mind.state !== "resting") treat(pen, moment);`,
  },
  {
    name: "FSM9: paused it goes on",
    file: STEP,
    find: `{ kind: "resumed" }, BY_ITSELF);\n    return; // FSM9`,
    replace: `{ kind: "resumed" }, BY_ITSELF);`,
  },
  {
    name: "FSM9: on hold it goes on",
    file: STEP,
    find: "BY_ITSELF);\n    return; // FSM9\n  }\n  const move",
    replace: "BY_ITSELF);\n  }\n  const move",
  },
  {
    name: "FSM9: a pause has no end",
    file: STEP,
    find: "pause.untilMs !== null && nowMs >= pause.untilMs",
    replace: "pause.untilMs !== null && nowMs < 0",
  },
  {
    name: "FSM9: paused it is forced",
    file: STEP,
    find: `      if (mind.pause !== null) return refusal(mind, "is paused", "Resume it first");\n`,
    replace: "",
  },
  {
    name: "FSM10: time goes back",
    file: STEP,
    find: "nowMs: Math.max(nowMs, mind.atMs)",
    replace: "nowMs",
  },
  ...HOLD_MUTATIONS,
];
