/**
 * The mind of a node, as a machine without effects. It is stepped each second, and whenever something happens.
 *
 * FSM1  It is in exactly one state; every event in every state has an answer.
 * FSM2  Every state but resting has a deadline; at it the mind rests, and an alert says so.
 * FSM3  An episode of healing lasts as long as its deadline at most, and no window holds more healing than its share.
 *       After some episodes that did not help comes the hold: nothing is begun until a person releases it, or by itself
 *       once in a window.
 * FSM4  A state is kept for its dwell time. A fault makes the mind heal from one level on, and is over only at a lower
 *       one. So no input, however it flaps, changes the state more than once in a dwell time. A fault interrupts what
 *       is done for later, improving and contemplating, after the dwell time of resting.
 * FSM5  Each entry of a state but resting takes one of that state's entries of the period; at none left it is not
 *       entered. Without resting the table has no cycle.
 * FSM6  State changes by journal entries alone, and an entry is applied without settings or clock: the same journal
 *       gives the same mind. Effects come after the entries that they follow from, which must be durable first.
 * FSM7  What may interrupt attempts is not done to a target on which one is well.
 * FSM8  A remediation has its own number of attempts on a target and a cool-down that doubles. It is begun only while
 *       healing, once per entry, also after a crash.
 * FSM9  Paused or on hold the mind rests and begins nothing.
 * FSM10 Time that goes back is time that stands still.
 * FSM11 A hold whose cause is gone is over: when nothing was wrong for the time between two episodes. No episode is
 *       forgotten by it, so that what flickers is held against the bounds of FSM3 as before.
 */
import { type Failure, refused } from "#base";
import { type Effect, effectsOf } from "./effects.ts";
import type { Facts } from "./facts.ts";
import { aftermath, forgetBeforeMs, isWell, judge, type Moment, plan } from "./healing-policy.ts";
import { apply, BY_ITSELF, type Deed, type Entry, MAX_NAME_CHARS } from "./journal.ts";
import type { Cause, EpisodeOutcome, FsmState, Mind } from "./mind.ts";
import type { FsmRules } from "./settings.ts";
import { nextMove } from "./transitions.ts";

/** A pause that nobody ends ends after this, if it was given an end at all: a week is past every maintenance. */
export const MAX_PAUSE_MS = 7 * 24 * 3_600_000;
/** What a person gives as a reason; it is shown in one line. */
export const MAX_REASON_CHARS = 500;

export type MindEvent =
  | { readonly kind: "tick" }
  /** `forMs` null: until it is resumed. */
  | { readonly kind: "pause"; readonly by: string; readonly reason: string; readonly forMs: number | null }
  | { readonly kind: "resume"; readonly by: string }
  | { readonly kind: "force"; readonly by: string; readonly to: FsmState; readonly reason: string }
  /** A person had a look at what made it hold. */
  | { readonly kind: "release"; readonly by: string }
  /** Said by the service at its start and after a gap between ticks: for so long nobody could act. */
  | { readonly kind: "stoodStill"; readonly missedMs: number };

/**
 * `entries` are to be made durable, in order and before anything else; then `effects` are performed, in order.
 * `refusal` is for who asked; with one, nothing has changed.
 */
export type MindStep = {
  readonly mind: Mind;
  readonly entries: readonly Entry[];
  readonly effects: readonly Effect[];
  readonly refusal: Failure | null;
};

/**
 * @param nowMs epoch milliseconds that never go back: wall time at the start of the process, at least the last entry's,
 *   and from there on the monotonic clock
 */
export function step(mind: Mind, event: MindEvent, facts: Facts, rules: FsmRules, nowMs: number): MindStep {
  const moment = { facts, rules, nowMs: Math.max(nowMs, mind.atMs) }; // FSM10
  switch (event.kind) {
    case "tick":
      return written(mind, moment, (pen) => tick(pen, moment));
    case "pause":
      if (mind.pause !== null) return refusal(mind, "is paused already", "Resume it first, to pause it anew");
      if (event.forMs !== null && (event.forMs <= 0 || event.forMs > MAX_PAUSE_MS)) {
        return refusal(mind, `cannot be paused for ${event.forMs} ms`, `Give a time up to ${MAX_PAUSE_MS} ms, or none`);
      }
      return written(mind, moment, (pen) => pause(pen, event, moment));
    case "resume":
      if (mind.pause === null) return refusal(mind, "is not paused");
      return written(mind, moment, (pen) => pen.write({ kind: "resumed" }, event.by));
    case "force":
      if (mind.pause !== null) return refusal(mind, "is paused", "Resume it first");
      if (mind.hold !== null) return refusal(mind, "is on hold", "Release it first");
      if (mind.state === event.to) return refusal(mind, `is ${event.to} already`);
      return written(mind, moment, (pen) => {
        pen.write(change(mind, event.to, "forced", short(event.reason), moment), event.by);
      });
    case "release":
      if (mind.hold === null) return refusal(mind, "is not on hold");
      return written(mind, moment, (pen) => pen.write({ kind: "released", isRetry: false }, event.by));
    case "stoodStill": {
      // No more than what passed since the last entry, or a wrong caller could put a deadline off for ever.
      const missedMs = Math.min(event.missedMs, moment.nowMs - mind.atMs);
      if (missedMs <= 0 || mind.state === "resting") return written(mind, moment, () => undefined);
      return written(mind, moment, (pen) => pen.write({ kind: "stoodStill", missedMs }, BY_ITSELF));
    }
  }
}

