import { describe, expect, it } from "vitest";
import {
  decideCheck,
  firstCheck,
  LONGEST_WAIT_MS,
  nextCheck,
  parseWindow,
  type UpdateSchedule,
} from "../../../../src/watchdog/update/schedule.ts";

const HOUR_MS = 3_600_000;
const ON: UpdateSchedule = { isOn: true, everyMs: 6 * HOUR_MS, window: null };
const DUE = { atMs: 1_000, windowDraw: 0 };
const at = (minuteOfDay: number) => ({ nowMs: 1_000, minuteOfDay, isBusy: false });
const minutes = (hour: number, minute = 0): number => hour * 60 + minute;

describe("the window of updates", () => {
  it.each([
    ["02:00-05:00", { from: 120, to: 300 }],
    ["22:30-01:15", { from: 1_350, to: 75 }],
    ["00:00-00:00", { from: 0, to: 0 }],
    ["24:00-05:00", undefined],
    ["2:00-5:00", undefined],
    ["02:00", undefined],
    ["", undefined],
  ])("of %j is %j", (text, window) => {
    expect(parseWindow(text)).toEqual(window);
  });

  it.each([
    ["02:00-05:00", minutes(1, 59), 0, "wait", 60_000],
    ["02:00-05:00", minutes(2), 0, "check", 0],
    ["02:00-05:00", minutes(4, 59), 0, "check", 0],
    ["02:00-05:00", minutes(5), 0, "wait", LONGEST_WAIT_MS],
    // Half of three hours is ninety minutes; this node begins in the middle of them.
    ["02:00-05:00", minutes(2, 44), 0.5, "wait", 60_000],
    ["02:00-05:00", minutes(2, 45), 0.5, "check", 0],
    ["23:00-01:00", minutes(23, 30), 0, "check", 0],
    ["23:00-01:00", minutes(0, 30), 0, "check", 0],
    ["23:00-01:00", minutes(1), 0, "wait", LONGEST_WAIT_MS],
    ["00:00-00:00", minutes(13), 0, "check", 0],
  ])("%s at minute %d with chance %d: %s", (text, minuteOfDay, windowDraw, kind, forMs) => {
    const window = parseWindow(text) ?? null;

    const decision = decideCheck({ ...ON, window }, { ...DUE, windowDraw }, at(minuteOfDay));

    expect(decision).toEqual(kind === "check" ? { kind } : { kind, forMs });
  });

  it("lets every node in at some minute of it, and none at another", () => {
    for (const text of ["02:00-05:00", "23:00-01:00", "12:00-12:01", "00:00-00:00"]) {
      const window = parseWindow(text) ?? { from: 0, to: 0 };
      const length = (window.to - window.from + 1_440) % 1_440 || 1_440;
      for (const windowDraw of [0, 0.3, 0.999]) {
        const open = Array.from({ length: 1_440 }, (_, minute) => minute).filter(
          (minute) => decideCheck({ ...ON, window }, { ...DUE, windowDraw }, at(minute)).kind === "check",
        );
        expect(open.length).toBeGreaterThanOrEqual(length / 2);
        expect(open.every((minute) => (minute - window.from + 1_440) % 1_440 < length)).toBe(true);
      }
    }
  });
});

describe("a check for releases", () => {
  it.each([
    ["is made when it is due", {}, {}, { kind: "check" }],
    ["is waited for", {}, { nowMs: 400 }, { kind: "wait", forMs: 600 }],
    ["is waited for in pieces, since clocks jump", {}, { nowMs: 1_000 - HOUR_MS }, { kind: "wait", forMs: 600_000 }],
    ["waits for a swap", {}, { isBusy: true }, { kind: "wait", forMs: 60_000 }],
    ["is never made when that is switched off", { isOn: false }, {}, { kind: "wait", forMs: 600_000 }],
  ] as const)("%s", (_name, schedule, facts, decision) => {
    expect(decideCheck({ ...ON, ...schedule }, DUE, { ...at(0), ...facts })).toEqual(decision);
  });

  it("comes after 0.8 to 1.2 intervals, and the first one within an hour or the interval", () => {
    const after = [0, 0.5, 1].map((draw) => Math.round(nextCheck(ON, 0, draw, 0).atMs / 1_000));
    expect(after).toEqual([17_280, 21_600, 25_920]);
    expect([0, 1].map((draw) => firstCheck(ON, 0, draw, 0).atMs)).toEqual([30_000, 30_000 + HOUR_MS]);
    expect(firstCheck({ ...ON, everyMs: 60_000 }, 0, 1, 0).atMs).toBe(90_000);
  });
});
