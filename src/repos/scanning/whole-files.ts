/** What a scan says of files as such: too large, or missing. */
import type { FileFacts } from "./file-facts.ts";
import { isTest, languageOf } from "./languages.ts";
import { isDefect } from "./notes.ts";
import type { Sighted } from "./scan-finding.ts";

/** Lines of code that nobody reads in one sitting. */
const MAX_CODE_LINES = 600;
/** Tests are lists; they may be longer. */
const MAX_TEST_LINES = 1_500;
/** Git keeps every version of it for ever. */
const MAX_TRACKED_BYTES = 5 * 1024 * 1024;

export function largeFilesIn(
  files: ReadonlyMap<string, FileFacts>,
  sizes: ReadonlyMap<string, number>,
): readonly Sighted[] {
  const long = [...files].flatMap(([path, { codeLines, isForeign }]): readonly Sighted[] => {
    const limit = isTest(path) ? MAX_TEST_LINES : MAX_CODE_LINES;
    if (isForeign || languageOf(path)?.isCode !== true || codeLines <= limit) return [];
    return [
      {
        kind: "large-file",
        rule: "long-code",
        path,
        line: null,
        severity: codeLines > 3 * limit ? "medium" : "low",
        effort: "large",
        title: `${path} has ${codeLines} lines of code`,
        evidence: `more than ${limit} lines of code: it holds more than one concept`,
        subject: "",
      },
    ];
  });
  const heavy = [...sizes]
    .filter(([, bytes]) => bytes > MAX_TRACKED_BYTES)
    .map(
      ([path, bytes]): Sighted => ({
        kind: "large-file",
        rule: "heavy-file",
        path,
        line: null,
        severity: "medium",
        effort: "medium",
        title: `${path} is ${Math.round(bytes / 1024 / 1024)} MiB`,
        evidence: `${bytes} bytes are kept in the history with each change of them`,
        subject: "",
      }),
    );
  return [...long, ...heavy];
}

const DOCUMENTS = [
  { rule: "readme", names: /^(?:docs\/|\.github\/)?readme(?:\.\w+)?$/i, title: "README", severity: "medium" },
  { rule: "license", names: /^(?:licen[cs]e|copying|unlicense)(?:[.-][\w.-]+)?$/i, title: "LICENSE", severity: "low" },
  {
    rule: "contributing",
    names: /^(?:docs\/|\.github\/)?contributing(?:\.\w+)?$/i,
    title: "CONTRIBUTING",
    severity: "low",
  },
] as const;

export function missingDocumentsIn(paths: readonly string[]): readonly Sighted[] {
  if (paths.length === 0) return [];
  return DOCUMENTS.filter(({ names }) => !paths.some((path) => names.test(path))).map(({ rule, title, severity }) => ({
    kind: "missing-document",
    rule,
    path: "",
    line: null,
    severity,
    effort: "small",
    title: `There is no ${title}`,
    evidence: `none of ${paths.length} files at the top, in docs/ or .github/ is one`,
    subject: "",
  }));
}

export function notesIn(files: ReadonlyMap<string, FileFacts>): readonly Sighted[] {
  return [...files].flatMap(([path, { notes }]) =>
    notes.map(
      ({ line, word, text }): Sighted => ({
        kind: "note",
        rule: isDefect(word) ? "defect" : "wish",
        path,
        line,
        severity: isDefect(word) ? "medium" : "low",
        effort: "medium",
        title: text === "" ? `${word} without a word` : `${word}: ${text}`,
        evidence: `${path}:${line}: ${word} ${text}`,
        subject: `${word} ${text}`,
      }),
    ),
  );
}
