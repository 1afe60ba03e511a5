/** Goals: handed in, looked at, steered. */
import { type Context, Hono } from "hono";
import { z } from "zod";
import { err, type GoalId, type JsonObject, ok, parseGoalId, type Result, refused } from "#base";
import { checkSchema } from "#execution";
import { GOAL_STATES, goalBudgetSchema, goalSubmissionSchema, MAX_GOAL_PAGE, MAX_REASON_CHARS, orderOf } from "#goals";
import type { ApiEnv } from "../environment.ts";
import { findGoal } from "../find-goal.ts";
import { exampleGoal, exampleWholeGoal, goalSchema, goalView, wholeGoalSchema } from "../goal-view.ts";
import { integerField, listField } from "../parameters.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";
import { goalDocumentRoutes } from "./goal-documents.ts";

const USUAL_PAGE = 50;

const submission = goalSubmissionSchema(checkSchema);
const receiptSchema = z.object({ id: z.string(), existed: z.boolean() });
/** `accepted`: the order is kept, and its hub has not answered yet. */
const steeredSchema = z.object({ id: z.string(), accepted: z.boolean(), goal: goalSchema.nullable() });
const exampleSteered = { id: exampleGoal.id, accepted: true, goal: exampleGoal };

export function goalRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .route("/", handingInRoutes(ports))
    .route("/", readingRoutes(ports))
    .route("/", goalDocumentRoutes(ports))
    .route("/", steeringRoutes(ports));
}

function handingInRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>().post(
    "/api/goals",
    route({
      tag: "goals",
      summary: "Hand in a goal",
      description:
        "A model divides it into tasks, which are carried out, verified and planned anew where they fail. With an " +
        "idempotency key a repetition is answered with the goal that is there (200). On a node that follows a hub it is " +
        "kept and sent to the hub, also while that is away.",
      json: body(submission, {
        title: exampleGoal.title,
        description: exampleGoal.description,
        successCriteria: exampleGoal.successCriteria,
        verify: [{ kind: "file_exists", path: "bonjour.txt" }],
        budget: { tokens: 200_000 },
      }),
      responses: {
        201: json("Its id", receiptSchema, { id: exampleGoal.id, existed: false }),
        200: json("The goal that the key names already", receiptSchema, { id: exampleGoal.id, existed: true }),
      },
    }),
    async (c) => {
      const given = c.req.valid("json");
      // `as`: checks are JSON objects, by their schema.
      const order = orderOf({ ...given, verify: given.verify as JsonObject[] | undefined });
      const receipt = await ports.goals.submit(order);
      if (!receipt.ok) return answerProblem(c, receipt.error);
      c.header("location", `/api/goals/${receipt.value.id}`);
      return c.json({ ...receipt.value }, receipt.value.existed ? 200 : 201);
    },
  );
}

function readingRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/goals",
      route({
        tag: "goals",
        summary: "List goals, the newest first",
        query: z.strictObject({
          state: listField(GOAL_STATES),
          limit: integerField(1, MAX_GOAL_PAGE),
          cursor: z.string().max(64).optional(),
        }),
        responses: {
          200: json("One page", z.object({ items: z.array(goalSchema), nextCursor: z.string().nullable() }), {
            items: [exampleGoal],
            nextCursor: null,
          }),
        },
      }),
      async (c) => {
        const { state, limit = USUAL_PAGE, cursor } = c.req.valid("query");
        if (cursor !== undefined && parseGoalId(cursor) === undefined) {
          return answerProblem(c, { code: "invalid", message: "the cursor is not one of a list of goals" });
        }
        const page = await ports.goals.store.list(state === undefined ? {} : { states: state }, limit, cursor);
        if (!page.ok) return answerProblem(c, page.error);
        return c.json({ items: page.value.items.map(goalView), nextCursor: page.value.nextCursor }, 200);
      },
    )
    .get(
      "/api/goals/:id",
      route({
        tag: "goals",
        summary: "A goal with its tasks, its history and what it cost",
        responses: { 200: json("The goal", wholeGoalSchema, exampleWholeGoal) },
      }),
      async (c) => {
        const found = await findGoal(ports, c.req.param("id"));
        return found.ok ? c.json(found.value, 200) : answerProblem(c, found.error);
      },
    );
}

function steeringRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .post(
      "/api/goals/:id/cancel",
      route({
        tag: "goals",
        summary: "End a goal, and take its tasks out of the queue",
        json: body(
          z.strictObject({ reason: z.string().min(1).max(MAX_REASON_CHARS).optional() }),
          { reason: "not wanted any more" },
          true,
        ),
        responses: { 200: json("The goal after it", steeredSchema, exampleSteered) },
      }),
      async (c) => {
        const id = goalIdFrom(c);
        if (!id.ok) return answerProblem(c, id.error);
        const after = await ports.goals.cancel(id.value, c.req.valid("json").reason ?? "cancelled by request");
        if (!after.ok) return answerProblem(c, after.error);
        const goal = after.value === undefined ? null : goalView(after.value);
        return c.json({ id: id.value, accepted: true, goal }, 200);
      },
    )
    .post(
      "/api/goals/:id/resume",
      route({
        tag: "goals",
        summary: "Let a goal go on that its budget holds back, with another budget where one is given",
        json: body(
          z.strictObject({ budget: goalBudgetSchema.partial().optional() }),
          { budget: { tokens: 500_000 } },
          true,
        ),
        responses: { 200: json("The goal after it", steeredSchema, exampleSteered) },
      }),
      async (c) => {
        const id = goalIdFrom(c);
        if (!id.ok) return answerProblem(c, id.error);
        const { budget } = c.req.valid("json");
        const known = budget === undefined ? undefined : await ports.goals.store.find(id.value);
        if (known?.ok === false) return answerProblem(c, known.error);
        const before = known?.value?.order.budget ?? { tokens: null, costMicrodollars: null };
        const wanted =
          budget === undefined
            ? null
            : {
                tokens: budget.tokens === undefined ? before.tokens : budget.tokens,
                costMicrodollars:
                  budget.costMicrodollars === undefined ? before.costMicrodollars : budget.costMicrodollars,
              };
        const after = await ports.goals.resume(id.value, wanted);
        if (!after.ok) return answerProblem(c, after.error);
        const goal = after.value === undefined ? null : goalView(after.value);
        return c.json({ id: id.value, accepted: true, goal }, 200);
      },
    );
}

function goalIdFrom(c: Context<ApiEnv>): Result<GoalId> {
  const given = c.req.param("id") ?? "";
  const id = parseGoalId(given);
  if (id !== undefined) return ok(id);
  const message = `"${given.slice(0, 64)}" is not the id of a goal`;
  return err(refused("not_found", message, "Ids begin with g_: drover goal list"));
}
