import { closeSync } from "node:fs";
import type { Clock } from "#base";
import { describeEnd } from "../outcome.ts";
import type { Check } from "../task-spec.ts";
import { validateJson } from "../verification/json-schema.ts";
import { parsePattern } from "../verification/pattern.ts";
import {
  boundDetail,
  boundSummary,
  type CheckResult,
  reportOf,
  type VerificationReport,
} from "../verification/report.ts";
import { readUpTo } from "./atomic-file.ts";
import type { CommandRun } from "./command.ts";
import { openConfined } from "./confined-file.ts";

/** What a check reads of a file: larger files are checked by a command. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
const FILE_TIMEOUT_MS = 10_000;
const COMMAND_TIMEOUT_MS = 5 * 60 * 1_000;
const TEST_TIMEOUT_MS = 15 * 60 * 1_000;

/**
 * Runs in a process of its own, because a pattern can backtrack for hours and nothing but SIGKILL stops it.
 * Exit code 0: it occurs; 3: it does not.
 */
const MATCHER = `const [source, flags] = JSON.parse(process.argv.at(-1));
process.exit(new RegExp(source, flags).test(await Bun.stdin.text()) ? 0 : 3);`;
const NO_MATCH = 3;

export type CheckContext = {
  readonly workspace: string;
  readonly clock: Clock;
  /** This executable, which is a JavaScript runtime when asked (`BUN_BE_BUN`). */
  readonly runtime: string;
  /** A folder of drover's own: the runtime reads its configuration from the current folder. */
  readonly ownFolder: string;
  readonly run: (request: {
    readonly command: readonly string[];
    readonly cwd: string;
    readonly wallMs: number;
    readonly extraEnv?: Readonly<Record<string, string>>;
    readonly stdin?: number;
  }) => Promise<CommandRun>;
  readonly stopped: () => boolean;
};

type Finding = {
  readonly passed: boolean;
  readonly summary: string;
  readonly detail?: string;
  readonly timedOut?: boolean;
};

/** Runs the checks one after another in the workspace; a check that cannot run has failed. */
export async function runChecks(checks: readonly Check[], context: CheckContext): Promise<VerificationReport> {
  const results: CheckResult[] = [];
  for (const check of checks) {
    const startedMs = context.clock.monotonicMs();
    const finding = context.stopped() ? fail("not run: the attempt was stopped") : await runCheck(check, context);
    results.push({
      kind: check.kind,
      passed: finding.passed,
      summary: boundSummary(`${check.kind}: ${finding.summary}`),
      detail: boundDetail(finding.detail ?? ""),
      durationMs: Math.round(context.clock.monotonicMs() - startedMs),
      timedOut: finding.timedOut ?? false,
    });
  }
  return reportOf(results);
}

function pass(summary: string, detail?: string): Finding {
  return detail === undefined ? { passed: true, summary } : { passed: true, summary, detail };
}

function fail(summary: string, detail?: string, timedOut = false): Finding {
  return { passed: false, summary, detail: detail ?? "", timedOut };
}

async function runCheck(check: Check, context: CheckContext): Promise<Finding> {
  switch (check.kind) {
    case "file_exists":
      return fileExists(check.path, context);
    case "file_contains":
      return fileContains(check.path, check.pattern, check.timeoutMs ?? FILE_TIMEOUT_MS, context);
    case "command_succeeds":
      return commandSucceeds(check.command, check.timeoutMs ?? COMMAND_TIMEOUT_MS, context);
    case "test_passes":
      return commandSucceeds(check.command, check.timeoutMs ?? TEST_TIMEOUT_MS, context);
    case "git_clean":
      return gitClean(check.timeoutMs ?? COMMAND_TIMEOUT_MS, context);
    case "json_schema":
      return jsonSchema(check.path, check.schema, check.timeoutMs ?? FILE_TIMEOUT_MS, context);
  }
}

function fileExists(path: string, context: CheckContext): Finding {
  const file = openConfined(context.workspace, path, true);
  if (!file.ok) return fail(file.error.reason);
  closeSync(file.value.fd);
  return pass(`${path} exists`);
}

