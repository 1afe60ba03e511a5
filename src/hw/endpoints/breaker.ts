/**
 * Whether an endpoint is sent requests. A pure machine: time and chance are arguments. Invariants, cited by the tests:
 *
 * - B1: only {@link FAULTS_TO_OPEN} faults that are at least half of the outcomes within {@link WINDOW_MS} open it, or
 *   one refused connection, or an answer that says when to come back.
 * - B2: while open it is retried no earlier than the backoff says; the backoff doubles with each opening that follows
 *   within {@link STABLE_MS} of health, has jitter, and never exceeds {@link MAX_BACKOFF_MS}.
 * - B3: half-open lets exactly one request through; until that one ends, or {@link TRIAL_MS} are over, no other.
 * - B4: only the trial, or a probe where probes had opened it, closes it; what was sent before it opened does not.
 * - B5: an overloaded answer counts as a fault and adds load that fades: a fast 503 never makes an endpoint attractive.
 * - B6: neutral outcomes open nothing and close nothing; a neutral trial leaves room for the next.
 * - B7: the penalty is never negative, fades to nothing, and never exceeds {@link MAX_PENALTY}.
 * - B8: memory is bounded: at most {@link MAX_OUTCOMES} outcomes are kept.
 */
import type { CallOutcome, Health } from "./endpoint.ts";

/** Three in a row happen to a server that is going down; one or two happen to a healthy one that restarts a runner. */
export const FAULTS_TO_OPEN = 3;
export const WINDOW_MS = 60_000;
export const MAX_OUTCOMES = 20;
/** A restart of a model server takes a few seconds. */
export const MIN_BACKOFF_MS = 2_000;
/** A host that comes back is used again within this; a probe every two minutes costs nothing. */
export const MAX_BACKOFF_MS = 120_000;
/** The longest that a server's own word (Retry-After) is obeyed. */
export const MAX_RETRY_AFTER_MS = 600_000;
/** After so long in health, the next backoff starts small again. */
export const STABLE_MS = 120_000;
/** A trial that has not ended by now is given up: longer than a cold load of a large model. */
export const TRIAL_MS = 600_000;
/** Load that one overloaded answer stands for, in requests, and how fast it fades. */
export const PENALTY_REQUESTS = 4;
export const PENALTY_HALF_LIFE_MS = 15_000;
export const MAX_PENALTY = 64;
/** Below this a penalty is over. */
const NO_PENALTY = 0.05;
/** 2^16 × the least backoff is far above the longest. */
const MAX_EXPONENT = 16;

type Phase =
  | { readonly kind: "unknown" }
  | { readonly kind: "healthy" }
  | {
      readonly kind: "open";
      readonly retryAtMs: number;
      readonly reason: string;
      /** Whether a probe that answers is proof enough: then it was probes or connections that failed. */
      readonly byConnection: boolean;
      /** When the one trial began; null while none is under way. */
      readonly trialAtMs: number | null;
    };

type Outcome = { readonly atMs: number; readonly isFault: boolean };

/** The state of one breaker. Instants are monotonic milliseconds. */
export type Breaker = {
  readonly phase: Phase;
  readonly outcomes: readonly Outcome[];
  /** Openings without {@link STABLE_MS} of health between them. */
  readonly openings: number;
  readonly closedAtMs: number | null;
  readonly penalty: { readonly requests: number; readonly atMs: number };
};

export type BreakerEvent =
  /** A request is sent. Whether it is the trial is told by {@link takesTrial}, asked before. */
  | { readonly kind: "began" }
  | {
      readonly kind: "ended";
      readonly outcome: CallOutcome;
      /** When it began, if it was let through as the trial; null for every other request. */
      readonly trialAtMs: number | null;
    }
  | { readonly kind: "probed"; readonly fault: string | null; readonly isRefused: boolean };

export const NEW_BREAKER: Breaker = {
  phase: { kind: "unknown" },
  outcomes: [],
  openings: 0,
  closedAtMs: null,
  penalty: { requests: 0, atMs: 0 },
};

/** When something happened, and a number in [0, 1) for the jitter. */
export type BreakerFacts = { readonly nowMs: number; readonly draw: number };

/** @returns the breaker after the event. */
export function step(breaker: Breaker, event: BreakerEvent, facts: BreakerFacts): Breaker {
  switch (event.kind) {
    case "began":
      return takesTrial(breaker, facts.nowMs) ? withTrial(breaker, facts.nowMs) : breaker;
    case "ended":
      return ended(breaker, event.outcome, isOnTrial(breaker, event.trialAtMs), facts);
    case "probed":
      return probed(breaker, event.fault, event.isRefused, facts);
  }
}

/** Whether a request sent now would be the one that half-open lets through. */
export function takesTrial({ phase }: Breaker, nowMs: number): boolean {
  if (phase.kind !== "open" || nowMs < phase.retryAtMs) return false;
  return phase.trialAtMs === null || nowMs - phase.trialAtMs >= TRIAL_MS;
}

/** @returns health as others see it; a trial under way shows as open until it must have ended (B3). */
export function healthOf({ phase, outcomes, openings }: Breaker, nowMs: number): Health {
  if (phase.kind !== "open") return { kind: phase.kind };
  const { reason, trialAtMs } = phase;
  const busyUntilMs = trialAtMs === null ? phase.retryAtMs : Math.max(phase.retryAtMs, trialAtMs + TRIAL_MS);
  if (nowMs >= busyUntilMs) return { kind: "halfOpen", reason };
  const faults = outcomes.filter(({ isFault }) => isFault).length;
  return { kind: "open", retryAtMs: busyUntilMs, reason, faults: Math.max(faults, openings) };
}

