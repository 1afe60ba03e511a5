import { describe, expect, it } from "vitest";
import {
  type ChannelPolicy,
  nextStep,
  quietUntilMs,
  retryDelayMs,
  type Severity,
  type WaitingNotice,
  wants,
} from "#hooks";

const HOUR_MS = 3_600_000;
const NOW = Date.UTC(2026, 6, 1, 21, 30); // 23:30 in Berlin, in summer

const policy = (changed: Partial<ChannelPolicy> = {}): ChannelPolicy => ({
  name: "phone",
  kinds: ["*"],
  leastSeverity: "info",
  quiet: null,
  perHour: 10,
  ...changed,
});

const notices = (...severities: readonly Severity[]): readonly WaitingNotice[] =>
  severities.map((severity, index) => ({
    n: index + 1,
    kind: "alert.raised",
    severity,
    title: `notice ${index + 1}`,
    message: "",
    subject: "",
    atMs: NOW,
    key: null,
    tries: 0,
    nextAtMs: NOW,
  }));

const sent = (step: ReturnType<typeof nextStep>): unknown =>
  step.kind === "send" ? step.notices.map(({ n }) => n) : step;

describe("a channel", () => {
  it.each([
    [["*"], "info", true],
    [["alert.*"], "info", true],
    [["goal.*", "alert.raised"], "info", true],
    [["goal.*"], "info", false],
    [["alert"], "info", false],
    [["*"], "critical", false],
  ] as const)("that wants %j from %s on: a warning of an alert is wanted: %s", (kinds, leastSeverity, isWanted) => {
    const [notice] = notices("warning");
    expect(notice === undefined ? undefined : wants(policy({ kinds, leastSeverity }), notice)).toBe(isWanted);
  });

  it("says one notice in one message, and many at once together", () => {
    expect(sent(nextStep(policy(), notices("info", "info"), [], NOW))).toEqual([1]);
    expect(sent(nextStep(policy(), notices("info", "info", "info", "info"), [], NOW))).toEqual([1, 2, 3, 4]);
  });

  it("is never told more than its limit an hour; the last message says all that there is (NT2)", () => {
    const limited = policy({ perHour: 3 });
    const two = [NOW - 50_000, NOW - 40_000];
    const three = [NOW - HOUR_MS + 5_000, ...two];

    expect(sent(nextStep(limited, notices("info", "info"), two, NOW))).toEqual([1, 2]);
    expect(nextStep(limited, notices("info"), three, NOW)).toEqual({ kind: "wait", untilMs: NOW + 5_000 });
    expect(sent(nextStep(limited, notices("info", "critical"), three, NOW))).toEqual([2]);
    const six = [...three, NOW - 3, NOW - 2, NOW - 1];
    expect(nextStep(limited, notices("critical"), six, NOW)).toEqual({ kind: "wait", untilMs: NOW + 5_000 });
    expect(sent(nextStep(limited, notices("critical"), six, NOW + 5_001))).toEqual([1]);
  });

  it("keeps quiet over midnight in its own time zone, except for what is critical (NT3)", () => {
    const quiet = { fromMinute: 22 * 60, toMinute: 7 * 60, timezone: "Europe/Berlin" };

    expect(quietUntilMs(quiet, NOW)).toBe(Date.UTC(2026, 6, 2, 5, 0));
    expect(quietUntilMs(quiet, Date.UTC(2026, 6, 2, 5, 0))).toBeUndefined();
    expect(quietUntilMs(quiet, Date.UTC(2026, 6, 1, 19, 59))).toBeUndefined();
    expect(quietUntilMs({ ...quiet, toMinute: quiet.fromMinute }, NOW)).toBeUndefined();
    expect(nextStep(policy({ quiet }), notices("warning"), [], NOW)).toEqual({
      kind: "wait",
      untilMs: Date.UTC(2026, 6, 2, 5, 0),
    });
    expect(sent(nextStep(policy({ quiet }), notices("warning", "critical"), [], NOW))).toEqual([2]);
  });

  it("that failed waits with all that it has; a clock that was put back does not hold it for ever", () => {
    const [one, two] = notices("info", "info");
    const waiting = one === undefined || two === undefined ? [] : [{ ...one, nextAtMs: NOW + 9_000 }, two];

    expect(nextStep(policy(), waiting, [], NOW)).toEqual({ kind: "wait", untilMs: NOW + 9_000 });
    expect(sent(nextStep(policy(), waiting, [], NOW - 24 * HOUR_MS))).toEqual([1]);
  });

  it("waits twice as long after each try, by chance up to half less, and as long as it is asked to", () => {
    expect([0, 1, 2].map((tries) => retryDelayMs(tries, 1))).toEqual([5_000, 10_000, 20_000]);
    expect(retryDelayMs(0, 0)).toBe(2_500);
    expect(retryDelayMs(99, 1)).toBe(900_000);
    expect(retryDelayMs(0, 0, 60_000)).toBe(60_000);
  });
});
