/** What could be better in the repositories, and what was tried about it. */
import { Hono } from "hono";
import { z } from "zod";
import { FINDING_SOURCES, FINDING_STATES, TRY_STATES } from "#activities";
import type { ApiEnv } from "../environment.ts";
import type { FindingView, ImprovementsView } from "../improvement-port.ts";
import { integerField, listField } from "../parameters.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";

const DEFAULT_FINDINGS = 100;
const MAX_FINDINGS = 1_000;
const MAX_REASON_CHARS = 500;
const MAX_NAME_CHARS = 63;

const findingSchema = z.object({
  repository: z.string(),
  fingerprint: z.string(),
  kind: z.string(),
  rule: z.string(),
  path: z.string(),
  line: z.int().nullable(),
  severity: z.enum(["critical", "high", "medium", "low"]),
  effort: z.enum(["small", "medium", "large"]),
  title: z.string(),
  evidence: z.string(),
  source: z.enum(FINDING_SOURCES),
  state: z.enum(FINDING_STATES),
  firstSeenMs: z.int(),
  lastSeenMs: z.int(),
  /** How often it came back after it was gone. */
  returns: z.int(),
  reason: z.string().nullable(),
  score: z.number(),
  why: z.string(),
  /** Why it is not worked on now. */
  left: z.string().nullable(),
  tries: z.array(
    z.object({
      n: z.int(),
      state: z.enum(TRY_STATES),
      goal: z.string().nullable(),
      why: z.string(),
      chosenAtMs: z.int(),
      endedAtMs: z.int().nullable(),
    }),
  ),
});

const listSchema = z.object({
  lookedAtMs: z.int().nullable(),
  isLooking: z.boolean(),
  scans: z.array(
    z.object({
      repository: z.string(),
      revision: z.string(),
      atMs: z.int(),
      files: z.int(),
      read: z.int(),
      findings: z.int(),
      /** What was not looked at, and why. */
      leftOut: z.array(z.string()),
    }),
  ),
  findings: z.array(findingSchema),
});

const AT_MS = 1_763_700_000_000;
const exampleFinding: z.input<typeof findingSchema> = {
  repository: "shop",
  fingerprint: "8f14e45fceea167a",
  kind: "dead-code",
  rule: "unused-name",
  path: "src/cart.ts",
  line: 12,
  severity: "low",
  effort: "small",
  title: "Nothing uses oldTotal",
  evidence: "oldTotal stands once in the whole repository: where src/cart.ts defines it",
  source: "scan",
  state: "open",
  firstSeenMs: AT_MS,
  lastSeenMs: AT_MS,
  returns: 0,
  reason: null,
  score: 2.7,
  why: "low (3) × trust in dead-code (0.9) ÷ small effort (1)",
  left: null,
  tries: [
    { n: 1, state: "working", goal: "g_06d3w4q000e7v9w2m5x1y3z6ab", why: "", chosenAtMs: AT_MS, endedAtMs: null },
  ],
};
const scan = {
  repository: "shop",
  revision: "4b825dc642cb",
  atMs: AT_MS,
  files: 120,
  read: 3,
  findings: 1,
  leftOut: [],
};
const exampleList = { lookedAtMs: AT_MS, isLooking: false, scans: [scan], findings: [exampleFinding] };

export function improvementRoutes({ improvements }: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/improvements",
      route({
        tag: "repositories",
        summary: "What could be better in the repositories, the most worthwhile first",
        query: z.strictObject({
          state: listField(FINDING_STATES),
          repository: z.string().min(1).max(MAX_NAME_CHARS).optional(),
          limit: integerField(1, MAX_FINDINGS),
        }),
        responses: { 200: json("Findings, with what was tried about each", listSchema, exampleList) },
      }),
      async (c) => {
        const { state = ["open"], repository, limit = DEFAULT_FINDINGS } = c.req.valid("query");
        const own = repository === undefined ? {} : { repository };
        const found = await improvements.list({ states: state, limit, ...own });
        return found.ok ? c.json(listView(found.value), 200) : answerProblem(c, found.error);
      },
    )
    .post(
      "/api/improvements/scan",
      route({
        tag: "repositories",
        summary: "Look at all repositories now",
        responses: {
          202: json("It is under way", z.object({ existed: z.boolean() }), { existed: false }),
        },
      }),
      async (c) => {
        const begun = await improvements.look();
        return begun.ok ? c.json({ ...begun.value }, 202) : answerProblem(c, begun.error);
      },
    )
    .get(
      "/api/improvements/:fingerprint",
      route({
        tag: "repositories",
        summary: "One finding, by its fingerprint or the beginning of one",
        responses: { 200: json("The finding", findingSchema, exampleFinding) },
      }),
      async (c) => {
        const found = await improvements.show(c.req.param("fingerprint"));
        return found.ok ? c.json(view(found.value), 200) : answerProblem(c, found.error);
      },
    );
}

export function findingRoutes({ improvements }: ApiPorts) {
  return new Hono<ApiEnv>()
    .post(
      "/api/improvements/:fingerprint/dismiss",
      route({
        tag: "repositories",
        summary: "Leave a finding as it is",
        json: body(z.strictObject({ reason: z.string().trim().min(1).max(MAX_REASON_CHARS) }), {
          reason: "kept for 2.0",
        }),
        responses: {
          200: json("The finding", findingSchema, { ...exampleFinding, state: "dismissed", reason: "kept for 2.0" }),
        },
      }),
      async (c) => {
        const changed = await improvements.dismiss(c.req.param("fingerprint"), c.req.valid("json").reason);
        return changed.ok ? c.json(view(changed.value), 200) : answerProblem(c, changed.error);
      },
    )
    .post(
      "/api/improvements/:fingerprint/reopen",
      route({
        tag: "repositories",
        summary: "Let a finding count again, and forget that it failed",
        responses: { 200: json("The finding", findingSchema, exampleFinding) },
      }),
      async (c) => {
        const changed = await improvements.reopen(c.req.param("fingerprint"));
        return changed.ok ? c.json(view(changed.value), 200) : answerProblem(c, changed.error);
      },
    );
}

function view(finding: FindingView) {
  return { ...finding, tries: finding.tries.map((one) => ({ ...one })) };
}

function listView({ scans, findings, ...rest }: ImprovementsView) {
  return { ...rest, scans: scans.map((one) => ({ ...one, leftOut: [...one.leftOut] })), findings: findings.map(view) };
}
