/** Where a request would go, and what was used, as the API returns it. */
import { z } from "zod";
import { ENDPOINT_KINDS, TIERS } from "#hw";
import { USAGE_GROUPS } from "#inference";
import type { RouteDecision } from "#scheduler";

const termsSchema = z.object({
  waitMs: z.number(),
  loadMs: z.number(),
  prefillMs: z.number(),
  decodeMs: z.number(),
  displacementMs: z.number(),
});

export const decisionSchema = z.object({
  atMs: z.number(),
  tier: z.enum(TIERS).nullable(),
  candidates: z.array(
    z.object({
      endpoint: z.string(),
      model: z.string(),
      rank: z.int(),
      /** Why it cannot take the request; null when it can. */
      refused: z.string().nullable(),
      /** Expected times, term by term; null when it was refused before they mattered. */
      terms: termsSchema.nullable(),
      totalMs: z.number().nullable(),
      contextTokens: z.number().nullable(),
      fit: z.enum(["loaded", "fits", "spills", "tooLarge", "remote", "unknown"]),
      basis: z.enum(["measured", "shared", "estimated"]),
    }),
  ),
  chosen: z.object({ endpoint: z.string(), model: z.string(), contextTokens: z.number().nullable() }).nullable(),
  reason: z.string(),
  retryAfterMs: z.number().nullable(),
});
export type DecisionView = z.output<typeof decisionSchema>;

export function decisionView(decision: RouteDecision): DecisionView {
  return {
    ...decision,
    candidates: decision.candidates.map((candidate) => ({
      ...candidate,
      terms: candidate.terms === null ? null : { ...candidate.terms },
    })),
    chosen: decision.chosen === null ? null : { ...decision.chosen },
  };
}

const MAX_PROMPT_CHARS = 128 * 1024;
const MAX_MODELS = 20;
const MAX_TOKENS = 10_000_000;

/** A request to be explained: by its prompt or by its size; models, or else a tier, or else what the prompt suggests. */
export const explainRouteSchema = z.strictObject({
  prompt: z.string().max(MAX_PROMPT_CHARS).default(""),
  promptTokens: z.int().min(0).max(MAX_TOKENS).optional(),
  models: z.array(z.string().min(1).max(200)).min(1).max(MAX_MODELS).optional(),
  tier: z.enum(TIERS).optional(),
  kinds: z.array(z.enum(ENDPOINT_KINDS)).min(1).max(ENDPOINT_KINDS.length).optional(),
  tools: z.boolean().default(false),
  outputTokens: z.int().min(1).max(MAX_TOKENS).optional(),
  contextTokens: z.int().min(1).max(MAX_TOKENS).optional(),
  /** As the node is set when left out. */
  allowSpill: z.boolean().optional(),
});

export const routeExplanationSchema = z.object({
  classification: z.object({ tier: z.enum(TIERS), reason: z.string() }),
  decision: decisionSchema,
  /** How far expected times were from what replies took since the node began. */
  accuracy: z.object({
    samples: z.int(),
    /** Mean absolute error as a part of the actual time, over about the last hundred; null before the first. */
    meanAbsoluteErrorRatio: z.number().nullable(),
  }),
});

export const usageSumSchema = z.object({
  group: z.string(),
  requests: z.int(),
  promptTokens: z.number(),
  completionTokens: z.number(),
  costMicrodollars: z.number(),
  energyJoules: z.number(),
});

export const budgetSchema = z.object({
  span: z.enum(["hour", "day"]),
  unit: z.enum(["microdollars", "tokens"]),
  limit: z.number(),
  used: z.number(),
  action: z.string(),
  freesAtMs: z.number().nullable(),
});

export const usageSchema = z.object({
  fromMs: z.number(),
  toMs: z.number(),
  by: z.enum(USAGE_GROUPS),
  sums: z.array(usageSumSchema),
  budgets: z.array(budgetSchema),
});
