/** The table of the mind: from which state to which, and what must hold. The diagram in the documents is made from it. */
import { type Moment, mayBeginHealing, plan } from "./healing-policy.ts";
import type { ActiveState, Cause, FsmState, Mind } from "./mind.ts";
import { levelText } from "./quantity.ts";
import type { FsmSettings } from "./settings.ts";

/** A guard: what it says to a reader of the table, and why it holds now, or null when it does not. */
type Guard = { readonly says: string; readonly reason: (mind: Mind, moment: Moment) => string | null };

export const GUARDS = {
  faultToTreat: {
    says: "a fault is above its upper threshold, a remediation is left for it, and healing may begin",
    reason: (mind, moment) => {
      const fault = mayBeginHealing(mind, moment);
      return fault === null ? null : `${fault.kind} of ${fault.target} is at ${levelText(fault.kind, fault.level)}`;
    },
  },
  workReady: {
    says: "goals or their tasks are ready, and there is budget",
    reason: (_mind, moment) => {
      const { readyGoals, readyTasks } = moment.facts;
      if (readyGoals + readyTasks === 0 || !hasBudget("executing", moment)) return null;
      return `${readyGoals} goals and ${readyTasks} tasks are ready`;
    },
  },
  workDone: {
    says: "no goal or task is ready, and no attempt runs",
    reason: (_mind, moment) => (isIdle(moment) ? "nothing is ready and nothing runs" : null),
  },
  scanDue: {
    says: "nothing is ready or runs, repositories were not looked at for a while or something woke the mind, and there is budget",
    reason: (_mind, moment) => {
      const { sinceScanMs, wakeEvents } = moment.facts;
      const isDue = wakeEvents > 0 || isLongAgo(sinceScanMs, moment.rules.settings.pace.scanEveryMs);
      if (!isDue || !isIdle(moment) || !hasBudget("improving", moment)) return null;
      return wakeEvents > 0 ? `${wakeEvents} events woke it` : ago("the last scan", sinceScanMs);
    },
  },
  proposalDue: {
    says: "nothing is ready or runs, nothing was proposed for a while, and there is budget",
    reason: (_mind, moment) => {
      const { sinceProposalMs } = moment.facts;
      const isDue = isLongAgo(sinceProposalMs, moment.rules.settings.pace.proposeEveryMs);
      if (!isDue || !isIdle(moment) || !hasBudget("contemplating", moment)) return null;
      return ago("the last proposal", sinceProposalMs);
    },
  },
  activityDone: {
    says: "its activity has nothing left to do",
    reason: (_mind, { facts }) => (facts.isActivityDone ? "its activity has nothing left to do" : null),
  },
  budgetSpent: {
    says: "its budget is spent",
    reason: ({ state }, { facts }) =>
      state !== "resting" && facts.budgetLeftPercent[state] <= 0 ? `the budget of ${state} is spent` : null,
  },
  recovered: {
    says: "every fault is down to its lower threshold",
    reason: planned("recovered", "nothing is wrong now"),
  },
  handedOver: {
    says: "what is left was handed over",
    reason: planned("handedOver", "what is left was handed over"),
  },
  exhausted: {
    says: "a fault is left, and no remediation for it",
    reason: planned("exhausted", "no remediation is left for what is wrong"),
  },
  deadline: {
    says: "its deadline has come",
    reason: ({ state, deadlineMs }, { nowMs }) =>
      deadlineMs !== null && nowMs >= deadlineMs ? `${state} reached its deadline` : null,
  },
} as const satisfies Partial<Record<Cause, Guard>>;

export type GuardName = keyof typeof GUARDS;

/** One row: the first guard names the cause, all of them must hold. */
export type Transition = {
  readonly from: FsmState;
  readonly to: FsmState;
  readonly when: readonly [GuardName, ...GuardName[]];
};

/**
 * Of the rows of a state the first that holds is taken. Without resting the table has no cycle: every way leads there.
 * Healing comes first where it may be entered; it never leads anywhere but to rest, so that what follows begins anew.
 */
