/** What a model answers when it is asked to divide a goal into tasks, and what is accepted of it. Pure. */
import { z } from "zod";
import { err, type JsonObject, nearest, ok, type Result } from "#base";
import type { Goal } from "./goal.ts";
import {
  MAX_CHECKS,
  MAX_CRITERIA,
  MAX_CRITERION_CHARS,
  MAX_PATH_CHARS,
  MAX_PLAN_FILES,
  MAX_PLAN_PROMPT_CHARS,
  MAX_PLAN_TASKS,
  MAX_TITLE_CHARS,
} from "./limits.ts";
import { readModelReply } from "./model-reply.ts";

/** What this build can carry out and check, which this room does not know itself. */
export type Vocabulary = {
  readonly executors: readonly string[];
  readonly tiers: readonly string[];
  readonly check: z.ZodType;
};

export type PlanTask = {
  readonly key: string;
  readonly title: string;
  readonly executor: string;
  readonly prompt: string | null;
  readonly command: readonly string[] | null;
  /** Of the repository, to look at. */
  readonly files: readonly string[];
  /** Keys of tasks that stand before it, in this plan or an earlier one. */
  readonly dependsOn: readonly string[];
  readonly tier: string | null;
  readonly verify: readonly JsonObject[];
  readonly successCriteria: readonly string[];
};
export type Plan = { readonly tasks: readonly PlanTask[] };

export type PlanFacts = {
  /** Paths of the repository; undefined where none is known, then files are not looked up. */
  readonly files: ReadonlySet<string> | undefined;
  /** Keys of tasks that are done, on which new ones may depend. */
  readonly doneKeys: readonly string[];
};

/** Faults told at once: a model mends a few at a time. */
const MAX_FAULTS = 12;
const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/;

const text = (maxChars: number) =>
  z
    .string()
    .max(maxChars)
    .refine((value) => value.trim() !== "", "must not be empty")
    .refine((value) => !value.includes("\u0000"), "must not contain a NUL character");

function planSchema({ executors, tiers, check }: Vocabulary) {
  const task = z.strictObject({
    key: z.string().regex(KEY, "must be 1 to 40 letters, digits, . _ -"),
    title: text(MAX_TITLE_CHARS),
    executor: z.enum(["auto", ...executors]).default("auto"),
    prompt: text(MAX_PLAN_PROMPT_CHARS).optional(),
    command: z.array(z.string().max(MAX_PLAN_PROMPT_CHARS)).min(1).max(100).optional(),
    files: z.array(text(MAX_PATH_CHARS)).max(MAX_PLAN_FILES).default([]),
    dependsOn: z.array(z.string()).max(MAX_PLAN_TASKS).default([]),
    tier: z.enum(tiers).optional(),
    verify: z.array(check).max(MAX_CHECKS).default([]),
    successCriteria: z.array(text(MAX_CRITERION_CHARS)).max(MAX_CRITERIA).default([]),
  });
  return z.strictObject({
    tasks: z
      .array(task)
      .min(1, "must hold at least one task")
      .max(MAX_PLAN_TASKS, `must hold at most ${MAX_PLAN_TASKS} tasks; make them larger`),
  });
}

/**
 * Reads a plan out of a reply. @returns it, or every fault with its place, in words that the model can act on: schema,
 * names, dependencies that do not point backward, files that do not exist.
 */
export function readPlan(reply: string, vocabulary: Vocabulary, facts: PlanFacts): Result<Plan, readonly string[]> {
  const read = readModelReply(reply, planSchema(vocabulary));
  if (!read.ok) return read;
  const tasks = read.value.tasks.map(
    (task): PlanTask => ({
      ...task,
      // `as`: the schema that was handed in gives JSON objects.
      verify: task.verify as readonly JsonObject[],
      prompt: task.prompt ?? null,
      command: task.command ?? null,
      tier: task.tier ?? null,
      dependsOn: [...new Set(task.dependsOn)],
    }),
  );
  const faults = tasks.flatMap((task, index) => taskFaults(task, index, tasks, facts));
  return faults.length > 0 ? err(faults.slice(0, MAX_FAULTS)) : ok({ tasks: withNewKeys(tasks, facts.doneKeys) });
}

