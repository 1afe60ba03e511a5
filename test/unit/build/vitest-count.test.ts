import { describe, expect, it } from "vitest";
import { addCounts, countTests } from "../../../build/vitest-count.ts";

const report = (passed: number, failed: number, testResults: readonly unknown[] = []): string =>
  JSON.stringify({ numPassedTests: passed, numFailedTests: failed, numPendingTests: 1, testResults });

describe("counting tests", () => {
  it("takes the numbers of the report", () => {
    expect(countTests(report(5, 2), false)).toEqual({ passed: 5, failed: 2, skipped: 1 });
  });

  it("counts a file that could not be loaded as one failure", () => {
    const unloaded = { status: "failed", assertionResults: [] };

    expect(countTests(report(5, 0, [unloaded]), false).failed).toBe(1);
  });

  it("never says 0 failed for a run that ended badly", () => {
    expect(countTests(report(5, 0), false).failed).toBe(1);
    expect(countTests(undefined, false).failed).toBe(1);
  });

  it("adds runs", () => {
    const one = { passed: 1, failed: 2, skipped: 3 };

    expect(addCounts(one, one)).toEqual({ passed: 2, failed: 4, skipped: 6 });
  });
});
