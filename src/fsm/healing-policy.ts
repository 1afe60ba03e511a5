/**
 * Which remediation is next, whether one helped, and when healing may begin. Pure: facts and what was done before in,
 * one decision out. Invariants FSM3, FSM7 and FSM8 of step.ts are kept here.
 */
import {
  FAULT_KINDS,
  FAULT_MEASURES,
  type Facts,
  type Fault,
  type FaultKind,
  MAX_FAULTS,
  MAX_TARGET_CHARS,
} from "./facts.ts";
import type { EpisodeOutcome, Hold, Mind, Treatment, Verdict } from "./mind.ts";
import type { Remediation } from "./remediations.ts";
import { type FsmRules, type FsmSettings, shareMs } from "./settings.ts";

/** What a decision goes by besides the mind itself. */
export type Moment = { readonly facts: Facts; readonly rules: FsmRules; readonly nowMs: number };

/**
 * Treatments that are remembered. An episode of five minutes starts some fifty at most; with so many that still count
 * against a limit, none is started, and the episode ends as exhausted.
 */
export const MAX_TREATMENTS = 256;

/** `wait`: something is under way, or cools down and may follow within the episode. */
export type Plan =
  | { readonly kind: "treat"; readonly fault: Fault; readonly remediation: Remediation }
  | { readonly kind: "wait" | "recovered" | "handedOver" | "exhausted" };

/**
 * @param bound a mind that heals goes on until every level is down to `leaveAt`; one that does not begins at `enterAt`
 * @param untilMs end of the episode: what cools down for longer is passed over
 */
export function plan(mind: Mind, moment: Moment, bound: "enterAt" | "leaveAt", untilMs: number): Plan {
  const { rules, nowMs } = moment;
  const present = faultsOf(moment.facts);
  if (present.length === 0) return { kind: "recovered" };
  let rest: "wait" | "recovered" | "handedOver" | "exhausted" = "recovered";
  for (const kind of FAULT_KINDS) {
    if (!present.some((fault) => fault.kind === kind)) continue;
    const faults = present.filter((fault) => fault.kind === kind);
    if (!isAbove(levelOf(kind, faults), kind, bound, rules.settings)) continue;
    const open = faults.filter((fault) => !isInCare(mind, fault, nowMs));
    if (!isAbove(levelOf(kind, open), kind, bound, rules.settings)) {
      if (rest === "recovered") rest = "handedOver";
      continue;
    }
    for (const fault of open) {
      const next = nextFor(mind, fault, moment, untilMs);
      if (typeof next === "object") return { kind: "treat", fault, remediation: next };
      if (next === "wait") rest = "wait";
      else if (rest !== "wait") rest = "exhausted";
    }
  }
  return { kind: rest };
}

/** @returns whether nothing is wrong but what was handed over. */
export function isWell(mind: Mind, moment: Moment): boolean {
  const { kind } = plan(mind, moment, "leaveAt", moment.nowMs);
  return kind === "recovered" || kind === "handedOver";
}

/** @returns the level of a kind: the sum of its targets or the worst of them, as its measure says. */
export function levelOf(kind: FaultKind, faults: readonly Fault[]): number {
  let level = 0;
  for (const fault of faults) level = FAULT_MEASURES[kind].sum ? level + fault.level : Math.max(level, fault.level);
  return level;
}

/** FSM4: between the two thresholds nothing changes. */
function isAbove(level: number, kind: FaultKind, bound: "enterAt" | "leaveAt", settings: FsmSettings): boolean {
  return bound === "enterAt" ? level >= settings.enterAt[kind] : level > settings.leaveAt[kind];
}

/** Those that are looked at. */
function faultsOf({ faults }: Facts): readonly Fault[] {
  if (faults.length === 0) return faults; // nearly always
  return faults.slice(0, MAX_FAULTS).filter(({ level, target }) => level > 0 && target.length <= MAX_TARGET_CHARS);
}

function isInCare(mind: Mind, fault: Fault, nowMs: number): boolean {
  return mind.treatments.some(
    (treatment) =>
      treatment.verdict === "handedOver" &&
      treatment.fault === fault.kind &&
      treatment.target === fault.target &&
      nowMs < treatment.untilMs,
  );
}

function nextFor(mind: Mind, fault: Fault, moment: Moment, untilMs: number): Remediation | "wait" | "none" {
  const isTreated = (treatment: Treatment): boolean =>
    treatment.verdict === null && treatment.fault === fault.kind && treatment.target === fault.target;
  if (mind.treatments.some(isTreated)) return "wait";
  for (const remediation of moment.rules.remediations) {
    if (remediation.fault !== fault.kind || !isPermitted(remediation, fault, moment.facts)) continue;
    const past = mind.treatments.filter(
      ({ remediation: name, target, startedMs }) =>
        name === remediation.name && target === fault.target && moment.nowMs - startedMs < remediation.withinMs,
    );
    if (past.some(({ verdict }) => verdict === null)) return "wait"; // for another kind of fault of this target
    if (past.length >= remediation.attempts) continue; // FSM8
    const readyMs = coolUntilMs(remediation, past);
    if (readyMs <= moment.nowMs) return isFull(mind, moment) ? "none" : remediation;
    if (readyMs < untilMs) return "wait";
  }
  return "none";
}

