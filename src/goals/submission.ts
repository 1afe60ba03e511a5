/** A goal as people, files and programs hand it in. */
import { z } from "zod";
import type { JsonObject } from "#base";
import { LANES } from "#queue";
import { BUDGET_POLICIES, GOAL_CHANNELS, type GoalOrder } from "./goal.ts";
import {
  MAX_BUDGET_MICRODOLLARS,
  MAX_BUDGET_TOKENS,
  MAX_CHECKS,
  MAX_CRITERIA,
  MAX_CRITERION_CHARS,
  MAX_DESCRIPTION_CHARS,
  MAX_KEY_CHARS,
  MAX_LABEL_CHARS,
  MAX_LABELS,
  MAX_NAME_CHARS,
  MAX_PATH_CHARS,
  MAX_TITLE_CHARS,
} from "./limits.ts";

const CONTROL = /\p{Cc}/u;
/** Of several lines; a terminal would obey the rest. */
const CONTROL_IN_PROSE = /[^\P{Cc}\t\n\r]/u;

const line = (maxChars: number) =>
  z
    .string()
    .min(1)
    .max(maxChars)
    .refine((value) => value.trim() !== "", "must not be empty")
    .refine((value) => !CONTROL.test(value), "must not contain control characters");

const prose = (maxChars: number) =>
  z
    .string()
    .max(maxChars)
    .refine((value) => !CONTROL_IN_PROSE.test(value), "must not contain control characters but tabs and line breaks");

const labelName = z
  .string()
  .max(MAX_LABEL_CHARS)
  .regex(/^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$/, "must be letters and digits, with . _ / - between them");
const labelValue = z
  .string()
  .max(MAX_LABEL_CHARS)
  .refine((value) => !CONTROL.test(value), "must not contain control characters");

/** A criterion is a line or a few; line breaks within it would look like several. */
const criterion = prose(MAX_CRITERION_CHARS).refine((value) => value.trim() !== "", "must not be empty");

/**
 * The schema of a submission. Unknown fields are refused.
 * @param check that of one mechanical check, which this room does not know
 */
export function goalSubmissionSchema<Check extends z.ZodType>(check: Check) {
  return z
    .strictObject({
      title: line(MAX_TITLE_CHARS),
      description: prose(MAX_DESCRIPTION_CHARS).optional(),
      priority: z.enum(LANES).optional(),
      successCriteria: z.array(criterion).max(MAX_CRITERIA).optional(),
      verify: z.array(check).max(MAX_CHECKS).optional(),
      repository: line(MAX_NAME_CHARS).nullable().optional(),
      workspace: line(MAX_PATH_CHARS)
        .refine((path) => path.startsWith("/"), "must be an absolute path")
        .nullable()
        .optional(),
      budget: z
        .strictObject({
          tokens: z.int().min(1).max(MAX_BUDGET_TOKENS).nullable().optional(),
          costMicrodollars: z.int().min(1).max(MAX_BUDGET_MICRODOLLARS).nullable().optional(),
        })
        .optional(),
      onBudget: z.enum(BUDGET_POLICIES).optional(),
      channel: z.enum(GOAL_CHANNELS).optional(),
      labels: z
        .record(labelName, labelValue)
        .refine((entries) => Object.keys(entries).length <= MAX_LABELS, `must have at most ${MAX_LABELS} labels`)
        .optional(),
      idempotencyKey: line(MAX_KEY_CHARS).optional(),
    })
    .refine(({ repository, workspace }) => (repository ?? null) === null || (workspace ?? null) === null, {
      path: ["workspace"],
      message: "workspace and repository exclude each other",
    });
}

/** As a client writes it. */
export type GoalSubmission = z.input<ReturnType<typeof goalSubmissionSchema<z.ZodType<JsonObject, JsonObject>>>>;

/** @returns the order, with defaults where the submission is silent. */
export function orderOf(given: GoalSubmission, channel: GoalOrder["channel"] = "api"): GoalOrder {
  return {
    title: given.title,
    description: given.description ?? "",
    priority: given.priority ?? "normal",
    successCriteria: given.successCriteria ?? [],
    verify: given.verify ?? [],
    repository: given.repository ?? null,
    workspace: given.workspace ?? null,
    budget: {
      tokens: given.budget?.tokens ?? null,
      costMicrodollars: given.budget?.costMicrodollars ?? null,
    },
    onBudget: given.onBudget ?? "fail",
    channel: given.channel ?? channel,
    labels: given.labels ?? {},
    idempotencyKey: given.idempotencyKey ?? null,
  };
}

/** @returns the order as a submission again, for documents: what holds anyway is left out. */
export function submissionOf(order: GoalOrder): GoalSubmission {
  const { budget } = order;
  const hasBudget = budget.tokens !== null || budget.costMicrodollars !== null;
  return {
    title: order.title,
    ...(order.description === "" ? {} : { description: order.description }),
    priority: order.priority,
    ...(order.successCriteria.length === 0 ? {} : { successCriteria: [...order.successCriteria] }),
    ...(order.verify.length === 0 ? {} : { verify: [...order.verify] }),
    ...(order.repository === null ? {} : { repository: order.repository }),
    ...(order.workspace === null ? {} : { workspace: order.workspace }),
    ...(hasBudget
      ? {
          budget: {
            ...(budget.tokens === null ? {} : { tokens: budget.tokens }),
            ...(budget.costMicrodollars === null ? {} : { costMicrodollars: budget.costMicrodollars }),
          },
        }
      : {}),
    ...(order.onBudget === "fail" ? {} : { onBudget: order.onBudget }),
    ...(Object.keys(order.labels).length === 0 ? {} : { labels: order.labels }),
  };
}
