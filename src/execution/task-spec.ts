import { z } from "zod";
import { err, type Failure, isReservedVariable, ok, type Result, refused } from "#base";
import { TIERS } from "#hw";
import { schemaFaults } from "./verification/json-schema-keywords.ts";
import { parsePattern } from "./verification/pattern.ts";

/** One line a person reads in a table. */
export const MAX_TITLE_CHARS = 200;
/** Prompts and notes may quote whole files; the submission limit of base bounds their sum. */
export const MAX_PROSE_CHARS = 128 * 1024;
export const MAX_PATH_CHARS = 4_096;
/** Linux refuses one argument above 128 KiB (MAX_ARG_STRLEN); stay clearly below. */
export const MAX_ARGUMENT_CHARS = 64 * 1024;
export const MAX_ARGUMENTS = 256;
export const MAX_CONTEXT_FILES = 200;
export const MAX_CRITERIA = 50;
/** Each check may start a process, and each leaves a line in the report. */
export const MAX_CHECKS = 50;
export const MAX_PATTERN_CHARS = 4_096;
/** A JSON Schema as JSON text. */
export const MAX_SCHEMA_CHARS = 64 * 1024;
export const MAX_ENV_ENTRIES = 100;
export const MAX_ENV_VALUE_CHARS = 32 * 1024;
/** A week: a command that needs longer is a service, not a task. */
export const MAX_DEADLINE_MS = 7 * 24 * 60 * 60 * 1_000;
export const MAX_CHECK_TIMEOUT_MS = 24 * 60 * 60 * 1_000;
export const MAX_OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024 * 1024;
export const MAX_SELF_CORRECTIONS = 10;

const NUL = "\u0000";
const NUL_REASON = "must not contain a NUL character";

/** Text that can be handed to the operating system: no NUL, at least one character. */
function text(maxChars: number) {
  return z
    .string()
    .min(1)
    .max(maxChars)
    .refine((value) => !value.includes(NUL), NUL_REASON);
}

function anyText(maxChars: number) {
  return z
    .string()
    .max(maxChars)
    .refine((value) => !value.includes(NUL), NUL_REASON);
}

const path = text(MAX_PATH_CHARS);

const command = z
  .array(anyText(MAX_ARGUMENT_CHARS))
  .min(1)
  .max(MAX_ARGUMENTS)
  .refine((list) => list[0] !== "", 'must begin with the program to run, for example ["sh","-c","make test"]');

const timeoutMs = z.int().min(1).max(MAX_CHECK_TIMEOUT_MS).optional();

const pattern = text(MAX_PATTERN_CHARS).superRefine((value, context) => {
  const parsed = parsePattern(value);
  if (!parsed.ok) context.addIssue({ code: "custom", message: parsed.error });
});

const schema = z.union([z.boolean(), z.record(z.string(), z.unknown())]).superRefine((value, context) => {
  if (JSON.stringify(value).length > MAX_SCHEMA_CHARS) {
    context.addIssue({ code: "custom", message: `must be at most ${MAX_SCHEMA_CHARS} characters as JSON` });
    return;
  }
  for (const fault of schemaFaults(value)) context.addIssue({ code: "custom", message: fault });
});

/** One mechanical check of a task's outcome; `timeoutMs` bounds that check alone. */
export const checkSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("file_exists"), path, timeoutMs }),
  z.strictObject({ kind: z.literal("file_contains"), path, pattern, timeoutMs }),
  z.strictObject({ kind: z.literal("command_succeeds"), command, timeoutMs }),
  z.strictObject({ kind: z.literal("test_passes"), command, timeoutMs }),
  z.strictObject({ kind: z.literal("git_clean"), timeoutMs }),
  z.strictObject({ kind: z.literal("json_schema"), path, schema, timeoutMs }),
]);
export type Check = z.infer<typeof checkSchema>;
export type CheckKind = Check["kind"];

