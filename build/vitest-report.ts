/** Reads vitest's JSON report: how many tests passed and failed, and which failed why. Pure. */

/** Tests by outcome, over one or several runs. */
export type TestCount = { readonly passed: number; readonly failed: number; readonly skipped: number };

/** One test that failed; `name` is absent where the whole file could not be loaded. */
export type TestFailure = { readonly file: string; readonly name?: string; readonly message: string };

/** What one run came to. A run that died has no failures to name, and still a count of one. */
export type TestRun = { readonly count: TestCount; readonly failures: readonly TestFailure[] };

export const noTests: TestCount = { passed: 0, failed: 0, skipped: 0 };

/** The part of vitest's JSON report that is read here. */
type Report = {
  readonly numPassedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly FileReport[];
};

type FileReport = {
  readonly name: string;
  readonly status: string;
  readonly message?: string;
  readonly assertionResults: readonly AssertionReport[];
};

type AssertionReport = {
  readonly status: string;
  readonly fullName: string;
  readonly failureMessages?: readonly string[];
};

/** The sum of two counts. */
export function addCounts(one: TestCount, other: TestCount): TestCount {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
  };
}

/** The failures of one file: its failed tests, or itself where it failed without one. */
function failuresOf(file: FileReport): readonly TestFailure[] {
  const failed = file.assertionResults.filter(({ status }) => status === "failed");
  if (failed.length === 0) return file.status === "failed" ? [{ file: file.name, message: file.message ?? "" }] : [];
  return failed.map(({ fullName, failureMessages }) => ({
    file: file.name,
    name: fullName,
    message: failureMessages?.join("\n") ?? "",
  }));
}

/**
 * What one run came to. A file that failed without a failed test (it could not be loaded) counts as one failure, and so
 * does a run that ended badly without naming any: "0 failed" is said only when nothing failed.
 * @param reportText the report, or undefined when vitest died before it wrote one.
 */
export function readRun(reportText: string | undefined, exitedWell: boolean): TestRun {
  const unnamed = exitedWell ? 0 : 1;
  if (reportText === undefined) return { count: { ...noTests, failed: unnamed }, failures: [] };
  // `as`: written by the vitest that package.json pins, a moment ago.
  const report = JSON.parse(reportText) as Report;
  const failures = report.testResults.flatMap(failuresOf);
  const failed = failures.length === 0 ? unnamed : failures.length;
  return { count: { passed: report.numPassedTests, failed, skipped: report.numPendingTests }, failures };
}