/** Writes entries and applies each at once, so that what follows sees it. */
class Pen {
  mind: Mind;
  readonly entries: Entry[] = [];
  readonly #nowMs: number;

  constructor(mind: Mind, nowMs: number) {
    this.mind = mind;
    this.#nowMs = nowMs;
  }

  write(deed: Deed, by: string): void {
    const entry: Entry = { ...deed, seq: this.mind.seq + 1, atMs: this.#nowMs, by: by.slice(0, MAX_NAME_CHARS) };
    this.entries.push(entry);
    this.mind = apply(this.mind, entry);
  }
}

const NOTHING: readonly never[] = [];

function written(mind: Mind, { nowMs }: Moment, act: (pen: Pen) => void): MindStep {
  const pen = new Pen(mind, nowMs);
  act(pen);
  const { entries } = pen;
  return {
    mind: pen.mind,
    entries,
    effects: entries.length === 0 ? NOTHING : entries.flatMap(effectsOf),
    refusal: null,
  };
}

/** @param why goes on after `the mind` */
function refusal(mind: Mind, why: string, remedy?: string): MindStep {
  return { mind, entries: NOTHING, effects: NOTHING, refusal: refused("conflict", `the mind ${why}`, remedy) };
}

function tick(pen: Pen, moment: Moment): void {
  const { nowMs } = moment;
  for (const treatment of pen.mind.treatments) {
    const judgement = treatment.verdict === null ? judge(treatment, moment) : null;
    if (judgement !== null) pen.write({ kind: "judged", treatment: treatment.id, ...judgement }, BY_ITSELF);
  }
  const { pause, hold } = pen.mind;
  if (pause !== null) {
    if (pause.untilMs !== null && nowMs >= pause.untilMs) pen.write({ kind: "resumed" }, BY_ITSELF);
    return; // FSM9
  }
  if (hold !== null) {
    // FSM11
    const isOver = moment.facts.wellForMs >= moment.rules.settings.healing.againMs && isWell(pen.mind, moment);
    const isDue = hold.retryAtMs !== null && nowMs >= hold.retryAtMs;
    if (isOver) pen.write({ kind: "holdOver", sinceMs: hold.sinceMs }, BY_ITSELF);
    else if (isDue) pen.write({ kind: "released", isRetry: true }, BY_ITSELF);
    return; // FSM9
  }
  const move = nextMove(pen.mind, moment);
  if (move !== null) pen.write(change(pen.mind, move.to, move.cause, move.reason, moment), BY_ITSELF);
  else if (pen.mind.state === "healing") treat(pen, moment);
}

/** Begins what is due, each seen by the next, as many at once as the settings allow. */
function treat(pen: Pen, moment: Moment): void {
  const deadlineMs = pen.mind.deadlineMs ?? moment.nowMs;
  for (let begun = 0; begun < moment.rules.settings.healing.atOnce; begun += 1) {
    const next = plan(pen.mind, moment, "leaveAt", deadlineMs);
    if (next.kind !== "treat" || moment.nowMs >= deadlineMs) return;
    const { fault, remediation } = next;
    const { rule } = remediation;
    const forMs = rule.kind === "handsOver" ? rule.forMs : rule.withinMs;
    pen.write(
      {
        kind: "treated",
        fault: fault.kind,
        target: fault.target,
        remediation: remediation.name,
        level: fault.level,
        untilMs: moment.nowMs + forMs,
        isHandedOver: rule.kind === "handsOver",
        onlyIfIdle: remediation.mayInterrupt,
        forgetBeforeMs: forgetBeforeMs(moment),
      },
      BY_ITSELF,
    );
  }
}

function pause(pen: Pen, event: Extract<MindEvent, { kind: "pause" }>, moment: Moment): void {
  const { mind } = pen;
  const reason = short(event.reason);
  // To rest first: were only this entry durable, the mind would be at rest, and be asked again.
  if (mind.state !== "resting") pen.write(change(mind, "resting", "paused", reason, moment), event.by);
  pen.write({ kind: "paused", reason, untilMs: event.forMs === null ? null : moment.nowMs + event.forMs }, event.by);
}

function change(mind: Mind, to: FsmState, cause: Cause, reason: string, moment: Moment): Deed {
  const { rules, nowMs } = moment;
  const { deadlineMs, pace } = rules.settings;
  const outcome = mind.state === "healing" ? outcomeOf(cause) : null;
  const { restUntilMs, healAgainMs, hold } =
    outcome === null ? { ...mind, hold: null } : aftermath(mind, outcome, moment);
  return {
    kind: "changed",
    from: mind.state,
    to,
    cause,
    reason,
    lastedMs: nowMs - mind.sinceMs,
    deadlineMs: to === "resting" ? null : nowMs + deadlineMs[to],
    restUntilMs,
    healAgainMs,
    periodSinceMs: nowMs - mind.period.sinceMs >= pace.periodMs ? nowMs : mind.period.sinceMs,
    outcome,
    hold,
  };
}

function outcomeOf(cause: Cause): EpisodeOutcome {
  if (cause === "recovered" || cause === "handedOver" || cause === "exhausted") return cause;
  return cause === "deadline" ? "overdue" : "interrupted";
}

function short(reason: string): string {
  return reason.slice(0, MAX_REASON_CHARS);
}