const env = z
  .record(
    z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "must be a variable name: letters, digits and _")
      .refine((name) => !isReservedVariable(name), 'is reserved; set it inside the command: ["env","NAME=value",…]'),
    anyText(MAX_ENV_VALUE_CHARS),
  )
  .refine((entries) => Object.keys(entries).length <= MAX_ENV_ENTRIES, `must have at most ${MAX_ENV_ENTRIES} names`);

export const EXECUTORS = ["shell", "ollama", "claude"] as const;
export type ExecutorKind = (typeof EXECUTORS)[number];

/**
 * What becomes of what a task changed in a registered repository: `keep` puts it onto the branch when the task has passed,
 * `discard` removes it, for tasks that only look: plans, judgements, checks. Said by who submits the task, so nothing that
 * the task does, and no label of it, makes it otherwise.
 */
export const TASK_CHANGES = ["keep", "discard"] as const;
export type TaskChanges = (typeof TASK_CHANGES)[number];

/** The fields of {@link taskSpecSchema}, for schemas that add their own beside them. */
export const taskSpecShape = {
  title: text(MAX_TITLE_CHARS),
  executor: z.enum(["auto", ...EXECUTORS]).default("auto"),
  prompt: text(MAX_PROSE_CHARS).optional(),
  command: command.optional(),
  context: z
    .strictObject({
      files: z.array(path).max(MAX_CONTEXT_FILES).optional(),
      notes: anyText(MAX_PROSE_CHARS).optional(),
    })
    .optional(),
  successCriteria: z.array(text(MAX_PATTERN_CHARS)).max(MAX_CRITERIA).optional(),
  verify: z.array(checkSchema).max(MAX_CHECKS).default([]),
  tier: z.enum(TIERS).optional(),
  repo: path.optional(),
  changes: z.enum(TASK_CHANGES).optional(),
  workspace: path.optional(),
  deadlineMs: z.int().min(1).max(MAX_DEADLINE_MS).optional(),
  selfCorrections: z.int().min(0).max(MAX_SELF_CORRECTIONS).optional(),
  env: env.optional(),
  outputLimitBytes: z.int().min(1).max(MAX_OUTPUT_LIMIT_BYTES).optional(),
};

/** The part of a submission that executors read. Unknown fields are refused; every length has a limit. */
export const taskSpecSchema = z.strictObject(taskSpecShape);
export type TaskSpec = z.output<typeof taskSpecSchema>;

/**
 * Decides which executor runs the task, given those this build has. Pure.
 * `auto` means shell when a command is given, and the tool loop on a local model when a prompt is. Every refusal names
 * the field and says what to do.
 */
export function resolveExecutor(
  spec: Pick<TaskSpec, "executor" | "command" | "prompt">,
  available: readonly ExecutorKind[],
): Result<ExecutorKind, Failure> {
  const executor = spec.executor === "auto" ? impliedExecutor(spec) : spec.executor;
  if (executor === undefined) {
    return refuseField(
      "command",
      "the task has neither a command nor a prompt",
      'Give a command, for example ["make","test"], or a prompt',
    );
  }
  if (executor === "shell" && spec.command === undefined) {
    return refuseField("command", "executor shell needs a command", 'Give one, for example ["make","test"]');
  }
  if (executor !== "shell" && spec.prompt === undefined) {
    return refuseField("prompt", `executor ${executor} needs a prompt`, "Say in a prompt what is to be done");
  }
  if (!available.includes(executor)) {
    const have = available.length === 0 ? "none" : available.join(", ");
    return refuseField("executor", `executor ${executor} is not available here (available: ${have})`, "Name another");
  }
  return ok(executor);
}

function impliedExecutor(spec: Pick<TaskSpec, "command" | "prompt">): ExecutorKind | undefined {
  if (spec.command !== undefined) return "shell";
  return spec.prompt === undefined ? undefined : "ollama";
}

function refuseField(field: string, reason: string, remedy: string): Result<never, Failure> {
  return err(refused("unsupported", reason, remedy, [{ path: field, reason }]));
}
