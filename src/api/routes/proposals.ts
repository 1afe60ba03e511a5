/** What drover proposes for the fleet and its repositories, and what a person decided about it. */
import { Hono } from "hono";
import { z } from "zod";
import { PROPOSAL_KINDS, PROPOSAL_SOURCES, PROPOSAL_STATES, type Proposal } from "#activities";
import type { KnownNode } from "#fleet";
import type { ApiEnv } from "../environment.ts";
import { integerField, listField } from "../parameters.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";

const DEFAULT_PROPOSALS = 100;
const MAX_PROPOSALS = 1_000;
const MAX_REASON_CHARS = 500;
const reason = z.string().trim().min(1).max(MAX_REASON_CHARS);
const by = z.string().min(1).max(100).default("api");

const proposalSchema = z.object({
  id: z.string(),
  fingerprint: z.string(),
  state: z.enum(PROPOSAL_STATES),
  source: z.enum(PROPOSAL_SOURCES),
  body: z.object({
    kind: z.enum(PROPOSAL_KINDS),
    title: z.string(),
    problem: z.string(),
    evidence: z.array(z.string()),
    suggestion: z.string(),
    effort: z.enum(["small", "medium", "large"]),
    risk: z.enum(["low", "medium", "high"]),
    riskWhy: z.string(),
    dependencies: z.array(z.string()),
    repository: z.string().nullable(),
  }),
  createdAtMs: z.int(),
  seenAtMs: z.int(),
  /** How often it was proposed. */
  seen: z.int(),
  decidedAtMs: z.int().nullable(),
  decidedBy: z.string().nullable(),
  reason: z.string().nullable(),
  goal: z.string().nullable(),
});

const AT_MS = 1_763_700_000_000;
const exampleProposal: z.input<typeof proposalSchema> = {
  id: "p_06d3w4q000e7v9w2m5x1y3z6ab",
  fingerprint: "c4ca4238a0b92382",
  state: "open",
  source: "measured",
  body: {
    kind: "bottleneck",
    title: "Work on qwen3:14b waits longer than it runs",
    problem: "Half of the attempts on qwen3:14b waited 90 s or more for a place and then ran 20 s.",
    evidence: ["214 attempts", "wait p50 90 s, p95 310 s", "run p50 20 s, p95 61 s"],
    suggestion: "Give qwen3:14b more places, or let a smaller model of the chain take its easy tasks.",
    effort: "small",
    risk: "low",
    riskWhy: "a setting that is taken back at any time; watch VRAM",
    dependencies: [],
    repository: null,
  },
  createdAtMs: AT_MS,
  seenAtMs: AT_MS,
  seen: 1,
  decidedAtMs: null,
  decidedBy: null,
  reason: null,
  goal: null,
};
const decided = { decidedAtMs: AT_MS, decidedBy: "api" };

export function proposalRoutes({ proposals }: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/proposals",
      route({
        tag: "repositories",
        summary: "What is proposed, the newest first",
        query: z.strictObject({ state: listField(PROPOSAL_STATES), limit: integerField(1, MAX_PROPOSALS) }),
        responses: {
          200: json("Proposals", z.object({ proposals: z.array(proposalSchema) }), { proposals: [exampleProposal] }),
        },
      }),
      async (c) => {
        const { state = ["open"], limit = DEFAULT_PROPOSALS } = c.req.valid("query");
        const found = await proposals.list(state, limit);
        return found.ok ? c.json({ proposals: found.value.map(view) }, 200) : answerProblem(c, found.error);
      },
    )
    .get(
      "/api/proposals/:id",
      route({
        tag: "repositories",
        summary: "One proposal, by its id or the beginning of one",
        responses: { 200: json("The proposal", proposalSchema, exampleProposal) },
      }),
      async (c) => {
        const found = await proposals.show(c.req.param("id"));
        return found.ok ? c.json(view(found.value), 200) : answerProblem(c, found.error);
      },
    );
}

export function proposalDecisionRoutes({ proposals }: ApiPorts) {
  return new Hono<ApiEnv>()
    .post(
      "/api/proposals/:id/approve",
      route({
        tag: "repositories",
        summary: "Approve a proposal: it becomes a goal",
        description: "The same again changes nothing. What was rejected stays so.",
        json: body(z.strictObject({ by, reason: reason.nullable().default(null) }), { reason: null }),
        responses: {
          200: json("The proposal", proposalSchema, {
            ...exampleProposal,
            ...decided,
            state: "approved",
            goal: "g_06d3w4q000e7v9w2m5x1y3z6ab",
          }),
        },
      }),
      async (c) => {
        const { by: who, reason: why } = c.req.valid("json");
        const changed = await proposals.approve(c.req.param("id"), decider(who, c.get("fleetNode")), why);
        return changed.ok ? c.json(view(changed.value), 200) : answerProblem(c, changed.error);
      },
    )
    .post(
      "/api/proposals/:id/reject",
      route({
        tag: "repositories",
        summary: "Reject a proposal: it is not made again for a while, in whatever words",
        json: body(z.strictObject({ by, reason }), { reason: "the box is on its way out" }),
        responses: {
          200: json("The proposal", proposalSchema, {
            ...exampleProposal,
            ...decided,
            state: "rejected",
            reason: "the box is on its way out",
          }),
        },
      }),
      async (c) => {
        const { by: who, reason: why } = c.req.valid("json");
        const changed = await proposals.reject(c.req.param("id"), decider(who, c.get("fleetNode")), why);
        return changed.ok ? c.json(view(changed.value), 200) : answerProblem(c, changed.error);
      },
    );
}

/** Which node asked is proved; which person it was there, that node says. */
function decider(who: string, node: KnownNode | undefined): string {
  return node === undefined ? who : `${who} at ${node.name}`;
}

function view(proposal: Proposal) {
  const { evidence, dependencies } = proposal.body;
  return { ...proposal, body: { ...proposal.body, evidence: [...evidence], dependencies: [...dependencies] } };
}