export const TRANSITIONS: readonly Transition[] = [
  { from: "resting", to: "healing", when: ["faultToTreat"] },
  { from: "resting", to: "executing", when: ["workReady"] },
  { from: "resting", to: "improving", when: ["scanDue"] },
  { from: "resting", to: "contemplating", when: ["proposalDue"] },

  { from: "executing", to: "healing", when: ["faultToTreat"] },
  { from: "executing", to: "resting", when: ["workDone"] },
  { from: "executing", to: "resting", when: ["budgetSpent"] },
  { from: "executing", to: "resting", when: ["deadline"] },

  { from: "improving", to: "healing", when: ["faultToTreat"] },
  { from: "improving", to: "executing", when: ["workReady"] },
  { from: "improving", to: "contemplating", when: ["proposalDue", "activityDone"] },
  { from: "improving", to: "resting", when: ["activityDone"] },
  { from: "improving", to: "resting", when: ["budgetSpent"] },
  { from: "improving", to: "resting", when: ["deadline"] },

  { from: "contemplating", to: "healing", when: ["faultToTreat"] },
  { from: "contemplating", to: "executing", when: ["workReady"] },
  { from: "contemplating", to: "resting", when: ["activityDone"] },
  { from: "contemplating", to: "resting", when: ["budgetSpent"] },
  { from: "contemplating", to: "resting", when: ["deadline"] },

  { from: "healing", to: "resting", when: ["recovered"] },
  { from: "healing", to: "resting", when: ["handedOver"] },
  { from: "healing", to: "resting", when: ["deadline"] },
  { from: "healing", to: "resting", when: ["exhausted"] },
];

export type Move = { readonly to: FsmState; readonly cause: GuardName; readonly reason: string };

/** @returns the first row that holds, once the state has been kept for its least time (FSM4); null to stay. */
export function nextMove(mind: Mind, moment: Moment): Move | null {
  const { rules, nowMs } = moment;
  const keptMs = nowMs - mind.sinceMs;
  for (const { from, to, when } of TRANSITIONS) {
    if (from !== mind.state || keptMs < leastMs(from, to, rules.settings)) continue;
    if (to !== "resting" && !mayEnter(mind, to, moment)) continue;
    if (!when.every((name) => GUARDS[name].reason(mind, moment) !== null)) continue;
    const [cause] = when;
    return { to, cause, reason: GUARDS[cause].reason(mind, moment) ?? cause };
  }
  return null;
}

/** FSM4: a fault need not wait for the end of what is done for later. */
function leastMs(from: FsmState, to: FsmState, { dwellMs }: FsmSettings): number {
  const isForLater = from === "improving" || from === "contemplating";
  return isForLater && to === "healing" ? Math.min(dwellMs[from], dwellMs.resting) : dwellMs[from];
}

/** FSM5: with no entries left in this period the state waits for the next one. */
function mayEnter(mind: Mind, to: ActiveState, { rules, nowMs }: Moment): boolean {
  if (nowMs < mind.restUntilMs) return false;
  const { entriesPerPeriod, pace } = rules.settings;
  return nowMs - mind.period.sinceMs >= pace.periodMs || mind.period.entries[to] < entriesPerPeriod[to];
}

function planned(kind: "recovered" | "handedOver" | "exhausted", reason: string): Guard["reason"] {
  return (mind, moment) =>
    plan(mind, moment, "leaveAt", mind.deadlineMs ?? moment.nowMs).kind === kind ? reason : null;
}

function isIdle({ facts }: Moment): boolean {
  return facts.readyGoals + facts.readyTasks + facts.runningAttempts === 0;
}

function hasBudget(state: ActiveState, { facts, rules }: Moment): boolean {
  return facts.budgetLeftPercent[state] >= rules.settings.pace.budgetPercent;
}

function isLongAgo(sinceMs: number | null, everyMs: number): boolean {
  return sinceMs === null || sinceMs >= everyMs;
}

function ago(what: string, sinceMs: number | null): string {
  return sinceMs === null ? `${what} is not known` : `${what} was ${Math.floor(sinceMs / 60_000)} minutes ago`;
}
