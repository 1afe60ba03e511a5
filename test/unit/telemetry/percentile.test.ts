import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { distributionOf, nearestRank } from "#telemetry";

describe("a percentile by nearest rank", () => {
  it.each([
    [[15, 20, 35, 40, 50], 5, 15],
    [[15, 20, 35, 40, 50], 30, 20],
    [[15, 20, 35, 40, 50], 40, 20],
    [[15, 20, 35, 40, 50], 50, 35],
    [[15, 20, 35, 40, 50], 100, 50],
    [[7], 99, 7],
  ])("of %j at %i is %i", (sorted, percent, expected) => {
    expect(nearestRank(sorted, percent)).toBe(expected);
  });

  it("is a measured value with at least that share at or below it, and no smaller one is", () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), fc.integer({ min: 1, max: 100 }), (values, percent) => {
        const sorted = [...values].sort((a, b) => a - b);
        const found = nearestRank(sorted, percent);
        const share = (bound: number) => sorted.filter((value) => value <= bound).length / sorted.length;
        const smaller = sorted.filter((value) => value < found).at(-1);

        expect(sorted).toContain(found);
        expect(share(found)).toBeGreaterThanOrEqual(percent / 100);
        expect(smaller === undefined ? 0 : share(smaller)).toBeLessThan(percent / 100);
      }),
    );
  });
});

describe("a distribution", () => {
  it("of nothing is all zeros", () => {
    expect(distributionOf([])).toEqual({ count: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 });
  });

  it("leaves out what is no number and sorts by value", () => {
    expect(distributionOf([100, 9, Number.NaN, Number.POSITIVE_INFINITY])).toEqual({
      count: 2,
      mean: 54.5,
      p50: 9,
      p95: 100,
      p99: 100,
      max: 100,
    });
  });
});
