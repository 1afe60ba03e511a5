/** What the mind of a node is at one moment. It changes only by entries of its journal (journal.ts). */
import type { FaultKind } from "./facts.ts";
import type { RemediationName } from "./remediations.ts";

export const FSM_STATES = ["resting", "executing", "improving", "contemplating", "healing"] as const;
export type FsmState = (typeof FSM_STATES)[number];
/** The states in which something is done; each has a deadline, a budget, and a number of entries in a period. */
export type ActiveState = Exclude<FsmState, "resting">;
export const ACTIVE_STATES = [
  "executing",
  "improving",
  "contemplating",
  "healing",
] as const satisfies readonly ActiveState[];

/** Why a state was entered: the guard of the table that held, or what a person asked for. */
export const CAUSES = [
  "start",
  "faultToTreat",
  "workReady",
  "workDone",
  "scanDue",
  "proposalDue",
  "activityDone",
  "budgetSpent",
  "recovered",
  "handedOver",
  "exhausted",
  "deadline",
  "forced",
  "paused",
] as const;
export type Cause = (typeof CAUSES)[number];

/**
 * How an episode of healing ended: nothing is above its threshold any more; what is left is in care; every remediation
 * was tried; its deadline came; or a person ended it.
 */
export const EPISODE_OUTCOMES = ["recovered", "handedOver", "exhausted", "overdue", "interrupted"] as const;
export type EpisodeOutcome = (typeof EPISODE_OUTCOMES)[number];

export type Episode = {
  readonly startedMs: number;
  readonly endedMs: number;
  readonly outcome: EpisodeOutcome;
};

/** What became of a treatment: the fault is gone; it is less; neither in time; or somebody else has it now. */
export const VERDICTS = ["worked", "helped", "failed", "handedOver"] as const;
export type Verdict = (typeof VERDICTS)[number];

/** One carrying-out of a remediation on a target. */
export type Treatment = {
  /** The number of its journal entry; names it everywhere. */
  readonly id: number;
  readonly fault: FaultKind;
  readonly target: string;
  readonly remediation: RemediationName;
  readonly startedMs: number;
  readonly levelBefore: number;
  /** When it has had its time; when it hands over, until when the fault is in care. */
  readonly untilMs: number;
  readonly verdict: Verdict | null;
  readonly endedMs: number | null;
};

/** A person stopped the mind. It ends by itself at `untilMs`, if that is not null. */
export type Pause = {
  readonly by: string;
  readonly reason: string;
  readonly sinceMs: number;
  readonly untilMs: number | null;
};

/** Safe hold: healing did not help, and a person is needed, or that the cause goes by itself. `retryAtMs` is null when it was tried again already. */
export type Hold = { readonly sinceMs: number; readonly reason: string; readonly retryAtMs: number | null };

/** Entries of each state since a period began. */
export type Period = { readonly sinceMs: number; readonly entries: Readonly<Record<ActiveState, number>> };

export type Mind = {
  readonly state: FsmState;
  readonly sinceMs: number;
  readonly cause: Cause;
  readonly reason: string;
  /** null exactly while resting. */
  readonly deadlineMs: number | null;
  /** After healing that did not help: nothing is begun before. */
  readonly restUntilMs: number;
  /** No episode of healing begins before. */
  readonly healAgainMs: number;
  readonly period: Period;
  /** The latest ones, oldest first. What a person began counts neither against the share of healing nor for the hold. */
  readonly episodes: readonly Episode[];
  readonly treatments: readonly Treatment[];
  /** Only while resting. */
  readonly pause: Pause | null;
  /** Only while resting. */
  readonly hold: Hold | null;
  /** When a hold last ended by itself. */
  readonly retriedAtMs: number | null;
  /** Number and instant of the last entry. */
  readonly seq: number;
  readonly atMs: number;
};

export const NO_ENTRIES: Readonly<Record<ActiveState, number>> = {
  executing: 0,
  improving: 0,
  contemplating: 0,
  healing: 0,
};

/** @returns a mind without a past, at rest. */
export function newMind(nowMs: number): Mind {
  return {
    state: "resting",
    sinceMs: nowMs,
    cause: "start",
    reason: "it has no journal yet",
    deadlineMs: null,
    restUntilMs: nowMs,
    healAgainMs: nowMs,
    period: { sinceMs: nowMs, entries: NO_ENTRIES },
    episodes: [],
    treatments: [],
    pause: null,
    hold: null,
    retriedAtMs: null,
    seq: 0,
    atMs: nowMs,
  };
}
