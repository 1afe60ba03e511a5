import { z } from "zod";
import { MAX_RESULT_BYTES, type NodeId, type TaskId } from "#base";
import { TIERS, type Tier } from "#hw";
import type { ModelPlan, SandboxPlan } from "./attempt-plan.ts";
import { callCountSchema } from "./loop/checkpoint-schema.ts";
import type { CallCount } from "./loop/loop-end.ts";
import { DEFAULT_HEAD_BYTES, DEFAULT_TAIL_BYTES, type OutputExcerpt } from "./output-window.ts";
import { SANDBOX_MODES, type SandboxMode } from "./sandbox/policy.ts";
import { EXECUTORS, type ExecutorKind, type TaskSpec } from "./task-spec.ts";
import { boundDetail, type VerificationReport } from "./verification/report.ts";
import { reportSchema } from "./verification/report-schema.ts";
import type { WorkspacePlan } from "./workspace.ts";

/** The fencing number of a claim: a later claim has a larger one, and effects of a smaller one are refused. */
export type Fence = { readonly epoch: number; readonly n: number };

/** One attempt, by which everything about it is found. */
export type AttemptRef = {
  readonly taskId: TaskId;
  readonly attempt: number;
  readonly fence: Fence;
  readonly executor: ExecutorKind;
};

export type AttemptLimits = {
  /** Wall limit of a command when the task gives no `deadlineMs`; for a prompt it is in the plan of its model. */
  readonly wallMs: number;
  /** Output of one command in bytes; passing it ends the command. */
  readonly outputBytes: number;
  readonly headBytes: number;
  readonly tailBytes: number;
  /** How long a finished worker waits for a node to take its result. */
  readonly orphanMs: number;
};

export const DEFAULT_LIMITS: AttemptLimits = {
  wallMs: 30 * 60 * 1_000, // CONTRACT: limits, wall time 30 min
  outputBytes: 64 * 1024 * 1024, // a verbose build fits, a runaway loop does not fill a disk
  headBytes: DEFAULT_HEAD_BYTES,
  tailBytes: DEFAULT_TAIL_BYTES,
  orphanMs: 10 * 60 * 1_000, // a node update with its probation is long over
};

/** What a node hands to a worker in `assignment.json` (mode 0600). */
export type Assignment = AttemptRef & {
  readonly version: 1;
  /** Who launched it: a node on a copy of the state folder has another id, and leaves the worker alone. */
  readonly nodeId: NodeId;
  /** Proves to the node which worker speaks; random, never shown to the command. */
  readonly token: string;
  readonly socketPath: string;
  readonly spec: TaskSpec;
  readonly workspace: WorkspacePlan;
  readonly sandbox: SandboxPlan;
  /** Of a task with a prompt; null for a command. */
  readonly model: ModelPlan | null;
  readonly limits: AttemptLimits;
  readonly stateDir: string;
  readonly logPath: string;
};

/** How an attempt ended, as a worker can say it; `lost` is said by the node when a worker died. */
export type AttemptOutcome = "passed" | "partial_pass" | "failed" | "timed_out" | "cancelled";

export type AttemptResult = {
  readonly outcome: AttemptOutcome;
  /** Whether another attempt can do better. Absent when passed, or cancelled by a person. */
  readonly consequence?: "retryable" | "terminal" | undefined;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly output: OutputExcerpt & { readonly logPath: string };
  readonly report: VerificationReport;
  /** How its commands were confined; absent when it ended before that was settled. */
  readonly sandbox?: SandboxMode | undefined;
  /** What models did; absent for a command. */
  readonly model?: ModelWork | undefined;
  /** What went wrong and what to do, for a person. */
  readonly error?: string | undefined;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** Monotonic. */
  readonly durationMs: number;
};

/** What a tool loop came to, besides the verification of its work. */
export type ModelWork = {
  /** At which it ran. */
  readonly tier: Tier;
  /** That the task was classified as. */
  readonly classifiedTier: Tier;
  /** Whether the outcome says something of the model; an endpoint that died or a budget that ended does not. */
  readonly isJudged: boolean;
  readonly tierReason: string;
  /** The installed command that carried it out, whose requests went past the node; null for the tool loop. */
  readonly command: string | null;
  /** Of the last reply; null when there was none. */
  readonly endpoint: string | null;
  readonly model: string | null;
  /** Of all workers that had a part in the loop; tokens and cost are those of this attempt alone. */
  readonly replies: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costMicrodollars: number;
  /** By model: how many of its calls had to be repaired, and how many could not be read. */
  readonly calls: readonly CallCount[];
  /** Why it ended, in one sentence. */
  readonly ended: string;
  /** What the model said last. */
  readonly lastWords: string;
  readonly completed: readonly string[];
  readonly remaining: readonly string[];
  /** The report of each round before the last: what went back to the model. */
  readonly corrections: readonly VerificationReport[];
};

