/** What holds something back so that the node goes on, and letting it go. */
import { Hono } from "hono";
import { z } from "zod";
import type { ApiEnv } from "../environment.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { json, route } from "../route.ts";

const breakerSchema = z.object({
  name: z.string(),
  /** `open` holds back; `halfOpen` lets one request try; `overridden`: a person let everything through. */
  state: z.enum(["closed", "open", "halfOpen", "overridden"]),
  sinceMs: z.int().nullable(),
  value: z.number(),
  limit: z.number().nullable(),
  detail: z.string(),
  isResettable: z.boolean(),
});

const breakersSchema = z.object({ breakers: z.array(breakerSchema) });

const exampleBreakers: z.input<typeof breakersSchema> = {
  breakers: [
    {
      name: "queue",
      state: "open",
      sinceMs: 1,
      value: 800_500,
      limit: 800_000,
      detail: "800500 tasks have not ended; from 800000 on the lanes low and background take none",
      isResettable: true,
    },
  ],
};

export function breakerRoutes({ breakers }: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/breakers",
      route({
        tag: "node",
        summary: "Every breaker, whether it holds something back, and why",
        responses: { 200: json("The breakers", breakersSchema, exampleBreakers) },
      }),
      async (c) => c.json({ breakers: (await breakers.list()).map((breaker) => ({ ...breaker })) }, 200),
    )
    .post(
      "/api/breakers/:name/reset",
      route({
        tag: "node",
        summary: "Let go what a breaker holds back",
        description:
          "`queue` and `disk` then let everything through until their level was good again; `crashes` and `builds` forget " +
          "what was counted; `endpoint:ID` is looked at now. Those of models and budgets cannot be reset.",
        responses: { 200: json("The breakers", breakersSchema, exampleBreakers) },
      }),
      async (c) => {
        const reset = await breakers.reset(c.req.param("name"));
        if (!reset.ok) return answerProblem(c, reset.error);
        return c.json({ breakers: (await breakers.list()).map((breaker) => ({ ...breaker })) }, 200);
      },
    );
}
