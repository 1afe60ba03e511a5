import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffMs } from "#queue";

const attempts = fc.integer({ min: 1, max: 100 });
const baseMs = fc.integer({ min: 0, max: 3_600_000 });
const maxMs = fc.integer({ min: 0, max: 86_400_000 });
const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("the delay between attempts", () => {
  it("keeps half of the doubled base, at most the cap, and draws the other half", () => {
    fc.assert(
      fc.property(attempts, baseMs, maxMs, draw, (n, base, max, drawn) => {
        const ceilingMs = Math.min(max, base * 2 ** (n - 1));

        const delayMs = backoffMs(n, base, max, drawn);

        expect(Number.isSafeInteger(delayMs)).toBe(true);
        expect(delayMs).toBeGreaterThanOrEqual(Math.floor(ceilingMs / 2));
        expect(delayMs).toBeLessThanOrEqual(ceilingMs);
      }),
    );
  });

  it("never falls from one attempt to the next for the same draw", () => {
    fc.assert(
      fc.property(attempts, baseMs, maxMs, draw, (n, base, max, drawn) => {
        expect(backoffMs(n + 1, base, max, drawn)).toBeGreaterThanOrEqual(backoffMs(n, base, max, drawn));
      }),
    );
  });

  it.each([
    [1, 1_000, 300_000, 0, 500],
    [1, 1_000, 300_000, 0.999_999, 1_000],
    [2, 1_000, 300_000, 0, 1_000],
    [4, 1_000, 300_000, 0.5, 6_000],
    [20, 1_000, 300_000, 0, 150_000],
    [100, 1, 300_000, 0, 150_000],
    [3, 0, 300_000, 0.5, 0],
  ])("after %i attempts, base %i and cap %i ms, draw %f, is %i ms", (n, base, max, drawn, expected) => {
    expect(backoffMs(n, base, max, drawn)).toBe(expected);
  });
});
