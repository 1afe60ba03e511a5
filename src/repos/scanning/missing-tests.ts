/** Code that no test leads to. */
import type { FileFacts } from "./file-facts.ts";
import { isTest, languageOf, nameOf } from "./languages.ts";
import { type ModuleGraph, reachedFrom, withoutEnding } from "./module-graph.ts";
import type { Sighted } from "./scan-finding.ts";

/** Shorter files hold constants and types. */
const MIN_CODE_LINES = 25;
const MAX_REPORTED = 50;
const NO_LOGIC =
  /(?:^|\/)(?:index|main|__init__|__main__|types?|constants?|config|settings|setup|conftest|.*\.config)\.[a-z]+$|\.d\.ts$/i;
const NO_LOGIC_FOLDER = /(?:^|\/)(?:migrations?|scripts?|docs?|examples?|benchmarks?|stories|types)\//i;

/** @returns a finding for each file that no test reaches; a single one when there is no test at all. */
export function missingTestsIn(files: ReadonlyMap<string, FileFacts>, graph: ModuleGraph): readonly Sighted[] {
  const tests = [...files].filter(
    ([path, { isForeign }]) => !isForeign && languageOf(path)?.isCode === true && isTest(path),
  );
  const subjects = [...files].filter(([path, facts]) => wantsTest(path, facts));
  if (subjects.length === 0) return [];
  if (tests.length === 0) return [noTests(subjects.length)];
  const reached = reachedFrom(
    tests.map(([path]) => path),
    graph,
  );
  const said = new Set(tests.flatMap(([path, { mentions }]) => [stem(path), ...mentions]));
  return subjects
    .filter(([path]) => !reached.has(path) && !said.has(stem(path)) && !said.has(path) && !said.has(nameOf(path)))
    .toSorted(([, a], [, b]) => b.codeLines - a.codeLines)
    .slice(0, MAX_REPORTED)
    .map(([path, { codeLines }]) => ({
      kind: "missing-test",
      rule: "unreached-by-tests",
      path,
      line: null,
      severity: codeLines >= 150 ? "medium" : "low",
      effort: codeLines >= 150 ? "large" : "medium",
      title: `No test leads to ${path}`,
      evidence: `${codeLines} lines of code; none of ${tests.length} files of tests imports it, directly or through others`,
      subject: "",
    }));
}

function wantsTest(path: string, { codeLines, isForeign, exports, isProgram }: FileFacts): boolean {
  const language = languageOf(path);
  if (language === undefined || language.modules === null || isForeign || isTest(path) || isProgram) return false;
  return codeLines >= MIN_CODE_LINES && exports.length > 0 && !NO_LOGIC.test(path) && !NO_LOGIC_FOLDER.test(path);
}

function stem(path: string): string {
  return withoutEnding(nameOf(path))
    .replace(/[._-](?:test|tests|spec)$/i, "")
    .replace(/^test_/, "");
}

function noTests(subjects: number): Sighted {
  return {
    kind: "missing-test",
    rule: "no-tests",
    path: "",
    line: null,
    severity: "high",
    effort: "large",
    title: "The repository has no tests",
    evidence: `${subjects} files of code, and no file that is a test by its name or folder`,
    subject: "",
  };
}
