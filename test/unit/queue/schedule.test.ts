import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nextDueMs } from "#queue";

function due(cron: string, zone: string, after: string): string {
  const result = nextDueMs(cron, zone, Date.parse(after));
  return result.ok ? new Date(result.value).toISOString() : result.error.message;
}

describe("the next instant of a cron expression", () => {
  it.each([
    ["0 3 * * *", "UTC", "2026-05-01T03:00:00.000Z", "2026-05-02T03:00:00.000Z"],
    ["0 3 * * *", "UTC", "2026-05-01T02:59:59.999Z", "2026-05-01T03:00:00.000Z"],
    ["*/15 * * * *", "UTC", "2026-05-01T00:07:30.500Z", "2026-05-01T00:15:00.000Z"],
    ["*/5 * * * * *", "UTC", "2026-05-01T00:00:00.001Z", "2026-05-01T00:00:05.000Z"],
    ["@hourly", "UTC", "2026-05-01T00:00:00.000Z", "2026-05-01T01:00:00.000Z"],
    ["0 12 * * 1", "UTC", "2026-05-01T00:00:00.000Z", "2026-05-04T12:00:00.000Z"],
    ["0 0 29 2 *", "UTC", "2026-05-01T00:00:00.000Z", "2028-02-29T00:00:00.000Z"],
    // Berlin is one hour ahead in winter and two in summer.
    ["0 3 * * *", "Europe/Berlin", "2026-01-10T12:00:00.000Z", "2026-01-11T02:00:00.000Z"],
    ["0 3 * * *", "Europe/Berlin", "2026-07-10T12:00:00.000Z", "2026-07-11T01:00:00.000Z"],
  ])("%s in %s after %s is %s", (cron, zone, after, expected) => {
    expect(due(cron, zone, after)).toBe(expected);
  });

  it("02:30 on the night it does not exist is due once, in the hour that took its place", () => {
    const first = due("30 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00.000Z");

    expect(first.startsWith("2026-03-29T01:")).toBe(true);
    expect(due("30 2 * * *", "Europe/Berlin", first)).toBe("2026-03-30T00:30:00.000Z");
  });

  it("02:30 on the night it exists twice is due once", () => {
    const first = due("30 2 * * *", "Europe/Berlin", "2026-10-24T22:00:00.000Z");

    expect(["2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z"]).toContain(first);
    expect(due("30 2 * * *", "Europe/Berlin", first)).toBe("2026-10-26T01:30:00.000Z");
  });

  it("lies strictly after the instant asked for and is never skipped", () => {
    const crons = fc.constantFrom("* * * * *", "*/7 * * * *", "0 * * * *", "13 4 * * *", "*/10 * * * * *");
    fc.assert(
      fc.property(crons, fc.integer({ min: 1_700_000_000_000, max: 1_900_000_000_000 }), (cron, afterMs) => {
        const next = nextDueMs(cron, "UTC", afterMs);

        const nextMs = next.ok ? next.value : Number.NaN;
        expect(nextMs).toBeGreaterThan(afterMs);
        expect(nextDueMs(cron, "UTC", nextMs - 1)).toEqual(next);
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ["an expression that is none", "every day", "UTC"],
    ["a field out of range", "61 * * * *", "UTC"],
    ["a zone that does not exist", "0 3 * * *", "Europe/Atlantis"],
    ["a day that never comes", "0 0 30 2 *", "UTC"],
    ["nothing", "", "UTC"],
  ])("of %s is refused with what to do", (_what, cron, zone) => {
    const result = nextDueMs(cron, zone, Date.parse("2026-05-01T00:00:00Z"));

    expect(result).toMatchObject({ ok: false, error: { kind: "refused", code: "invalid" } });
    expect(result.ok ? "" : result.error.remedy).not.toBe(undefined);
  });
});
