/**
 * When a node looks for a newer release by itself. Pure: the instant, the time of day and chance are arguments.
 *
 * C1: never while it is switched off, and never outside its window.
 * C2: two checks lie at least 0.8 and at most 1.2 intervals apart, and the wait for the window on top.
 * C3: nodes that were started together, or whose window begins at the same minute, ask at different times.
 */

/** Minutes after midnight, local time. `to` at or before `from` is a window over midnight; equal: the whole day. */
export type UpdateWindow = { readonly from: number; readonly to: number };

export type UpdateSchedule = {
  readonly isOn: boolean;
  readonly everyMs: number;
  readonly window: UpdateWindow | null;
};

/** Two draws of chance, uniform in [0, 1): of the interval, and of the place in the window. */
export type DueCheck = { readonly atMs: number; readonly windowDraw: number };

export type ScheduleFacts = {
  /** Monotonic. */
  readonly nowMs: number;
  readonly minuteOfDay: number;
  /** A swap is under way. */
  readonly isBusy: boolean;
};

export type ScheduleDecision = { readonly kind: "check" } | { readonly kind: "wait"; readonly forMs: number };

const DAY_MINUTES = 24 * 60;
const MINUTE_MS = 60_000;
/** The wall clock may jump meanwhile, so that a wait for the window is looked at again after so long. */
export const LONGEST_WAIT_MS = 10 * MINUTE_MS;
/** A node that was just started serves first. */
const FIRST_CHECK_MS = 30_000;
/** The first check of nodes that were started together is spread over an hour, or an interval that is shorter. */
const FIRST_SPREAD_MS = 60 * MINUTE_MS;
/** Shares of the interval: between 0.8 and 1.2. */
const JITTER = { from: 0.8, width: 0.4 } as const;
/** Checks begin in the first half of a window, so that an update has the second one to come to its end. */
const WINDOW_SPREAD = 0.5;

/** @returns the window of "02:00-05:00", or undefined when the text is none. */
export function parseWindow(text: string): UpdateWindow | undefined {
  const match = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/.exec(text);
  if (match === null) return undefined;
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = match.slice(1).map(Number);
  return { from: fromHour * 60 + fromMinute, to: toHour * 60 + toMinute };
}

export function firstCheck({ everyMs }: UpdateSchedule, nowMs: number, draw: number, windowDraw: number): DueCheck {
  return { atMs: nowMs + FIRST_CHECK_MS + draw * Math.min(FIRST_SPREAD_MS, everyMs), windowDraw };
}

export function nextCheck({ everyMs }: UpdateSchedule, nowMs: number, draw: number, windowDraw: number): DueCheck {
  return { atMs: nowMs + everyMs * (JITTER.from + JITTER.width * draw), windowDraw };
}

export function decideCheck(schedule: UpdateSchedule, due: DueCheck, facts: ScheduleFacts): ScheduleDecision {
  const wait = (forMs: number): ScheduleDecision => ({ kind: "wait", forMs: Math.min(forMs, LONGEST_WAIT_MS) });
  if (!schedule.isOn) return wait(LONGEST_WAIT_MS);
  if (facts.nowMs < due.atMs) return wait(due.atMs - facts.nowMs);
  const opensInMs = untilOpenMs(schedule.window, due.windowDraw, facts.minuteOfDay);
  if (opensInMs > 0) return wait(opensInMs);
  return facts.isBusy ? wait(MINUTE_MS) : { kind: "check" };
}

/** 0 within the window. Its beginning is later for this node by its share of the spread (C3). */
function untilOpenMs(window: UpdateWindow | null, draw: number, minuteOfDay: number): number {
  if (window === null) return 0;
  const minutes = (window.to - window.from + DAY_MINUTES) % DAY_MINUTES || DAY_MINUTES;
  const offset = Math.floor(minutes * WINDOW_SPREAD * draw);
  const into = (minuteOfDay - window.from + DAY_MINUTES) % DAY_MINUTES;
  if (into >= offset && into < minutes) return 0;
  return ((offset - into + DAY_MINUTES) % DAY_MINUTES) * MINUTE_MS;
}
