/** How the mind of a node decides: its states, their limits, the ways between them, and what is done about faults. */
import { Hono } from "hono";
import { z } from "zod";
import { MAX_PAGE_ROWS } from "#base";
import {
  ACTIVE_STATES,
  FAULT_MEASURES,
  FSM_STATES,
  type FsmRules,
  GUARDS,
  MAX_PAUSE_MS,
  MAX_REASON_CHARS,
  renderDiagram,
  TRANSITIONS,
} from "#fsm";
import type { ApiEnv } from "../environment.ts";
import { entrySchema, entryView, exampleEntry, exampleState, mindStateSchema, mindStateView } from "../mind-view.ts";
import type { ApiPorts, MindPort } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";

const rulesSchema = z.object({
  /** A mermaid state diagram. */
  diagram: z.string(),
  states: z.array(z.object({ state: z.string(), atLeastMs: z.int(), atMostMs: z.int(), entriesPerPeriod: z.int() })),
  /** In the order in which they are tried; all guards of a row must hold. */
  transitions: z.array(z.object({ from: z.string(), to: z.string(), when: z.array(z.string()) })),
  guards: z.record(z.string(), z.string()),
  remediations: z.array(
    z.object({
      fault: z.string(),
      name: z.string(),
      /** Of both levels: ms, %, or what is counted. */
      unit: z.string(),
      enterAt: z.int(),
      leaveAt: z.int(),
      attempts: z.int(),
      withinMs: z.int(),
      coolDownMs: z.int(),
      mayInterrupt: z.boolean(),
    }),
  ),
});

const exampleRules: z.input<typeof rulesSchema> = {
  diagram: "stateDiagram-v2\n  [*] --> resting\n  resting --> executing: workReady",
  states: [{ state: "healing", atLeastMs: 15_000, atMostMs: 300_000, entriesPerPeriod: 8 }],
  transitions: [{ from: "resting", to: "executing", when: ["workReady"] }],
  guards: { workReady: "goals or their tasks are ready, and there is budget" },
  remediations: [
    {
      fault: "stuckTasks",
      name: "requeueTasks",
      unit: "tasks",
      enterAt: 3,
      leaveAt: 0,
      attempts: 3,
      withinMs: 3_600_000,
      coolDownMs: 10_000,
      mayInterrupt: false,
    },
  ],
};

const HISTORY_ROWS = 50;
const historyQuery = z.object({
  /** A value of `nextCursor`. */
  cursor: z.coerce.number().int().min(1).optional(),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE_ROWS).default(HISTORY_ROWS),
});
const historySchema = z.object({ items: z.array(entrySchema), nextCursor: z.string().nullable() });

const by = z.string().min(1).max(100).default("operator");
const reason = z.string().min(1).max(MAX_REASON_CHARS);
const pauseSchema = z.strictObject({
  by,
  reason: reason.default("asked for by a person"),
  /** Null: until it is resumed. */
  forMs: z.int().min(1).max(MAX_PAUSE_MS).nullable().default(null),
});
const forceSchema = z.strictObject({ by, to: z.enum(FSM_STATES), reason: reason.default("asked for by a person") });
const bySchema = z.strictObject({ by });