const fenceSchema = z.object({ epoch: z.int(), n: z.int() });

/** The part of an assignment that a later node reads to find its attempt again; newer fields are ignored. */
export const assignmentHeadSchema = z.object({
  version: z.literal(1),
  nodeId: z.string().min(1).max(64),
  taskId: z.string().min(1).max(64),
  attempt: z.int().min(1),
  fence: fenceSchema,
  /** Absent in what a release without models wrote. */
  executor: z.enum(EXECUTORS).default("shell"),
  token: z.string().min(16).max(256),
  logPath: z.string(),
});
export type AssignmentHead = z.infer<typeof assignmentHeadSchema>;

const modelWorkSchema = z.object({
  tier: z.enum(TIERS),
  classifiedTier: z.enum(TIERS),
  isJudged: z.boolean(),
  tierReason: z.string(),
  // A release before this field recorded by endpoint: what it left is taken for the loop's, which is recorded already.
  command: z.string().nullable().default(null),
  endpoint: z.string().nullable(),
  model: z.string().nullable(),
  replies: z.number(),
  promptTokens: z.number(),
  completionTokens: z.number(),
  costMicrodollars: z.number(),
  /** Absent in what an earlier release wrote. */
  calls: z.array(callCountSchema).default([]),
  ended: z.string(),
  lastWords: z.string(),
  completed: z.array(z.string()),
  remaining: z.array(z.string()),
  corrections: z.array(reportSchema),
});

/** `result.json` as it is read back, possibly by a node of another version. */
export const attemptResultSchema = z.object({
  outcome: z.enum(["passed", "partial_pass", "failed", "timed_out", "cancelled"]),
  consequence: z.enum(["retryable", "terminal"]).optional(),
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  output: z.object({
    head: z.string(),
    tail: z.string(),
    totalBytes: z.number(),
    truncated: z.boolean(),
    logPath: z.string(),
  }),
  report: reportSchema,
  sandbox: z.enum(SANDBOX_MODES).optional(),
  model: modelWorkSchema.optional(),
  error: z.string().optional(),
  startedAtMs: z.number(),
  endedAtMs: z.number(),
  durationMs: z.number(),
});

const MAX_ERROR_CHARS = 2_000;

/**
 * Brings a result under {@link MAX_RESULT_BYTES} as JSON: evidence of checks is shortened first, then the output,
 * whose whole is in the log. A result within the limit comes back unchanged. Names of checks and what a model
 * listed are not shortened: by them a limit that is far below the usual one may be passed.
 */
export function boundResult(result: AttemptResult, maxBytes = MAX_RESULT_BYTES): AttemptResult {
  const error = result.error === undefined ? undefined : result.error.slice(0, MAX_ERROR_CHARS);
  let bounded: AttemptResult = error === undefined ? result : { ...result, error };
  for (let keepChars = 8_192; keepChars > 0 && jsonBytes(bounded) > maxBytes; keepChars = Math.floor(keepChars / 2)) {
    bounded = shortened(bounded, keepChars);
  }
  return bounded;
}

function shortened(result: AttemptResult, keepChars: number): AttemptResult {
  const { model } = result;
  const { head, tail } = result.output;
  const cut = head.length > keepChars || tail.length > keepChars;
  return {
    ...result,
    report: shortenedReport(result.report, keepChars),
    ...(model === undefined
      ? {}
      : {
          model: {
            ...model,
            lastWords: model.lastWords.slice(0, keepChars),
            corrections: model.corrections.map((report) => shortenedReport(report, Math.floor(keepChars / 4))),
          },
        }),
    output: {
      ...result.output,
      head: head.slice(0, keepChars),
      tail: keepChars === 0 ? "" : tail.slice(-keepChars),
      truncated: result.output.truncated || cut,
    },
  };
}

function shortenedReport(report: VerificationReport, keepChars: number): VerificationReport {
  const checks = report.checks.map((check) => ({
    ...check,
    detail: boundDetail(check.detail.slice(-Math.floor(keepChars / 4))),
  }));
  return { ...report, checks };
}

function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}
