/**
 * When a channel says what. Pure.
 *
 * NT1: a notice is kept before anything is sent, and is sent, given up with a reason, or left out with a reason.
 * NT2: a channel is never told more than its limit an hour; what is above it comes together in one message.
 * NT3: in quiet hours only what is critical is sent; the rest waits for their end.
 */
import { isAtLeast, type Notice, type Severity } from "./notice.ts";

export type QuietHours = {
  /** Minutes of the day, in `timezone`. From 22:00 to 07:00 goes over midnight. */
  readonly fromMinute: number;
  readonly toMinute: number;
  /** As IANA names it. */
  readonly timezone: string;
};

export type ChannelPolicy = {
  readonly name: string;
  /** Kinds of notices, or groups such as `alert.*`; `*` is all. */
  readonly kinds: readonly string[];
  readonly leastSeverity: Severity;
  readonly quiet: QuietHours | null;
  /** Messages in an hour; what is critical may take as many again. */
  readonly perHour: number;
};

export function wants({ kinds, leastSeverity }: ChannelPolicy, { kind, severity }: Notice): boolean {
  if (kind === "test") return true;
  const isMeant = kinds.some(
    (one) => one === "*" || one === kind || (one.endsWith(".*") && kind.startsWith(one.slice(0, -1))),
  );
  return isMeant && isAtLeast(severity, leastSeverity);
}

const MAX_RETRY_MS = 900_000;
const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
const HOUR_MS = 3_600_000;

/** @returns when quiet hours that hold now end; undefined outside of them. */
export function quietUntilMs(quiet: QuietHours | null, nowMs: number): number | undefined {
  if (quiet === null || quiet.fromMinute === quiet.toMinute) return undefined;
  const minute = minuteOfDay(nowMs, quiet.timezone);
  const length = (quiet.toMinute - quiet.fromMinute + DAY_MINUTES) % DAY_MINUTES;
  const gone = (minute - quiet.fromMinute + DAY_MINUTES) % DAY_MINUTES;
  // To the minute. When clocks are put back meanwhile it looks again at that time, and finds itself in quiet hours still.
  return gone < length ? nowMs - (nowMs % MINUTE_MS) + (length - gone) * MINUTE_MS : undefined;
}

function minuteOfDay(nowMs: number, timezone: string): number {
  const text = new Intl.DateTimeFormat("en-GB", {
    timeZone: timezone,
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  }).format(nowMs);
  const [hour = "0", minute = "0"] = text.split(":");
  return Number(hour) * 60 + Number(minute);
}

export type WaitingNotice = Notice & {
  readonly n: number;
  readonly tries: number;
  /** Not before. */
  readonly nextAtMs: number;
};

export type NextStep =
  | { readonly kind: "send"; readonly notices: readonly WaitingNotice[] }
  /** Look again then; never, when nothing waits. */
  | { readonly kind: "wait"; readonly untilMs: number | undefined };

/** More than these at once come as one message. */
export const DIGEST_FROM = 4;
/** Notices in one message; what is more follows in the next. */
export const MAX_DIGEST = 200;

/**
 * @param waiting the oldest first
 * @param sentAtMs when messages were sent in the last hour, the oldest first
 */
export function nextStep(
  policy: ChannelPolicy,
  waiting: readonly WaitingNotice[],
  sentAtMs: readonly number[],
  nowMs: number,
): NextStep {
  if (waiting.length === 0) return { kind: "wait", untilMs: undefined };
  const backOffMs = Math.max(...waiting.map(({ nextAtMs }) => nextAtMs));
  // Beyond the longest pause only a clock that was put back can be the reason.
  if (backOffMs > nowMs && backOffMs <= nowMs + MAX_RETRY_MS) return { kind: "wait", untilMs: backOffMs };
  const quietMs = quietUntilMs(policy.quiet, nowMs);
  const critical = waiting.filter(({ severity }) => severity === "critical");
  const allowed = quietMs === undefined ? waiting : critical;
  if (allowed.length === 0) return { kind: "wait", untilMs: quietMs };
  const recent = sentAtMs.filter((atMs) => atMs > nowMs - HOUR_MS);
  const room = policy.perHour - recent.length;
  const mayPass = room > 0 ? allowed : room + policy.perHour > 0 ? critical : [];
  if (mayPass.length === 0) return { kind: "wait", untilMs: roomAtMs(policy, recent, critical.length > 0) };
  // The last of an hour says all that there is.
  const isTogether = mayPass.length >= DIGEST_FROM || room <= 1;
  return { kind: "send", notices: mayPass.slice(0, isTogether ? MAX_DIGEST : 1) };
}

/** When the oldest message that stands in the way is an hour old. */
function roomAtMs({ perHour }: ChannelPolicy, recent: readonly number[], isCritical: boolean): number | undefined {
  const tooMany = recent.length - (isCritical ? 2 * perHour : perHour);
  const oldest = recent[Math.max(0, tooMany)];
  return oldest === undefined ? undefined : oldest + HOUR_MS;
}

const FIRST_RETRY_MS = 5_000;
/** With the longest pauses some two and a half hours: a mail server that is being replaced is back by then. */
export const MAX_TRIES = 16;

/** Twice as long each time, half of it by chance, so that channels that failed together do not come back together. */
export function retryDelayMs(tries: number, chance: number, askedMs = 0): number {
  const wholeMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(tries, 20));
  return Math.min(MAX_RETRY_MS, Math.max(askedMs, Math.round(wholeMs / 2 + (chance * wholeMs) / 2)));
}
