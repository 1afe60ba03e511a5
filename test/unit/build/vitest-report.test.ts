import { describe, expect, it } from "vitest";
import { addCounts, readRun } from "../../../build/vitest-report.ts";

const report = (testResults: readonly unknown[] = []): string =>
  JSON.stringify({ numPassedTests: 5, numPendingTests: 1, testResults });

const passed = { status: "passed", fullName: "a list is empty" };
const failed = { status: "failed", fullName: "a list is full", failureMessages: ["expected 1 to be 2"] };

describe("reading a test run", () => {
  it("counts the tests and names those that failed, with their messages", () => {
    const run = readRun(
      report([{ name: "list.test.ts", status: "failed", assertionResults: [passed, failed] }]),
      false,
    );

    expect(run).toEqual({
      count: { passed: 5, failed: 1, skipped: 1 },
      failures: [{ file: "list.test.ts", name: "a list is full", message: "expected 1 to be 2" }],
    });
  });

  it("counts a file that failed without a failed test as one failure", () => {
    const unloaded = { name: "list.test.ts", status: "failed", message: "no such module", assertionResults: [] };
    const afterwards = { name: "tree.test.ts", status: "failed", message: "afterAll", assertionResults: [passed] };

    expect(readRun(report([unloaded, afterwards]), false)).toMatchObject({
      count: { failed: 2 },
      failures: [
        { file: "list.test.ts", message: "no such module" },
        { file: "tree.test.ts", message: "afterAll" },
      ],
    });
  });

  it("never says 0 failed for a run that ended badly", () => {
    expect(readRun(report(), false).count.failed).toBe(1);
    expect(readRun(undefined, false).count.failed).toBe(1);
  });

  it("adds counts", () => {
    const one = { passed: 1, failed: 2, skipped: 3 };

    expect(addCounts(one, one)).toEqual({ passed: 2, failed: 4, skipped: 6 });
  });
});