/** Opens a regular file of bounded size, hands it to `read` and closes it. */
async function withFile(
  context: CheckContext,
  path: string,
  read: (fd: number) => Finding | Promise<Finding>,
): Promise<Finding> {
  const file = openConfined(context.workspace, path, false);
  if (!file.ok) return fail(file.error.reason);
  const { fd, stat } = file.value;
  try {
    if (!stat.isFile()) return fail(`${path} is not a regular file`);
    if (stat.size > MAX_FILE_BYTES) {
      return fail(
        `${path} has ${stat.size} bytes, more than the ${MAX_FILE_BYTES} a check reads; use command_succeeds`,
      );
    }
    return await read(fd);
  } finally {
    closeSync(fd);
  }
}

function fileContains(path: string, text: string, timeoutMs: number, context: CheckContext): Promise<Finding> {
  const pattern = parsePattern(text);
  if (!pattern.ok) return Promise.resolve(fail(`the pattern ${pattern.error}`));
  return withFile(context, path, async (fd) => {
    if (pattern.value.kind === "text") {
      const found = Buffer.from(readUpTo(fd, MAX_FILE_BYTES)).includes(pattern.value.text);
      return found ? pass(`${path} contains the text`) : fail(`${path} does not contain ${JSON.stringify(text)}`);
    }
    const { source, flags } = pattern.value;
    const run = await context.run({
      command: [context.runtime, "-e", MATCHER, JSON.stringify([source, flags])],
      cwd: context.ownFolder,
      wallMs: timeoutMs,
      extraEnv: { BUN_BE_BUN: "1" },
      stdin: fd,
    });
    if (run.end.kind === "wallLimit") return fail(`matching ${text} took longer than ${timeoutMs} ms`, undefined, true);
    if (run.exitCode === 0) return pass(`${path} matches the pattern`);
    if (run.exitCode === NO_MATCH) return fail(`${path} does not match ${text}`);
    return fail(`the pattern could not be matched: ${describeEnd(run.end)}`, run.output.head);
  });
}

async function commandSucceeds(command: readonly string[], timeoutMs: number, context: CheckContext): Promise<Finding> {
  const run = await context.run({ command, cwd: context.workspace, wallMs: timeoutMs });
  const line = command.join(" ");
  const detail = run.output.head + (run.output.truncated ? "\n…\n" : "") + run.output.tail;
  if (run.end.kind === "wallLimit") return fail(`${line}: took longer than ${timeoutMs} ms`, detail, true);
  if (run.end.kind === "exited" && run.end.exitCode === 0) return pass(`${line}: exit code 0`, detail);
  return fail(`${line}: ${describeEnd(run.end)}`, detail);
}

async function gitClean(timeoutMs: number, context: CheckContext): Promise<Finding> {
  // fsmonitor would start a program that the repository's own configuration names.
  const command = ["git", "-c", "core.fsmonitor=false", "status", "--porcelain"];
  const run = await context.run({ command, cwd: context.workspace, wallMs: timeoutMs });
  const detail = run.output.head + run.output.tail;
  if (run.end.kind === "wallLimit") return fail(`git status took longer than ${timeoutMs} ms`, detail, true);
  if (run.end.kind !== "exited" || run.end.exitCode !== 0)
    return fail(`git status failed: ${describeEnd(run.end)}`, detail);
  if (run.output.totalBytes === 0) return pass("nothing is changed");
  return fail(`${detail.trim().split("\n").length} paths are changed`, detail);
}

function jsonSchema(path: string, schema: unknown, timeoutMs: number, context: CheckContext): Promise<Finding> {
  return withFile(context, path, (fd) => {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder().decode(readUpTo(fd, MAX_FILE_BYTES)));
    } catch (error) {
      return fail(`${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
    }
    const deadlineMs = context.clock.monotonicMs() + timeoutMs;
    const overTime = (): boolean => context.clock.monotonicMs() > deadlineMs;
    const faults = validateJson(schema, value, overTime);
    if (faults.length === 0) return pass(`${path} is valid`);
    return fail(`${path} is not valid: ${faults[0]}`, faults.join("\n"), overTime());
  });
}
