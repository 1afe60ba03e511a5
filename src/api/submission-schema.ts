/** A task as people submit it: what executors read, and what the queue decides on. */

import { z } from "zod";
import { MAX_ATTEMPTS, MAX_DEPENDENCIES, MAX_LABEL_CHARS, MAX_LABELS } from "#base";
import { taskSpecShape } from "#execution";
import { DEPENDENCY_POLICIES, LANES } from "#queue";

/** Keys are looked up by equality and shown in tables. */
export const MAX_KEY_CHARS = 200;
/** Names local to one batch. */
export const MAX_REF_CHARS = 64;
/** Shown in tables, and written with each reply. */
export const MAX_GOAL_CHARS = 64;
export const MAX_MODELS = 20;
/** Models are named as their servers name them, with a namespace and a tag. */
export const MAX_MODEL_CHARS = 200;
/** A retry later than a day is a schedule. */
export const MAX_RETRY_DELAY_MS = 24 * 60 * 60 * 1_000;

// Control characters would break tables, logs and headers alike.
const CONTROL = /\p{Cc}/u;
const CONTROL_REASON = "must not contain control characters";

const line = (maxChars: number) =>
  z
    .string()
    .min(1)
    .max(maxChars)
    .refine((value) => !CONTROL.test(value), CONTROL_REASON);

const labelName = z
  .string()
  .max(MAX_LABEL_CHARS)
  .regex(/^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$/, "must be letters and digits, with . _ / - between them");

const labels = z
  .record(
    labelName,
    z
      .string()
      .max(MAX_LABEL_CHARS)
      .refine((value) => !CONTROL.test(value), CONTROL_REASON),
  )
  .refine((entries) => Object.keys(entries).length <= MAX_LABELS, `must have at most ${MAX_LABELS} labels`);

export const laneSchema = z.enum(LANES);
export const keySchema = line(MAX_KEY_CHARS);

const goalSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "must be letters, digits, . _ -")
  .max(MAX_GOAL_CHARS);

const retrySchema = z
  .strictObject({
    baseMs: z.int().min(1).max(MAX_RETRY_DELAY_MS).optional(),
    maxMs: z.int().min(1).max(MAX_RETRY_DELAY_MS).optional(),
  })
  .refine(
    ({ baseMs, maxMs }) => baseMs === undefined || maxMs === undefined || baseMs <= maxMs,
    "baseMs must not be greater than maxMs",
  );

export const submissionSchema = z.strictObject({
  ...taskSpecShape,
  lane: laneSchema.default("normal"),
  /** Names this task within its batch, so that others of the batch can depend on it. */
  ref: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "must be letters, digits, . _ -")
    .max(MAX_REF_CHARS)
    .optional(),
  /** Ids of tasks, or refs of the same batch. */
  dependsOn: z.array(line(MAX_REF_CHARS)).max(MAX_DEPENDENCIES).optional(),
  onDependencyFailure: z.enum(DEPENDENCY_POLICIES).default("fail"),
  runAt: z.iso.datetime({ offset: true }).optional(),
  maxAttempts: z.int().min(1).max(MAX_ATTEMPTS).optional(),
  retry: retrySchema.optional(),
  idempotencyKey: keySchema.optional(),
  concurrencyKey: keySchema.optional(),
  /** The goal that the task belongs to: what its models use is accounted to it. */
  goal: goalSchema.optional(),
  labels: labels.optional(),
  requires: z
    .strictObject({
      labels: labels.optional(),
      vramBytes: z.int().min(0).optional(),
      models: z.array(line(MAX_MODEL_CHARS)).max(MAX_MODELS).optional(),
    })
    .optional(),
});

/** As a client writes it. */
export type SubmissionInput = z.input<typeof submissionSchema>;
/** With defaults filled in. */
export type Submission = z.output<typeof submissionSchema>;
