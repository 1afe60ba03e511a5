/**
 * The life of one alert. Pure.
 *
 * - AL1: at most one alert of a key is open; whatever is raised under it meanwhile goes into that one.
 * - AL2: one that was acknowledged stays quiet until it is worse than it was then, or over.
 * - AL3: the severity of an open alert only rises.
 * - AL4: one that is resolved stays so; what is raised afterwards under its key is another alert.
 * - AL5: only what a person has to hear of is a change: the same again is none.
 */
import { redactText } from "#base";

export const SEVERITIES = ["warning", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What somebody finds wrong. */
export type Raise = {
  /** The same trouble has the same key. */
  readonly key: string;
  readonly severity: Severity;
  readonly title: string;
  /** What is wrong and what to do about it. */
  readonly message: string;
  /** Which part of the node found it. */
  readonly source: string;
};

/** Takes what is wrong, from whoever finds it. Returns at once. */
export interface Alerts {
  raise(alert: Raise): void;
  /** It is over; nothing happens where nothing was raised. */
  resolve(key: string): void;
}

export type AlertState = "firing" | "acknowledged" | "resolved";

export type Alert = Raise & {
  /** Given by the store; rises. */
  readonly id: number;
  readonly state: AlertState;
  readonly raisedAtMs: number;
  /** When its state, severity or text was changed last. */
  readonly changedAtMs: number;
  /** When it was found last, to a minute. */
  readonly seenAtMs: number;
  readonly acknowledgedBy: string | null;
  readonly acknowledgedAtMs: number | null;
  readonly note: string | null;
  readonly resolvedAtMs: number | null;
};

export type AlertChange = "raised" | "worsened" | "acknowledged" | "resolved";

/** An alert and what a person has to hear of it; `isKept`: whether it is to be stored. */
export type AlertStep = { readonly alert: Alert; readonly change: AlertChange | null; readonly isKept: boolean };

const MAX_KEY_CHARS = 200;
const MAX_TITLE_CHARS = 200;
const MAX_MESSAGE_CHARS = 2_000;
const MAX_NAME_CHARS = 128;
/** The text of an open alert has figures that change all the time; it is stored no more often than this. */
const RETOLD_MS = 60_000;

/** @param open the alert of this key that is open; undefined where there is none */
export function raised(open: Alert | undefined, given: Raise, nowMs: number): AlertStep {
  const raise = bounded(given);
  if (open === undefined) {
    const alert: Alert = {
      ...raise,
      id: 0,
      state: "firing",
      raisedAtMs: nowMs,
      changedAtMs: nowMs,
      seenAtMs: nowMs,
      acknowledgedBy: null,
      acknowledgedAtMs: null,
      note: null,
      resolvedAtMs: null,
    };
    return { alert, change: "raised", isKept: true };
  }
  const isWorse = open.severity === "warning" && raise.severity === "critical";
  const isRetold = nowMs - open.seenAtMs >= RETOLD_MS;
  const seenAtMs = isRetold || isWorse ? nowMs : open.seenAtMs;
  const seen = { ...open, title: raise.title, message: raise.message, seenAtMs };
  if (isWorse) {
    const quietNoMore = { acknowledgedBy: null, acknowledgedAtMs: null, note: null };
    const worse = { ...seen, ...quietNoMore, severity: raise.severity, state: "firing", changedAtMs: nowMs } as const;
    return { alert: worse, change: "worsened", isKept: true };
  }
  return { alert: seen, change: null, isKept: isRetold };
}

/** @returns undefined for one that is over. One that was acknowledged before has the latest name and note. */
export function acknowledged(alert: Alert, by: string, note: string | null, nowMs: number): AlertStep | undefined {
  if (alert.state === "resolved") return undefined;
  const quiet: Alert = {
    ...alert,
    state: "acknowledged",
    acknowledgedBy: cut(by, MAX_NAME_CHARS),
    acknowledgedAtMs: nowMs,
    note: note === null ? null : cut(note, MAX_MESSAGE_CHARS),
    changedAtMs: nowMs,
  };
  return { alert: quiet, change: alert.state === "firing" ? "acknowledged" : null, isKept: true };
}

/** @returns undefined for one that is over already. */
export function resolved(alert: Alert, nowMs: number): AlertStep | undefined {
  if (alert.state === "resolved") return undefined;
  const over: Alert = { ...alert, state: "resolved", resolvedAtMs: nowMs, changedAtMs: nowMs };
  return { alert: over, change: "resolved", isKept: true };
}

export function keyOf(key: string): string {
  return cut(key, MAX_KEY_CHARS);
}

function bounded({ key, severity, title, message, source }: Raise): Raise {
  return {
    key: keyOf(key),
    severity,
    title: cut(redactText(title), MAX_TITLE_CHARS),
    message: cut(redactText(message), MAX_MESSAGE_CHARS),
    source: cut(source, MAX_NAME_CHARS),
  };
}

function cut(text: string, maxChars: number): string {
  return text.length <= maxChars ? text : `${text.slice(0, maxChars - 1)}…`;
}
