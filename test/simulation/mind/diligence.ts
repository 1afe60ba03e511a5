/** What the mind must not fail to do: laws that forbid things are kept best by one that does nothing. */
import type { Entry, FsmState } from "../../../src/fsm/index.ts";
import { above, leastMs, levelOf, type Seen } from "./seen.ts";
import { holds } from "./violation.ts";

/** For a tick: where all conditions of a move are met beyond doubt, it is made. */
export function diligence(seen: Seen): void {
  const { before, nowMs, rules, result } = seen;
  if (before.pause !== null) {
    const { untilMs } = before.pause;
    if (untilMs !== null && nowMs >= untilMs) holds(result.mind.pause === null, "FSM9: a pause ends at its end");
    return;
  }
  if (before.hold !== null) {
    const { retryAtMs } = before.hold;
    const isGone = above(seen.facts, rules).length === 0 && seen.facts.wellForMs >= rules.settings.healing.againMs;
    if (isGone) {
      holds(result.mind.hold === null, "FSM11: a hold whose cause is gone is over");
      holds(result.mind.restUntilMs <= nowMs, "FSM11: after it work need not wait");
      holds(result.mind.healAgainMs === before.healAgainMs, "FSM11: healing waits as before");
      holds(result.mind.retriedAtMs === before.retriedAtMs, "FSM11: its end is not the one retry");
    }
    if (retryAtMs !== null && nowMs >= retryAtMs) holds(result.mind.hold === null, "FSM3: a hold is tried again");
    return;
  }
  judgement(seen);
  const hasDwelt = nowMs - before.sinceMs >= rules.settings.dwellMs[before.state];
  if (before.state === "healing") healing(seen, hasDwelt);
  else if (hasDwelt || (seen.facts.faults.length > 0 && mayInterrupt(seen))) {
    const expected = expectedState(seen);
    if (expected !== null)
      holds(result.mind.state === expected, `FSM1: in ${before.state} it goes to ${expected} when it can`);
  }
}

function judgement({ before, nowMs, result }: Seen): void {
  const judged = new Set(result.entries.map((entry) => (entry.kind === "judged" ? entry.treatment : 0)));
  const isLate = before.treatments.some(
    ({ id, verdict, untilMs }) => verdict === null && nowMs >= untilMs && !judged.has(id),
  );
  holds(!isLate, "FSM8: a treatment whose time is over is judged");
}

function healing(seen: Seen, hasDwelt: boolean): void {
  const { before, facts, rules, result, nowMs } = seen;
  if (hasDwelt && above(facts, rules).length === 0) {
    holds(
      result.mind.state === "resting" && result.mind.cause === "recovered",
      "FSM3: nothing is wrong, and healing is over",
    );
    return;
  }
  const isEarly = before.deadlineMs !== null && nowMs < before.deadlineMs;
  const fault = facts.faults.find(({ kind }) => above(facts, rules).includes(kind));
  if (!isEarly || fault === undefined || before.treatments.length > 0) return;
  const mayTreat = rules.remediations.some(
    (row) => row.fault === fault.kind && !row.mayInterrupt && !row.costs && row.needs === null,
  );
  if (mayTreat) holds(result.entries.some(isTreatment), "FSM3: what can be treated is treated");
}

function mayInterrupt({ before, nowMs, rules }: Seen): boolean {
  return nowMs - before.sinceMs >= leastMs(before.state, "healing", rules.settings);
}

function isTreatment(entry: Entry): boolean {
  return entry.kind === "treated";
}

/** @returns the state that must follow, or null when that depends on more than is looked at here. */
function expectedState({ before, facts, rules, nowMs }: Seen): FsmState | null {
  const { settings } = rules;
  if (facts.faults.length > 0) return sick({ before, facts, rules, nowMs });
  const { readyGoals, readyTasks, runningAttempts, budgetLeftPercent, sinceScanMs, sinceProposalMs } = facts;
  const hasWork = readyGoals + readyTasks > 0;
  const isIdle = !hasWork && runningAttempts === 0;
  const may = (state: Exclude<FsmState, "resting">): boolean =>
    nowMs >= before.restUntilMs &&
    budgetLeftPercent[state] >= settings.pace.budgetPercent &&
    (before.period.entries[state] < settings.entriesPerPeriod[state] ||
      nowMs - before.period.sinceMs >= settings.pace.periodMs);
  const isProposalDue = sinceProposalMs === null || sinceProposalMs >= settings.pace.proposeEveryMs;
  const isScanDue = sinceScanMs === null || sinceScanMs >= settings.pace.scanEveryMs || facts.wakeEvents > 0;
  switch (before.state) {
    case "resting":
      if (hasWork && may("executing")) return "executing";
      if (isIdle && isScanDue && may("improving")) return "improving";
      return isIdle && isProposalDue && may("contemplating") ? "contemplating" : "resting";
    case "executing":
      return isIdle || budgetLeftPercent.executing === 0 ? "resting" : timely(before, nowMs);
    case "improving":
      if (hasWork && may("executing")) return "executing";
      if (facts.isActivityDone && isIdle && isProposalDue && may("contemplating")) return "contemplating";
      return facts.isActivityDone || budgetLeftPercent.improving === 0 ? "resting" : timely(before, nowMs);
    case "contemplating":
      if (hasWork && may("executing")) return "executing";
      return facts.isActivityDone || budgetLeftPercent.contemplating === 0 ? "resting" : timely(before, nowMs);
    case "healing":
      return null;
  }
}

function timely(before: Seen["before"], nowMs: number): FsmState {
  return before.deadlineMs !== null && nowMs >= before.deadlineMs ? "resting" : before.state;
}

/** With nothing treated or healed in memory a fault that can be treated is treated. */
function sick({ before, facts, rules, nowMs }: Pick<Seen, "before" | "facts" | "rules" | "nowMs">): FsmState | null {
  const { settings } = rules;
  const isFresh = before.treatments.length === 0 && before.episodes.length === 0;
  const hasEntries = before.period.entries.healing < settings.entriesPerPeriod.healing;
  if (!isFresh || !hasEntries || nowMs < before.healAgainMs || nowMs < before.restUntilMs) return null;
  const isTreatable = rules.remediations.some(
    ({ fault, mayInterrupt, needs, costs }) =>
      !mayInterrupt && needs === null && !costs && levelOf(facts, fault) >= settings.enterAt[fault],
  );
  return isTreatable ? "healing" : null;
}
