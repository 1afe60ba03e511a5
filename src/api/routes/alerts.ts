/** What a person has to know of this node, and what became of it. */
import { Hono } from "hono";
import { z } from "zod";
import { err, ok, type Result, refused } from "#base";
import { type Alert, type RuleState, type RuleWatch, SEVERITIES } from "#telemetry";
import type { ApiEnv } from "../environment.ts";
import { integerField, listField } from "../parameters.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";

const MAX_ALERTS = 500;
const DEFAULT_ALERTS = 100;
const STATES = ["firing", "acknowledged", "resolved"] as const;
const AT_MS = 1_763_700_000_000;

const alertSchema = z.object({
  id: z.int(),
  key: z.string(),
  severity: z.enum(SEVERITIES),
  state: z.enum(STATES),
  title: z.string(),
  message: z.string(),
  /** Which part of the node found it. */
  source: z.string(),
  raisedAtMs: z.int(),
  changedAtMs: z.int(),
  /** When it was found last, to a minute. */
  seenAtMs: z.int(),
  acknowledgedBy: z.string().nullable(),
  acknowledgedAtMs: z.int().nullable(),
  note: z.string().nullable(),
  resolvedAtMs: z.int().nullable(),
});

const exampleAlert: z.input<typeof alertSchema> = {
  id: 7,
  key: "queue.growing",
  severity: "warning",
  state: "firing",
  title: "The queue is growing",
  message: "412 more tasks wait than 15 minutes ago",
  source: "rules",
  raisedAtMs: AT_MS,
  changedAtMs: AT_MS,
  seenAtMs: AT_MS + 60_000,
  acknowledgedBy: null,
  acknowledgedAtMs: null,
  note: null,
  resolvedAtMs: null,
};

const found = json("The alert", alertSchema, exampleAlert);

const ruleSchema = z.object({
  name: z.string(),
  title: z.string(),
  /** What the thresholds count. */
  unit: z.string(),
  warnAt: z.number().nullable(),
  criticalAt: z.number().nullable(),
  clearAt: z.number(),
  forMs: z.int(),
  clearForMs: z.int(),
  /** What it looked at last; `value` is null where that was not known. */
  now: z.array(z.object({ key: z.string(), value: z.number().nullable(), held: z.enum(SEVERITIES).nullable() })),
});

const exampleRule: z.input<typeof ruleSchema> = {
  name: "disk",
  title: "The disk is nearly full",
  unit: "percent of the state folder's file system in use",
  warnAt: 90,
  criticalAt: 97,
  clearAt: 87,
  forMs: 60_000,
  clearForMs: 60_000,
  now: [{ key: "disk", value: 41, held: null }],
};

/** Before those of one alert: their path would be the number of one. */
export function alertRuleRoutes({ rules }: ApiPorts) {
  return new Hono<ApiEnv>().get(
    "/api/alerts/rules",
    route({
      tag: "alerts",
      summary: "What is looked at by itself, from which level on it is an alert, and what it is now",
      responses: { 200: json("The rules", z.object({ rules: z.array(ruleSchema) }), { rules: [exampleRule] }) },
    }),
    (c) => c.json({ rules: ruleViews({ rules: rules.rules, states: () => rules.states() }) }, 200),
  );
}

export function alertRoutes({ alerts }: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/alerts",
      route({
        tag: "alerts",
        summary: "Alerts of this node: those that are not over, the newest first, unless `state` asks for others",
        query: z.strictObject({
          state: listField(STATES),
          limit: integerField(1, MAX_ALERTS),
          /** `nextCursor` of the page before. */
          cursor: integerField(1, Number.MAX_SAFE_INTEGER),
        }),
        responses: {
          200: json("A page", z.object({ items: z.array(alertSchema), nextCursor: z.string().nullable() }), {
            items: [exampleAlert],
            nextCursor: null,
          }),
        },
      }),
      (c) => {
        const { state = ["firing", "acknowledged"], limit = DEFAULT_ALERTS, cursor } = c.req.valid("query");
        const page = alerts.list({ states: state, limit, ...(cursor === undefined ? {} : { below: cursor }) });
        if (!page.ok) return answerProblem(c, page.error);
        const last = page.value.length < limit ? undefined : page.value.at(-1);
        const nextCursor = last === undefined ? null : String(last.id);
        return c.json({ items: page.value.map((alert) => ({ ...alert })), nextCursor }, 200);
      },
    )
    .get("/api/alerts/:id", route({ tag: "alerts", summary: "One alert", responses: { 200: found } }), (c) => {
      const id = idFrom(c.req.param("id"));
      const alert: Result<Alert> = id.ok ? alerts.find(id.value) : id;
      return alert.ok ? c.json({ ...alert.value }, 200) : answerProblem(c, alert.error);
    })
    .post(
      "/api/alerts/:id/ack",
      route({
        tag: "alerts",
        summary: "Acknowledge an alert: it is not told of again until it is worse, or over",
        description: "Refused when it is over. Once more takes the latest name and note.",
        json: body(
          z.strictObject({ by: z.string().min(1).max(128).optional(), note: z.string().max(2_000).optional() }),
          { by: "ada", note: "the disk is ordered" },
          true,
        ),
        responses: { 200: found },
      }),
      (c) => {
        const { by = "operator", note } = c.req.valid("json");
        const id = idFrom(c.req.param("id"));
        const alert = id.ok ? alerts.acknowledge(id.value, by, note ?? null) : id;
        return alert.ok ? c.json({ ...alert.value }, 200) : answerProblem(c, alert.error);
      },
    )
    .post(
      "/api/alerts/:id/resolve",
      route({
        tag: "alerts",
        summary: "End an alert that nothing else will end; what is still wrong is raised again",
        responses: { 200: found },
      }),
      (c) => {
        const id = idFrom(c.req.param("id"));
        const alert = id.ok ? alerts.close(id.value) : id;
        return alert.ok ? c.json({ ...alert.value }, 200) : answerProblem(c, alert.error);
      },
    );
}

function ruleViews({ rules, states }: { rules: RuleWatch["rules"]; states: () => readonly RuleState[] }) {
  const now = states();
  return rules.map(({ name, title, unit, thresholds }) => ({
    name,
    title,
    unit,
    ...thresholds,
    now: now
      .filter(({ key }) => key === name || key.startsWith(`${name}:`))
      .map(({ key, value, condition }) => ({ key, value, held: condition.held })),
  }));
}

function idFrom(given: string): Result<number> {
  if (/^\d{1,15}$/.test(given)) return ok(Number(given));
  const message = `"${given.slice(0, 64)}" is not the number of an alert`;
  return err(refused("not_found", message, "List them: drover alert list"));
}