/**
 * Models begin each plan with t1. A task with the key of one that is done gets another key; whoever names that key behind
 * it means the task of the same plan.
 */
function withNewKeys(tasks: readonly PlanTask[], doneKeys: readonly string[]): readonly PlanTask[] {
  const taken = new Set([...doneKeys, ...tasks.map(({ key }) => key)]);
  const renamed = new Map<string, string>();
  return tasks.map((task) => {
    const dependsOn = task.dependsOn.map((key) => renamed.get(key) ?? key);
    if (!doneKeys.includes(task.key)) return { ...task, dependsOn };
    let n = 2;
    while (taken.has(`${task.key}-${n}`)) n += 1;
    const key = `${task.key}-${n}`;
    taken.add(key);
    renamed.set(task.key, key);
    return { ...task, key, dependsOn };
  });
}

function taskFaults(task: PlanTask, index: number, tasks: readonly PlanTask[], facts: PlanFacts): readonly string[] {
  const at = (field: string): string => `tasks.${index}.${field}`;
  const before = tasks.slice(0, index).map(({ key }) => key);
  const faults: string[] = [];
  if (before.includes(task.key)) {
    faults.push(`${at("key")}: "${task.key}" names another task too; every key must be its own`);
  }
  const isShell = task.executor === "shell" || (task.executor === "auto" && task.command !== null);
  if (isShell && task.command === null) faults.push(`${at("command")}: executor shell needs a command`);
  if (!isShell && task.prompt === null) faults.push(`${at("prompt")}: is missing; say what is to be done`);
  if (!isShell && task.command !== null) faults.push(`${at("command")}: only executor shell takes a command`);
  for (const name of task.dependsOn) {
    if (before.includes(name) || facts.doneKeys.includes(name)) continue;
    faults.push(`${at("dependsOn")}: ${dependencyFault(name, task, tasks, [...before, ...facts.doneKeys])}`);
  }
  if (facts.files === undefined) return faults;
  for (const file of task.files) {
    if (facts.files.has(file)) continue;
    const near = nearest(file, [...facts.files].slice(0, 2_000));
    const hint =
      near === undefined ? "name only files that exist, new ones belong into the prompt" : `did you mean "${near}"?`;
    faults.push(`${at("files")}: "${file}" does not exist in the repository; ${hint}`);
  }
  return faults;
}

function dependencyFault(name: string, task: PlanTask, tasks: readonly PlanTask[], known: readonly string[]): string {
  if (name === task.key) return `"${name}" is the task itself`;
  if (tasks.some(({ key }) => key === name)) {
    return `"${name}" stands after it; a task may depend only on tasks before it, so put that one first`;
  }
  const may = known.length === 0 ? "there is no task before it" : `before it are ${known.join(", ")}`;
  return `there is no task "${name}"; ${may}`;
}

/** The plan where no model makes one: the goal itself as one task, with the goal's criteria and checks. */
export function fallbackPlan(goal: Goal, failedTexts: readonly string[] = []): Plan {
  const { title, description, successCriteria, verify } = goal.order;
  const parts = [description === "" ? title : description];
  if (failedTexts.length > 0) {
    parts.push(`Earlier work on this failed. Find out why, and complete it:\n${failedTexts.join("\n")}`);
  }
  return {
    tasks: [
      {
        key: `all-${goal.round}`,
        title,
        executor: "auto",
        prompt: parts.join("\n\n").slice(0, MAX_PLAN_PROMPT_CHARS * 4),
        command: null,
        files: [],
        dependsOn: [],
        tier: null,
        verify,
        successCriteria,
      },
    ],
  };
}
