/** What the tasks of a fleet cost, and what the states of its mind may still spend. */
import { Hono } from "hono";
import { z } from "zod";
import { MAX_PAGE_ROWS, ok, type Result } from "#base";
import type { CostQuery, CostSum } from "#queue";
import { MIND_LABEL, SPENDING_STATES, STATE_ACTIONS, stateOfLabel } from "#telemetry";
import type { ApiEnv } from "../environment.ts";
import { integerField, spanField } from "../parameters.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { json, route } from "../route.ts";

export const COST_GROUPS = ["state", "goal", "model", "endpoint", "node", "executor", "hour", "day"] as const;
type CostGroup = (typeof COST_GROUPS)[number];

const GOAL_LABEL = "drover.goal";
const DAY_MS = 86_400_000;
const MAX_WINDOW_MS = 400 * DAY_MS;
const DEFAULT_SUMS = 100;

const sumSchema = z.object({
  /** Of an hour and a day its first millisecond. */
  group: z.string(),
  /** Of a node. */
  name: z.string().nullable(),
  attempts: z.int(),
  tokens: z.int(),
  costMicrodollars: z.int(),
});

const costsSchema = z.object({
  fromMs: z.int(),
  toMs: z.int(),
  by: z.enum(COST_GROUPS),
  sums: z.array(sumSchema),
  /** What each state of the mind may still spend. */
  states: z.array(
    z.object({
      state: z.enum(SPENDING_STATES),
      leftPercent: z.int(),
      /** What happens when nothing is left. */
      action: z.enum(STATE_ACTIONS),
      budgets: z.array(
        z.object({
          state: z.enum(SPENDING_STATES),
          span: z.enum(["hour", "day"]),
          unit: z.enum(["tokens", "microdollars"]),
          limit: z.int(),
          used: z.int(),
        }),
      ),
    }),
  ),
});

const exampleCosts: z.input<typeof costsSchema> = {
  fromMs: 0,
  toMs: DAY_MS,
  by: "state",
  sums: [{ group: "executing", name: null, attempts: 12, tokens: 48_000, costMicrodollars: 130_000 }],
  states: [
    {
      state: "improving",
      leftPercent: 40,
      action: "pause",
      budgets: [{ state: "improving", span: "day", unit: "tokens", limit: 100_000, used: 60_000 }],
    },
  ],
};

export function costRoutes(ports: ApiPorts) {
  const { clock, stateSpending } = ports;
  return new Hono<ApiEnv>().get(
    "/api/costs",
    route({
      tag: "figures",
      summary: "Tokens and money of the fleet's tasks, by state of the mind, goal, model, endpoint, node, hour or day",
      description:
        "Counts attempts that ended, of tasks that are still kept (`queue.keep_done_ms`). Tasks that the mind did not make " +
        "belong to no state. What other programs used is in `/api/usage`, of each node.",
      query: z.strictObject({
        by: z.enum(COST_GROUPS).optional(),
        since: spanField(MAX_WINDOW_MS),
        limit: integerField(1, MAX_PAGE_ROWS),
      }),
      responses: { 200: json("The sums", costsSchema, exampleCosts) },
    }),
    async (c) => {
      const { by = "day", since = 7 * DAY_MS, limit = DEFAULT_SUMS } = c.req.valid("query");
      const toMs = clock.nowMs() + 1;
      const fromMs = Math.max(0, toMs - since);
      const sums = await sumsBy(ports, by, { fromMs, toMs, limit });
      if (!sums.ok) return answerProblem(c, sums.error);
      const names = new Map(ports.fleet.nodes().map(({ id, name }) => [String(id), name]));
      const nameOf = (group: string): string | null => {
        if (by !== "node") return null;
        return names.get(group) ?? (group === ports.node.id ? ports.node.name : null);
      };
      const states = stateSpending.view().map(({ budgets, ...state }) => ({
        ...state,
        budgets: budgets.map((budget) => ({ ...budget })),
      }));
      const shown = sums.value.map((sum) => ({ ...sum, name: nameOf(sum.group) }));
      return c.json({ fromMs, toMs, by, sums: shown, states }, 200);
    },
  );
}

async function sumsBy(
  { queue }: ApiPorts,
  by: CostGroup,
  span: Omit<CostQuery, "by">,
): Promise<Result<readonly CostSum[]>> {
  if (by === "goal") return queue.store.costs({ ...span, by: { label: GOAL_LABEL } });
  if (by !== "state") return queue.store.costs({ ...span, by });
  const labels = await queue.store.costs({ ...span, by: { label: MIND_LABEL } });
  if (!labels.ok) return labels;
  const sums = SPENDING_STATES.map((state) => {
    const own = labels.value.filter(({ group }) => stateOfLabel(group) === state);
    const total = (of: (sum: CostSum) => number): number => own.reduce((sum, one) => sum + of(one), 0);
    return {
      group: state,
      attempts: total(({ attempts }) => attempts),
      tokens: total(({ tokens }) => tokens),
      costMicrodollars: total(({ costMicrodollars }) => costMicrodollars),
    };
  });
  return ok(sums.filter(({ attempts }) => attempts > 0).slice(0, span.limit));
}
