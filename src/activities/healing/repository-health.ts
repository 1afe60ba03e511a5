/** What is known of repositories that fail, and what a person or a model needs to mend them. */
import { err, type Result, refused } from "#base";
import type { Fault } from "#fsm";

/** A build or a test that fails. */
export type BrokenBuild = {
  /** Absolute path of a working tree, or the name of a registered repository: what a task may name. */
  readonly path: string;
  readonly command: readonly string[];
  /** What it printed, or the end of it. */
  readonly output: string;
};

/** A branch that does not merge. */
export type MergeConflict = { readonly repository: string; readonly files: readonly string[] };

export interface RepositoryHealth {
  /** `repositoryBroken` by repository, `mergeConflict` by branch. */
  faults(): readonly Fault[];
  /** `not_found` where nothing is known to be wrong any more. */
  broken(repository: string): Promise<Result<BrokenBuild>>;
  conflict(branch: string): Promise<Result<MergeConflict>>;
}

/** Of a node that looks after no repository. */
export const NO_REPOSITORIES: RepositoryHealth = {
  faults: () => [],
  broken: (name) =>
    Promise.resolve(err(refused("not_found", `no repository ${name.slice(0, 200)} is looked after here`))),
  conflict: (name) =>
    Promise.resolve(err(refused("not_found", `no branch ${name.slice(0, 200)} is looked after here`))),
};

export type FirstError = { readonly file: string | null; readonly line: number | null; readonly text: string };

/** Of a line of output; more tells nobody anything. */
const MAX_ERROR_CHARS = 500;
/** Lines that are looked at: a build that fails says so soon, or at its end. */
const MAX_LINES = 5_000;

/**
 * Where compilers, linters and test runners name a place: `src/a.ts(3,5)`, `src/a.ts:3:5`, `File "a.py", line 3`,
 * `--> src/a.rs:3:5`. A stack names its own file the same way, `at f (/x/a.ts:3:5)`.
 */
const PLACES = [
  /^\s*(?:-->\s+)?(?<file>[^\s:()"']+\.[A-Za-z0-9]{1,8}):(?<line>\d{1,7})(?::\d+)?\b/,
  /^\s*(?<file>[^\s:()"']+\.[A-Za-z0-9]{1,8})\((?<line>\d{1,7}),\d+\)/,
  /\bFile "(?<file>[^"]+)", line (?<line>\d{1,7})/,
  /\bat (?:.+ )?\(?(?<file>[^\s:()"']+\.[A-Za-z0-9]{1,8}):(?<line>\d{1,7}):\d+\)?/,
] as const;
const SAYS_ERROR =
  /\b(?:error|fail(?:ed|ure)?|exception|panic(?:ked)?|assert\w*|expected|cannot|undefined|not ok)\b|✗|✘|×/i;

/** @returns the first error of an output, with its place where one is named beside it. */
export function firstErrorOf(output: string): FirstError | null {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours of a terminal are what is taken out.
  const lines = output
    .replaceAll(/\u001B\[[0-9;]*m/g, "")
    .split("\n")
    .slice(0, MAX_LINES);
  const at = lines.findIndex((line) => SAYS_ERROR.test(line));
  if (at === -1) return null;
  const text = (lines[at] ?? "").trim().slice(0, MAX_ERROR_CHARS);
  // The place stands in the same line, in those after it, or right before it.
  const near = [lines[at], ...lines.slice(at + 1, at + 12), lines[at - 1]];
  for (const line of near) {
    for (const place of PLACES) {
      const found = place.exec(line ?? "")?.groups;
      if (found?.["file"] === undefined) continue;
      return { file: found["file"], line: Number(found["line"]), text };
    }
  }
  return { file: null, line: null, text };
}

/** Of the output, as much as a task may carry: its end says how it ended. */
const MAX_OUTPUT_CHARS = 6_000;

export type FixTask = {
  readonly title: string;
  readonly prompt: string;
  readonly repo: string;
  readonly verify: { readonly command: readonly string[] };
};

/** @returns what a task to mend it says: where, by which command, and the first error. */
export function fixTaskOf(repository: string, { path, command, output }: BrokenBuild): FixTask {
  const error = firstErrorOf(output);
  const file = error?.file ?? null;
  const place = file === null ? "no place is named" : `${file} line ${error?.line ?? "unknown"}`;
  const shown = command.map((word) => (/^[\w./:=@%+-]+$/.test(word) ? word : JSON.stringify(word))).join(" ");
  const prompt = [
    `The repository ${repository} does not pass: ${shown}`,
    `Place: ${place}`,
    `First error: ${error?.text ?? "none is recognised; see the output"}`,
    "Find the cause and mend it with the smallest change that is right. Do not delete, skip or weaken tests.",
    "The end of what the command printed:",
    output.slice(-MAX_OUTPUT_CHARS),
  ].join("\n\n");
  const where = file === null ? repository : `${repository}: ${file}`;
  return { title: `Mend ${where}`.slice(0, 200), prompt, repo: path, verify: { command } };
}