/** @returns load to add, in requests (B5, B7). */
export function penaltyOf({ penalty }: Breaker, nowMs: number): number {
  const halves = Math.max(0, nowMs - penalty.atMs) / PENALTY_HALF_LIFE_MS;
  const requests = penalty.requests * 0.5 ** halves;
  return requests < NO_PENALTY ? 0 : requests;
}

/** A trial of an earlier opening, or one that was given up, is like any other request (B4). */
function isOnTrial({ phase }: Breaker, trialAtMs: number | null): boolean {
  return trialAtMs !== null && phase.kind === "open" && phase.trialAtMs === trialAtMs;
}

function ended(breaker: Breaker, outcome: CallOutcome, isTrial: boolean, facts: BreakerFacts): Breaker {
  switch (outcome.kind) {
    case "modelFault": // it answered; of its models there are breakers of their own
    case "neutral":
      return isTrial ? withoutTrial(breaker) : breaker;
    case "ok": {
      const next = remember(breaker, false, facts.nowMs);
      // B4: outside a trial a good end says that it was healthy when the request was sent.
      return isTrial || next.phase.kind === "unknown" ? closed(next, facts.nowMs) : next;
    }
    case "fault": {
      const next = remember(breaker, true, facts.nowMs);
      const isRefused = outcome.isRefused === true;
      const opens = isTrial || (next.phase.kind !== "open" && (isRefused || isFaulty(next)));
      return opens ? opened(next, outcome.reason, isRefused, 0, facts) : next;
    }
    case "overloaded": {
      const next = penalised(remember(breaker, true, facts.nowMs), facts.nowMs);
      const waitMs = Math.min(MAX_RETRY_AFTER_MS, Math.max(0, outcome.retryAfterMs ?? 0));
      const opens = isTrial || (next.phase.kind !== "open" && (waitMs > 0 || isFaulty(next)));
      return opens ? opened(next, outcome.reason, false, waitMs, facts) : next;
    }
  }
}

function probed(breaker: Breaker, fault: string | null, isRefused: boolean, facts: BreakerFacts): Breaker {
  const { phase } = breaker;
  if (fault === null) {
    const isProof = phase.kind === "unknown" || (phase.kind === "open" && phase.byConnection);
    return isProof ? closed(breaker, facts.nowMs) : breaker;
  }
  // B2: a probe that fails while open is a retry that failed, so the next waits longer.
  if (phase.kind === "open" && facts.nowMs < phase.retryAtMs) return breaker;
  const next = remember(breaker, true, facts.nowMs);
  const opens = isRefused || phase.kind !== "healthy" || isFaulty(next);
  return opens ? opened(next, fault, true, 0, facts) : next;
}

function opened(
  breaker: Breaker,
  reason: string,
  byConnection: boolean,
  atLeastMs: number,
  { nowMs, draw }: BreakerFacts,
): Breaker {
  const isRelapse = breaker.closedAtMs !== null && nowMs - breaker.closedAtMs < STABLE_MS;
  const openings = breaker.phase.kind === "open" || isRelapse ? breaker.openings + 1 : 1;
  const doubled = MIN_BACKOFF_MS * 2 ** Math.min(openings - 1, MAX_EXPONENT);
  // Half of it is certain, half is chance, so that nodes that lost the same server do not return together.
  const backoffMs = Math.min(MAX_BACKOFF_MS, doubled) * (0.5 + 0.5 * draw);
  const retryAtMs = nowMs + Math.max(backoffMs, atLeastMs);
  return {
    ...breaker,
    phase: { kind: "open", retryAtMs, reason, byConnection, trialAtMs: null },
    openings,
  };
}

function closed(breaker: Breaker, nowMs: number): Breaker {
  const outcomes = breaker.outcomes.filter(({ isFault }) => !isFault);
  return { ...breaker, phase: { kind: "healthy" }, outcomes, closedAtMs: nowMs };
}

function withTrial(breaker: Breaker, nowMs: number): Breaker {
  return breaker.phase.kind === "open" ? { ...breaker, phase: { ...breaker.phase, trialAtMs: nowMs } } : breaker;
}

function withoutTrial(breaker: Breaker): Breaker {
  return breaker.phase.kind === "open" ? { ...breaker, phase: { ...breaker.phase, trialAtMs: null } } : breaker;
}

function remember(breaker: Breaker, isFault: boolean, nowMs: number): Breaker {
  const recent = breaker.outcomes.filter(({ atMs }) => nowMs - atMs < WINDOW_MS);
  return { ...breaker, outcomes: [...recent, { atMs: nowMs, isFault }].slice(-MAX_OUTCOMES) };
}

/** B1 */
function isFaulty({ outcomes }: Breaker): boolean {
  const faults = outcomes.filter(({ isFault }) => isFault).length;
  return faults >= FAULTS_TO_OPEN && faults * 2 >= outcomes.length;
}

function penalised(breaker: Breaker, nowMs: number): Breaker {
  const requests = Math.min(MAX_PENALTY, penaltyOf(breaker, nowMs) + PENALTY_REQUESTS);
  return { ...breaker, penalty: { requests, atMs: nowMs } };
}