/** Never a state of another node: each one has a mind of its own, and answers for it alone. */
export function mindRoutes(ports: ApiPorts) {
  const { mind, node } = ports;
  return new Hono<ApiEnv>()
    .get(
      "/api/hub/rules",
      route({
        tag: "mind",
        summary: "How the mind decides: states, limits, transitions, and the remediations of each fault",
        responses: { 200: json("The rules", rulesSchema, exampleRules) },
      }),
      (c) => c.json(rules(mind.standing().rules), 200),
    )
    .get(
      "/api/hub/state",
      route({
        tag: "mind",
        summary: "What the mind of this node does, why, and what it was told last",
        responses: { 200: json("The mind", mindStateSchema, exampleState) },
      }),
      (c) => c.json(mindStateView(node.id, mind.standing()), 200),
    )
    .get(
      "/api/hub/history",
      route({
        tag: "mind",
        summary: "What the mind of this node decided, the newest first",
        query: historyQuery,
        responses: {
          200: json("A page of its journal", historySchema, { items: [exampleEntry], nextCursor: "11" }),
        },
      }),
      (c) => {
        const { cursor, limit } = c.req.valid("query");
        const found = mind.history(cursor ?? null, limit + 1);
        if (!found.ok) return answerProblem(c, found.error);
        const items = found.value.slice(0, limit).map(entryView);
        const isMore = found.value.length > limit;
        return c.json({ items, nextCursor: isMore ? String(items.at(-1)?.seq ?? "") : null }, 200);
      },
    )
    .route("/", orderRoutes(ports));
}

function orderRoutes({ mind, node }: ApiPorts) {
  const answers = { 200: json("The mind afterwards", mindStateSchema, exampleState) };
  const told = (event: Parameters<MindPort["tell"]>[0]) => {
    const kept = mind.tell(event);
    return kept.ok ? { ok: true as const, view: mindStateView(node.id, mind.standing()) } : kept;
  };
  return new Hono<ApiEnv>()
    .post(
      "/api/hub/pause",
      route({
        tag: "mind",
        summary: "Let the mind rest at once, for a time or until it is resumed; what runs goes on",
        json: body(pauseSchema, { reason: "maintenance", forMs: 3_600_000 }, true),
        responses: answers,
      }),
      (c) => {
        const done = told({ kind: "pause", ...c.req.valid("json") });
        return done.ok ? c.json(done.view, 200) : answerProblem(c, done.error);
      },
    )
    .post(
      "/api/hub/resume",
      route({
        tag: "mind",
        summary: "End a pause",
        json: body(bySchema, {}, true),
        responses: answers,
      }),
      (c) => {
        const done = told({ kind: "resume", ...c.req.valid("json") });
        return done.ok ? c.json(done.view, 200) : answerProblem(c, done.error);
      },
    )
    .post(
      "/api/hub/force",
      route({
        tag: "mind",
        summary: "Bring the mind into a state, whatever its guards say; the deadline of the state holds",
        json: body(forceSchema, { to: "improving", reason: "before the release" }),
        responses: answers,
      }),
      (c) => {
        const done = told({ kind: "force", ...c.req.valid("json") });
        return done.ok ? c.json(done.view, 200) : answerProblem(c, done.error);
      },
    )
    .post(
      "/api/hub/release",
      route({
        tag: "mind",
        summary: "End a safe hold, and forget the episodes that led to it",
        json: body(bySchema, {}, true),
        responses: answers,
      }),
      (c) => {
        const done = told({ kind: "release", ...c.req.valid("json") });
        return done.ok ? c.json(done.view, 200) : answerProblem(c, done.error);
      },
    );
}

function rules({ settings, remediations }: FsmRules): z.output<typeof rulesSchema> {
  return {
    diagram: renderDiagram(),
    states: ACTIVE_STATES.map((state) => ({
      state,
      atLeastMs: settings.dwellMs[state],
      atMostMs: settings.deadlineMs[state],
      entriesPerPeriod: settings.entriesPerPeriod[state],
    })),
    transitions: TRANSITIONS.map(({ from, to, when }) => ({ from, to, when: [...when] })),
    guards: Object.fromEntries(Object.entries(GUARDS).map(([name, { says }]) => [name, says])),
    remediations: remediations.map(({ fault, name, attempts, withinMs, coolDownMs, mayInterrupt }) => ({
      fault,
      name,
      unit: FAULT_MEASURES[fault].unit,
      enterAt: settings.enterAt[fault],
      leaveAt: settings.leaveAt[fault],
      attempts,
      withinMs,
      coolDownMs,
      mayInterrupt,
    })),
  };
}