/** FSM7, and what this fleet has and may spend. */
function isPermitted({ mayInterrupt, needs, costs }: Remediation, fault: Fault, facts: Facts): boolean {
  if (mayInterrupt && fault.healthyAttempts > 0) return false;
  if (needs !== null && !facts.means.includes(needs)) return false;
  return !costs || facts.budgetLeftPercent.healing > 0;
}

/** FSM8: doubles with each one that is remembered. */
function coolUntilMs({ coolDownMs }: Remediation, past: readonly Treatment[]): number {
  const endedMs = Math.max(...past.map((treatment) => treatment.endedMs ?? treatment.startedMs));
  return past.length === 0 ? -Infinity : endedMs + coolDownMs * 2 ** (past.length - 1);
}

function isFull(mind: Mind, moment: Moment): boolean {
  const beforeMs = forgetBeforeMs(moment);
  const counts = mind.treatments.filter((treatment) => !isForgotten(treatment, beforeMs, moment.nowMs));
  return counts.length >= MAX_TREATMENTS || underWay(mind) >= moment.rules.settings.healing.atOnce;
}

/** @returns how many remediations are carried out now. */
export function underWay(mind: Mind): number {
  return mind.treatments.filter(({ verdict }) => verdict === null).length;
}

/** @returns the instant before which a treatment counts against no limit any more. */
export function forgetBeforeMs({ rules, nowMs }: Moment): number {
  return nowMs - Math.max(0, ...rules.remediations.map(({ withinMs }) => withinMs));
}

export function isForgotten(treatment: Treatment, beforeMs: number, nowMs: number): boolean {
  const { verdict, startedMs, untilMs } = treatment;
  if (verdict === null || startedMs > beforeMs) return false;
  return verdict !== "handedOver" || untilMs <= nowMs;
}

/** @returns what became of a treatment by the facts of now; null while it has time left. */
export function judge(
  treatment: Treatment,
  { facts, rules, nowMs }: Moment,
): { verdict: Verdict; level: number } | null {
  const { fault: kind, target, untilMs, levelBefore } = treatment;
  const faults = faultsOf(facts).filter((fault) => fault.kind === kind && fault.target === target);
  const level = levelOf(kind, faults);
  if (level <= rules.settings.leaveAt[kind]) return { verdict: "worked", level };
  if (nowMs < untilMs) return null;
  const lowers = rules.remediations.some(
    (row) => row.fault === kind && row.name === treatment.remediation && row.rule.kind === "lowers",
  );
  return { verdict: lowers && level < levelBefore ? "helped" : "failed", level };
}

/** @returns whether a fault is there that healing could do something about, and healing may begin (FSM3). */
export function mayBeginHealing(mind: Mind, moment: Moment): Fault | null {
  const { rules, nowMs } = moment;
  const { healing, deadlineMs } = rules.settings;
  if (nowMs < mind.healAgainMs || moment.facts.faults.length === 0) return null;
  const recent = mind.episodes.filter(({ endedMs }) => nowMs - endedMs < healing.windowMs);
  if (recent.length >= healing.episodes) return null;
  if (healedMs(mind, nowMs - healing.windowMs) + deadlineMs.healing > shareMs(healing)) return null;
  const next = plan(mind, moment, "enterAt", nowMs + deadlineMs.healing);
  return next.kind === "treat" ? next.fault : null;
}

function healedMs(mind: Mind, sinceMs: number): number {
  return mind.episodes.reduce(
    (sum, { startedMs, endedMs }) => sum + Math.max(0, endedMs - Math.max(startedMs, sinceMs)),
    0,
  );
}

/** What follows from the end of an episode. */
export type Aftermath = { readonly restUntilMs: number; readonly healAgainMs: number; readonly hold: Hold | null };

const FRUITLESS: readonly EpisodeOutcome[] = ["exhausted", "overdue"];

/** @param outcome of the episode that ends now; a person's own episode is followed by no rest and no hold. */
export function aftermath(mind: Mind, outcome: EpisodeOutcome, { rules, nowMs }: Moment): Aftermath {
  const { healing } = rules.settings;
  const isForced = mind.cause === "forced";
  const recent = mind.episodes.filter(({ endedMs }) => nowMs - endedMs < healing.windowMs);
  const doubledMs = (firstMs: number): number => Math.min(healing.maxRestMs, firstMs * 2 ** recent.length);
  // A person's episode within the rest after an earlier one does not make that rest shorter.
  const healAgainMs = Math.max(mind.healAgainMs, nowMs + doubledMs(healing.againMs));
  if (isForced || !FRUITLESS.includes(outcome)) {
    return { restUntilMs: Math.max(mind.restUntilMs, nowMs), healAgainMs, hold: null };
  }
  const restUntilMs = nowMs + doubledMs(healing.restMs);
  const fruitless = 1 + recent.filter((episode) => FRUITLESS.includes(episode.outcome)).length;
  const isLastTry = mind.retriedAtMs !== null && nowMs - mind.retriedAtMs < healing.windowMs;
  if (fruitless < healing.fruitless && !isLastTry) return { restUntilMs, healAgainMs, hold: null };
  const reason = isLastTry
    ? "healing did not help after the one retry of a hold either"
    : `${fruitless} episodes of healing within ${Math.round(healing.windowMs / 60_000)} minutes did not help`;
  const retryAtMs = isLastTry ? null : nowMs + healing.holdRetryMs;
  return { restUntilMs, healAgainMs, hold: { sinceMs: nowMs, reason, retryAtMs } };
}
