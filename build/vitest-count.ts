/** Counts tests from vitest's JSON report. Pure. */

/** Tests by outcome, over one or several runs. */
export type TestCount = { readonly passed: number; readonly failed: number; readonly skipped: number };

export const noTests: TestCount = { passed: 0, failed: 0, skipped: 0 };

/** The part of vitest's JSON report that is read here. */
type Report = {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
};

/** The sum of two counts. */
export function addCounts(one: TestCount, other: TestCount): TestCount {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
  };
}

/**
 * The count of one run. A file that could not even be loaded has no tests in the report and counts as one failure, and
 * so does a run that ended badly without naming any: "0 failed" is said only when nothing failed.
 * @param reportText the report, or undefined when vitest died before it wrote one.
 */
export function countTests(reportText: string | undefined, exitedWell: boolean): TestCount {
  if (reportText === undefined) return { ...noTests, failed: exitedWell ? 0 : 1 };
  // `as`: written by the vitest that package.json pins, a moment ago.
  const report = JSON.parse(reportText) as Report;
  const unloaded = report.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
  const failed = report.numFailedTests + unloaded.length;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && !exitedWell ? 1 : failed,
    skipped: report.numPendingTests,
  };
}
