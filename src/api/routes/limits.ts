/** How often clients of each tier may ask this node, and what a person sets instead. */
import { Hono } from "hono";
import { z } from "zod";
import type { ApiEnv } from "../environment.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { MAX_BURST, MAX_PER_SECOND, MIN_BURST, MIN_PER_SECOND, type RateTiers } from "../rate-tiers.ts";
import { body, json, route } from "../route.ts";

const limitSchema = z.object({ perSecond: z.number(), burst: z.number() });

const tierSchema = limitSchema.extend({
  tier: z.string(),
  /** `override`: a person set it, which goes before the configuration. */
  origin: z.enum(["default", "configuration", "override"]),
  /** What holds without the override. */
  otherwise: limitSchema,
  setAtMs: z.int().nullable(),
});

const tiersSchema = z.object({ limits: z.array(tierSchema) });

const wishSchema = z.strictObject({
  perSecond: z.number().min(MIN_PER_SECOND).max(MAX_PER_SECOND),
  /** Requests that may come at once; twice `perSecond` unless given. */
  burst: z.number().min(MIN_BURST).max(MAX_BURST).optional(),
});

const exampleTiers: z.input<typeof tiersSchema> = {
  limits: [
    {
      tier: "read",
      perSecond: 200,
      burst: 400,
      origin: "override",
      otherwise: { perSecond: 1_000, burst: 2_000 },
      setAtMs: 1_795_844_453_123,
    },
  ],
};

export function limitRoutes({ clock, logger }: ApiPorts, tiers: RateTiers) {
  const view = (): z.output<typeof tiersSchema> => ({
    limits: tiers.list().map((tier) => ({ ...tier, otherwise: { ...tier.otherwise } })),
  });
  return new Hono<ApiEnv>()
    .get(
      "/api/limits",
      route({
        tag: "node",
        summary: "How often clients of each tier may ask this node",
        responses: { 200: json("Every tier", tiersSchema, exampleTiers) },
      }),
      (c) => c.json(view(), 200),
    )
    .put(
      "/api/limits/:tier",
      route({
        tag: "node",
        summary: "Set the limit of a tier, before the configuration and over restarts",
        json: body(wishSchema, { perSecond: 200, burst: 400 }),
        responses: { 200: json("Every tier", tiersSchema, exampleTiers) },
      }),
      (c) => {
        const { perSecond, burst = Math.max(MIN_BURST, 2 * perSecond) } = c.req.valid("json");
        const set = tiers.set(c.req.param("tier"), { perSecond, burst }, clock.nowMs());
        if (!set.ok) return answerProblem(c, set.error);
        logger.info("a rate limit was set", { tier: c.req.param("tier"), perSecond, burst });
        return c.json(view(), 200);
      },
    )
    .delete(
      "/api/limits/:tier",
      route({
        tag: "node",
        summary: "Let the configuration decide on a tier again",
        responses: { 200: json("Every tier", tiersSchema, exampleTiers) },
      }),
      (c) => {
        const unset = tiers.unset(c.req.param("tier"));
        if (!unset.ok) return answerProblem(c, unset.error);
        logger.info("a rate limit is that of the configuration again", { tier: c.req.param("tier") });
        return c.json(view(), 200);
      },
    );
}
