/** A submission from flags. Pure but for the paths, which become absolute. */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { SubmissionInput } from "#api";
import { err, ok, type Result, refused } from "#base";
import { parseInstant } from "../output/quantities.ts";
import type { Values } from "../parsing/option.ts";
import type { SUBMISSION_OPTIONS, TASK_OPTIONS } from "../table/task-options.ts";

export type TaskFlags = Values<typeof TASK_OPTIONS>;
export type SubmissionFlags = TaskFlags & Values<typeof SUBMISSION_OPTIONS>;

/** As the API's limit on titles. */
const MAX_TITLE_CHARS = 200;

type CheckInput = NonNullable<SubmissionInput["verify"]>[number];

/** @param command what followed `--` */
export function taskFromFlags(flags: TaskFlags, command: readonly string[], cwd: string): Result<SubmissionInput> {
  const checks = checksFromFlags(flags);
  if (!checks.ok) return checks;
  const title = flags.title ?? titleOf(command, flags.prompt);
  if (title === undefined) {
    return err(
      refused("invalid", "there is nothing to run", "Give a command after --, or a task with --file", [
        { path: "command", reason: "is missing" },
      ]),
    );
  }
  return ok({
    title,
    ...defined({
      executor: flags.executor,
      prompt: flags.prompt,
      lane: flags.lane,
      concurrencyKey: flags.key,
      goal: flags.goal,
      workspace: flags.workspace === undefined ? undefined : resolve(cwd, flags.workspace),
      repo: flags.repo === undefined ? undefined : repoOf(flags.repo, cwd),
      tier: flags.tier,
      requires: flags.model.length === 0 ? undefined : { models: [...flags.model] },
      context: contextOf(flags),
      successCriteria: flags.criterion.length === 0 ? undefined : [...flags.criterion],
      selfCorrections: flags.selfCorrections,
      deadlineMs: flags.deadline,
      maxAttempts: flags.maxAttempts,
      command: command.length === 0 ? undefined : [...command],
      verify: checks.value.length === 0 ? undefined : [...checks.value],
      labels: Object.keys(flags.label).length === 0 ? undefined : { ...flags.label },
      env: Object.keys(flags.setEnv).length === 0 ? undefined : { ...flags.setEnv },
    }),
  });
}

/** A path, or the name of a registered repository: a word that is no folder here. */
function repoOf(given: string, cwd: string): string {
  const path = resolve(cwd, given);
  return /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(given) && !existsSync(path) ? given : path;
}

/** As {@link taskFromFlags}, with what only a task of its own has. */
export function submissionFromFlags(
  flags: SubmissionFlags,
  command: readonly string[],
  cwd: string,
  nowMs: number,
): Result<SubmissionInput> {
  const task = taskFromFlags(flags, command, cwd);
  if (!task.ok) return task;
  const runAt = flags.runAt === undefined ? undefined : parseInstant(flags.runAt, nowMs);
  if (runAt?.ok === false) return err(refused("invalid", `--run-at: ${runAt.error}`));
  return ok({
    ...task.value,
    ...defined({
      runAt: runAt?.value,
      dependsOn: flags.depends.length === 0 ? undefined : [...flags.depends],
      onDependencyFailure: flags.onDependencyFailure,
      idempotencyKey: flags.idempotencyKey,
    }),
  });
}

/** @returns the flags among these that were given, by their option key; a task from a file cannot be mixed with them. */
export function flagsBeside(flags: object): readonly string[] {
  return Object.entries(flags).flatMap(([key, value]: [string, unknown]) => {
    if (key === "file" || key === "wait" || key === "timeout") return [];
    if (value === undefined || value === false) return [];
    if (typeof value === "object" && value !== null && Object.keys(value).length === 0) return [];
    return [key];
  });
}

function contextOf({ contextFile, notes }: TaskFlags): SubmissionInput["context"] {
  if (contextFile.length === 0 && notes === undefined) return undefined;
  return {
    ...(contextFile.length === 0 ? {} : { files: [...contextFile] }),
    ...(notes === undefined ? {} : { notes }),
  };
}

function titleOf(command: readonly string[], prompt: string | undefined): string | undefined {
  const text = command.length > 0 ? command.join(" ") : prompt;
  if (text === undefined) return undefined;
  const line = text.replace(/\s+/g, " ").trim();
  return line.length <= MAX_TITLE_CHARS ? line : `${line.slice(0, MAX_TITLE_CHARS - 1)}…`;
}

function checksFromFlags(flags: TaskFlags): Result<readonly CheckInput[]> {
  const checks: CheckInput[] = flags.verifyFile.map((path) => ({ kind: "file_exists", path }));
  for (const pair of flags.verifyContains) {
    const cut = pair.indexOf("=");
    if (cut < 1 || cut === pair.length - 1) {
      return err(refused("invalid", `--verify-contains must be PATH=PATTERN, not "${pair}"`));
    }
    checks.push({ kind: "file_contains", path: pair.slice(0, cut), pattern: pair.slice(cut + 1) });
  }
  for (const line of flags.verifyCommand) checks.push({ kind: "command_succeeds", command: ["sh", "-c", line] });
  if (flags.verifyGitClean) checks.push({ kind: "git_clean" });
  return ok(checks);
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Leaves out fields that are undefined: the API refuses null, and JSON has no undefined. */
function defined<T extends object>(fields: T): Defined<T> {
  // `as`: exactly the fields whose value is not undefined are kept.
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}
