/**
 * Minds that behave alike become one: instants are told from now on, and those that decide nothing any more are all the
 * same one. Two minds with one canonical form answer every event in the same way, but for texts and numbers of entries.
 */
import { type Episode, type FsmRules, type Mind, type Treatment } from "../../../src/fsm/index.ts";

const NO_ENTRIES = { executing: 0, improving: 0, contemplating: 0, healing: 0 };

export function canonical(mind: Mind, rules: FsmRules, nowMs: number): Mind {
  const { settings } = rules;
  const { state, deadlineMs, period, pause, hold, retriedAtMs } = mind;
  const ahead = (atMs: number): number => Math.max(0, atMs - nowMs);
  const ago = (atMs: number, limitMs: number): number => -Math.min(limitMs, nowMs - atMs);
  const keptMs = state === "resting" ? settings.dwellMs.resting : settings.deadlineMs[state] + 1;
  const isOldPeriod = nowMs - period.sinceMs >= settings.pace.periodMs;
  const { windowMs } = settings.healing;
  const episodes = mind.episodes.filter(({ endedMs }) => nowMs - endedMs < windowMs);
  const treatments = mind.treatments.filter((each) => counts(each, rules, nowMs));
  return {
    state,
    sinceMs: ago(mind.sinceMs, keptMs),
    cause: state === "healing" && mind.cause === "forced" ? "forced" : "start",
    reason: "",
    deadlineMs: deadlineMs === null ? null : ahead(deadlineMs),
    restUntilMs: ahead(mind.restUntilMs),
    healAgainMs: ahead(mind.healAgainMs),
    period: {
      sinceMs: ago(period.sinceMs, settings.pace.periodMs),
      entries: isOldPeriod ? NO_ENTRIES : period.entries,
    },
    episodes: episodes.map(
      ({ startedMs, endedMs, outcome }): Episode => ({
        startedMs: ago(startedMs, windowMs),
        endedMs: endedMs - nowMs,
        outcome: outcome === "exhausted" || outcome === "overdue" ? "exhausted" : "recovered",
      }),
    ),
    treatments: treatments.map((each, index) => told(each, index, rules, nowMs)),
    pause:
      pause === null
        ? null
        : { by: "p", reason: "", sinceMs: 0, untilMs: pause.untilMs === null ? null : ahead(pause.untilMs) },
    hold:
      hold === null
        ? null
        : { sinceMs: 0, reason: "", retryAtMs: hold.retryAtMs === null ? null : ahead(hold.retryAtMs) },
    retriedAtMs: retriedAtMs === null || nowMs - retriedAtMs >= windowMs ? null : retriedAtMs - nowMs,
    seq: 0,
    atMs: 0,
  };
}

/** Whether a treatment still has a say in anything. */
function counts({ verdict, startedMs, untilMs, remediation }: Treatment, rules: FsmRules, nowMs: number): boolean {
  if (verdict === null || (verdict === "handedOver" && untilMs > nowMs)) return true;
  return nowMs - startedMs < withinMs(rules, remediation);
}

function withinMs(rules: FsmRules, name: Treatment["remediation"]): number {
  return Math.max(...rules.remediations.map((row) => (row.name === name ? row.withinMs : 0)));
}

function told(treatment: Treatment, index: number, rules: FsmRules, nowMs: number): Treatment {
  const { verdict, untilMs, endedMs, startedMs } = treatment;
  const isOpen = verdict === null;
  const isInCare = verdict === "handedOver" && untilMs > nowMs;
  return {
    ...treatment,
    id: -1 - index,
    startedMs: Math.max(startedMs - nowMs, -withinMs(rules, treatment.remediation)),
    levelBefore: isOpen ? treatment.levelBefore : 0,
    untilMs: isOpen || isInCare ? Math.max(0, untilMs - nowMs) : 0,
    verdict: isOpen || isInCare ? verdict : "failed",
    endedMs: endedMs === null ? null : endedMs - nowMs,
  };
}
