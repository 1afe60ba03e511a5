/** What follows from an entry once it is durable: commands to the activities and to people. */
import type { FaultKind } from "./facts.ts";
import type { Entry } from "./journal.ts";
import type { ActiveState, Cause, Mind } from "./mind.ts";
import type { RemediationName } from "./remediations.ts";

export type Effect =
  /** To be repeated without harm: an activity that runs already goes on. */
  | { readonly kind: "begin"; readonly state: ActiveState; readonly deadlineMs: number }
  /** The activity stops deciding; attempts that run go on. */
  | { readonly kind: "end"; readonly state: ActiveState }
  /** Once per `treatment`; with `onlyIfIdle` not at all if an attempt is well on the target at that moment (FSM7). */
  | {
      readonly kind: "treat";
      readonly treatment: number;
      readonly remediation: RemediationName;
      readonly fault: FaultKind;
      readonly target: string;
      readonly onlyIfIdle: boolean;
    }
  /** Raised once per `key`. */
  | {
      readonly kind: "alert";
      readonly key: string;
      readonly severity: "warning" | "critical";
      readonly message: string;
    }
  /** The mind does not go on by itself, or not soon. Raised once per `key`. */
  | { readonly kind: "askPerson"; readonly key: string; readonly message: string }
  /** What was raised under this key is over; nothing happens where nothing was. */
  | { readonly kind: "settled"; readonly key: string };

/** There is one hold at a time, and one alert of it. */
export const HOLD_KEY = "fsm-hold";

/** @returns the key under which it is said that a state was ended by its deadline, or tried everything in vain. */
export function alertKeyOf(state: ActiveState): string {
  return `fsm:${state}`;
}

/** @returns the effects of an entry, in their order. */
export function effectsOf(entry: Entry): readonly Effect[] {
  switch (entry.kind) {
    case "changed":
      return changed(entry);
    case "treated": {
      const { seq: treatment, remediation, fault, target, onlyIfIdle } = entry;
      return [{ kind: "treat", treatment, remediation, fault, target, onlyIfIdle }];
    }
    case "holdOver":
    case "released":
      return [{ kind: "settled", key: HOLD_KEY }];
    case "judged":
    case "paused":
    case "resumed":
    case "stoodStill":
      return [];
  }
}

/**
 * @returns what a node that starts does about the mind that it read from its journal: its activity begins anew, and who
 *   was to be asked is asked again. Treatments are not repeated; whether they helped is seen by the facts (FSM8).
 */
export function effectsAtStart(mind: Mind): readonly Effect[] {
  const { state, deadlineMs, hold } = mind;
  const effects: Effect[] = [];
  if (state !== "resting" && deadlineMs !== null) effects.push({ kind: "begin", state, deadlineMs });
  if (hold !== null) effects.push(...asking(hold.reason, hold.retryAtMs));
  return effects;
}

const ENDS_WELL: ReadonlySet<Cause> = new Set(["recovered", "workDone", "activityDone"]);

function changed(entry: Extract<Entry, { readonly kind: "changed" }>): readonly Effect[] {
  const { from, to, cause, deadlineMs, hold, lastedMs, outcome } = entry;
  const effects: Effect[] = [];
  if (from !== "resting") effects.push({ kind: "end", state: from });
  // A state that came to its own end has no trouble any more.
  if (from !== "resting" && ENDS_WELL.has(cause)) effects.push({ kind: "settled", key: alertKeyOf(from) });
  if (from !== "resting" && (cause === "deadline" || outcome === "exhausted")) {
    const severity = from === "healing" ? "critical" : "warning";
    const seconds = Math.round(lastedMs / 1_000);
    const message =
      outcome === "exhausted" ? "healing tried everything it may" : `${from} was ended after ${seconds} s`;
    effects.push({ kind: "alert", key: alertKeyOf(from), severity, message });
  }
  if (hold !== null) effects.push(...asking(hold.reason, hold.retryAtMs));
  if (to !== "resting" && deadlineMs !== null) effects.push({ kind: "begin", state: to, deadlineMs });
  return effects;
}

function asking(reason: string, retryAtMs: number | null): readonly Effect[] {
  const remedy = "Look at what is wrong, then release the hold";
  const retry = retryAtMs === null ? "It does not try again by itself" : "It tries once more by itself";
  return [{ kind: "askPerson", key: HOLD_KEY, message: `${reason}. ${retry}. ${remedy}` }];
}
