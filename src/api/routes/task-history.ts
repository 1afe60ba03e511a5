/** What happened to one task, and why it is where it is. */

import { Hono } from "hono";
import { z } from "zod";
import { MAX_PAGE_ROWS, type NodeId } from "#base";
import type { ApiEnv } from "../environment.ts";
import { exampleEvent, exampleExplanation } from "../examples.ts";
import { type ExplainFacts, explainTask, explanationSchema, loadExplainFacts } from "../explain.ts";
import { fleetOffers } from "../fleet-view.ts";
import { integerField, taskIdFrom } from "../parameters.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { eventSchema, eventView } from "../queue-view.ts";
import { json, route } from "../route.ts";
import { findTask } from "./tasks.ts";

const eventsQuery = z.strictObject({
  after: integerField(0, Number.MAX_SAFE_INTEGER),
  limit: integerField(1, MAX_PAGE_ROWS),
});

export function taskHistoryRoutes(ports: ApiPorts) {
  const { queue, clock } = ports;
  return new Hono<ApiEnv>()
    .get(
      "/api/tasks/:id/events",
      route({
        tag: "tasks",
        summary: "The history of one task",
        query: eventsQuery,
        responses: {
          200: json("Events in order", z.object({ events: z.array(eventSchema), nextAfter: z.int() }), {
            events: [exampleEvent],
            nextAfter: exampleEvent.seq,
          }),
        },
      }),
      async (c) => {
        const id = taskIdFrom(c.req.param("id"));
        if (!id.ok) return answerProblem(c, id.error);
        const { after = 0, limit = MAX_PAGE_ROWS } = c.req.valid("query");
        const events = await queue.store.events(after, limit, id.value);
        if (!events.ok) return answerProblem(c, events.error);
        if (events.value.length === 0) {
          // No event may mean no such task; its events may also have been pruned.
          const record = await findTask(ports, id.value);
          if (!record.ok) return answerProblem(c, record.error);
        }
        return c.json({ events: events.value.map(eventView), nextAfter: events.value.at(-1)?.seq ?? after }, 200);
      },
    )
    .get(
      "/api/tasks/:id/explain",
      route({
        tag: "tasks",
        summary: "Why a task is where it is, and what would change that",
        responses: { 200: json("The reasons that hold now", explanationSchema, exampleExplanation) },
      }),
      async (c) => {
        const id = taskIdFrom(c.req.param("id"));
        if (!id.ok) return answerProblem(c, id.error);
        const facts = await loadExplainFacts(queue.store, id.value, clock.nowMs(), fleetOffers(ports));
        if (!facts.ok) return answerProblem(c, facts.error);
        const decisions = await ports.models.store.decisions(id.value);
        if (!decisions.ok) return answerProblem(c, decisions.error);
        return c.json(
          explainTask({
            ...facts.value,
            decisions: decisions.value,
            leaves: (node) => leaves(ports, node, facts.value),
          }),
          200,
        );
      },
    );
}

/** Why a node leaves the task for another one, or gets nothing at all. */
function leaves(
  { fleet }: ApiPorts,
  node: NodeId,
  { row, requirements, body }: Pick<ExplainFacts, "row" | "requirements" | "body">,
): string | null {
  const backOff = fleet.backOff?.(node);
  return backOff?.reason ?? fleet.deferral?.(node, { id: row.id, requirements, body })?.why ?? null;
}
