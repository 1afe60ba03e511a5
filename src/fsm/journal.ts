/**
 * The journal of the mind. An entry says what was decided, with every number that follows from it, so that applying it
 * needs no settings and no clock: the same journal gives the same mind, also after the settings changed (FSM6).
 */
import type { FaultKind } from "./facts.ts";
import { isForgotten } from "./healing-policy.ts";
import type { Cause, EpisodeOutcome, FsmState, Hold, Mind, Period, Treatment, Verdict } from "./mind.ts";
import { NO_ENTRIES } from "./mind.ts";
import type { RemediationName } from "./remediations.ts";
import { MAX_EPISODES } from "./settings.ts";

export type Deed =
  | {
      readonly kind: "changed";
      readonly from: FsmState;
      readonly to: FsmState;
      readonly cause: Cause;
      readonly reason: string;
      /** How long the state that ends was kept. */
      readonly lastedMs: number;
      readonly deadlineMs: number | null;
      readonly restUntilMs: number;
      readonly healAgainMs: number;
      readonly periodSinceMs: number;
      /** Of the episode of healing that ends with it. */
      readonly outcome: EpisodeOutcome | null;
      readonly hold: Hold | null;
    }
  | {
      readonly kind: "treated";
      readonly fault: FaultKind;
      readonly target: string;
      readonly remediation: RemediationName;
      readonly level: number;
      readonly untilMs: number;
      /** Handed over at once; everything else is judged later. */
      readonly isHandedOver: boolean;
      /** Must be left undone if an attempt runs well on the target when it is carried out (FSM7). */
      readonly onlyIfIdle: boolean;
      readonly forgetBeforeMs: number;
    }
  | { readonly kind: "judged"; readonly treatment: number; readonly verdict: Verdict; readonly level: number }
  | { readonly kind: "paused"; readonly reason: string; readonly untilMs: number | null }
  | { readonly kind: "resumed" }
  /** The hold ended: by a person, or by itself for one retry. */
  | { readonly kind: "released"; readonly isRetry: boolean }
  /** The hold ended by itself: what it was for is gone (FSM11). `sinceMs` is when it began. */
  | { readonly kind: "holdOver"; readonly sinceMs: number }
  /** Neither the process nor the host ran; that time is not held against a state or a treatment. */
  | { readonly kind: "stoodStill"; readonly missedMs: number };

/** `by` is {@link BY_ITSELF}, or the name of a person. Entries are numbered without gaps. */
export type Entry = Deed & { readonly seq: number; readonly atMs: number; readonly by: string };

/** What the mind did without being asked. */
export const BY_ITSELF = "mind";
/** Of the name of a person, as it is kept. */
export const MAX_NAME_CHARS = 200;

/** @returns the mind after the entry. */
export function apply(mind: Mind, entry: Entry): Mind {
  const next = { ...mind, seq: entry.seq, atMs: entry.atMs };
  switch (entry.kind) {
    case "changed":
      return changed(next, entry);
    case "treated":
      return { ...next, treatments: [...remembered(mind, entry), treatmentOf(entry)] };
    case "judged":
      return {
        ...next,
        treatments: mind.treatments.map((each) => (each.id === entry.treatment ? judged(each, entry) : each)),
      };
    case "paused":
      return {
        ...next,
        pause: { by: entry.by, reason: entry.reason, sinceMs: entry.atMs, untilMs: entry.untilMs },
      };
    case "resumed":
      return { ...next, pause: null };
    case "released":
      return entry.isRetry
        ? { ...next, hold: null, retriedAtMs: entry.atMs }
        : { ...next, hold: null, retriedAtMs: null, episodes: [], restUntilMs: entry.atMs, healAgainMs: entry.atMs };
    case "holdOver":
      return { ...next, hold: null, restUntilMs: entry.atMs };
    case "stoodStill":
      return putOff(next, entry.missedMs);
  }
}

/** @returns the mind that the whole journal makes of it. */
export function replay(mind: Mind, entries: readonly Entry[]): Mind {
  return entries.reduce(apply, mind);
}

type EntryOf<Kind extends Entry["kind"]> = Extract<Entry, { readonly kind: Kind }>;

function changed(mind: Mind, entry: EntryOf<"changed">): Mind {
  const { to, cause, reason, deadlineMs, restUntilMs, healAgainMs, hold, atMs, outcome } = entry;
  const episode = outcome === null ? null : { startedMs: mind.sinceMs, endedMs: atMs, outcome };
  return {
    ...mind,
    state: to,
    sinceMs: atMs,
    cause,
    reason,
    deadlineMs,
    restUntilMs,
    healAgainMs,
    hold: hold ?? mind.hold,
    period: counted(mind.period, entry),
    episodes:
      episode === null || mind.cause === "forced" ? mind.episodes : [...mind.episodes, episode].slice(-MAX_EPISODES),
  };
}

/** FSM5: what a person forces is not counted. */
function counted(period: Period, { to, cause, periodSinceMs }: EntryOf<"changed">): Period {
  const entries = periodSinceMs === period.sinceMs ? period.entries : NO_ENTRIES;
  if (to === "resting" || cause === "forced") return { sinceMs: periodSinceMs, entries };
  return { sinceMs: periodSinceMs, entries: { ...entries, [to]: entries[to] + 1 } };
}

function remembered(mind: Mind, { forgetBeforeMs, atMs }: EntryOf<"treated">): readonly Treatment[] {
  return mind.treatments.filter((treatment) => !isForgotten(treatment, forgetBeforeMs, atMs));
}

function treatmentOf(entry: EntryOf<"treated">): Treatment {
  const { seq, fault, target, remediation, atMs, level, untilMs, isHandedOver } = entry;
  const verdict = isHandedOver ? "handedOver" : null;
  const endedMs = isHandedOver ? atMs : null;
  return { id: seq, fault, target, remediation, startedMs: atMs, levelBefore: level, untilMs, verdict, endedMs };
}

function judged(treatment: Treatment, { verdict, atMs }: EntryOf<"judged">): Treatment {
  return { ...treatment, verdict, endedMs: atMs };
}

function putOff(mind: Mind, missedMs: number): Mind {
  return {
    ...mind,
    deadlineMs: mind.deadlineMs === null ? null : mind.deadlineMs + missedMs,
    treatments: mind.treatments.map((each) =>
      each.verdict === null ? { ...each, untilMs: each.untilMs + missedMs } : each,
    ),
  };
}

/** One line of the history: a state, from when to when, why it began and what ended it. */
export type Stay = {
  readonly state: FsmState;
  readonly fromMs: number;
  /** null while it goes on. */
  readonly durationMs: number | null;
  readonly cause: Cause;
  readonly reason: string;
  readonly by: string;
};

/** @returns the states of a stretch of the journal, oldest first; the last one goes on. */
export function historyOf(entries: readonly Entry[]): readonly Stay[] {
  const changes = entries.filter((entry): entry is EntryOf<"changed"> => entry.kind === "changed");
  return changes.map(({ to, atMs, cause, reason, by }, index) => ({
    state: to,
    fromMs: atMs,
    durationMs: changes[index + 1]?.lastedMs ?? null,
    cause,
    reason,
    by,
  }));
}
