/** The repositories that the fleet works on, and what is delivered to them. */
import { Hono } from "hono";
import { z } from "zod";
import { repositorySchema } from "#repos";
import type { ApiEnv } from "../environment.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import {
  assessmentSchema,
  type DeliveryView,
  deliveryViewSchema,
  type RepositoryView,
  receiptSchema,
  repositoryViewSchema,
} from "../repository-port.ts";
import { body, json, route } from "../route.ts";

const AT_MS = 1_763_700_000_000;
const MAX_DELIVERIES = 500;
const COMMIT = "3f786850e387550fdab836ed7e6dc881de23001b";
const branchText = z
  .string()
  .min(1)
  .max(200)
  .regex(/^(?!-)[\w./-]+$/, "is no name of a branch");

const exampleRepository: RepositoryView = {
  name: "site",
  path: null,
  url: "https://git.example.org/ada/site.git",
  branch: "main",
  priority: 10,
  paused: false,
  origin: "added",
  forge: { kind: "forgejo", repository: "ada/site", apiUrl: "https://git.example.org/api/v1" },
  autonomy: { atMost: "pullRequest", mergeBelow: 30, askFrom: 120, outside: "ask" },
  checks: { test: ["bun", "test"], build: null, lint: null, afterMerge: true },
  conditions: [],
};

const exampleDelivery: DeliveryView = {
  id: "site/g_1/3f786850e387",
  repository: "site",
  goal: "g_1",
  branch: "drover/g_1",
  base: COMMIT,
  head: COMMIT,
  outcome: "pullRequest",
  detail: "the repository allows at most: pullRequest",
  link: "https://git.example.org/ada/site/pulls/7",
  report: {
    tier: "pullRequest",
    risk: { points: 12, terms: [{ name: "size", points: 12, because: "30 lines are changed" }] },
  },
  atMs: AT_MS,
  reverted: null,
};

const oneSchema = z.object({ repository: repositoryViewSchema });
const exampleOne = { repository: exampleRepository };
const named = { 200: json("The repository", oneSchema, exampleOne) };

export function repositoryRoutes({ repositories }: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/repos",
      route({
        tag: "repositories",
        summary: "The repositories that the fleet works on, by priority",
        responses: {
          200: json("The repositories", z.object({ repositories: z.array(repositoryViewSchema) }), {
            repositories: [exampleRepository],
          }),
        },
      }),
      async (c) => {
        const found = await repositories.list();
        return found.ok ? c.json({ repositories: [...found.value] }, 200) : answerProblem(c, found.error);
      },
    )
    .post(
      "/api/repos",
      route({
        tag: "repositories",
        summary: "Register a repository, or register one that was added before anew",
        json: body(repositorySchema, { name: "site", url: "https://git.example.org/ada/site.git" }),
        responses: { 201: json("The repository", oneSchema, exampleOne) },
      }),
      async (c) => {
        const added = await repositories.add(c.req.valid("json"));
        return added.ok ? c.json({ repository: added.value }, 201) : answerProblem(c, added.error);
      },
    )
    .get(
      "/api/repos/:name",
      route({ tag: "repositories", summary: "One repository, and what is broken in it", responses: named }),
      async (c) => {
        const found = await repositories.find(c.req.param("name"));
        return found.ok ? c.json({ repository: found.value }, 200) : answerProblem(c, found.error);
      },
    )
    .delete(
      "/api/repos/:name",
      route({
        tag: "repositories",
        summary: "Forget a repository that was added; its branches and deliveries stay",
        responses: { 200: json("It is forgotten", z.object({ name: z.string() }), { name: "site" }) },
      }),
      async (c) => {
        const removed = await repositories.remove(c.req.param("name"));
        return removed.ok ? c.json({ name: removed.value.name }, 200) : answerProblem(c, removed.error);
      },
    );
}

/** Beside {@link repositoryRoutes}: one chain of all of them is more than the types of a client take. */
export function repositoryActionRoutes({ repositories }: ApiPorts) {
  return new Hono<ApiEnv>()
    .post(
      "/api/repos/:name/pause",
      route({ tag: "repositories", summary: "Deliver nothing to it, and look for nothing in it", responses: named }),
      async (c) => {
        const paused = await repositories.setPaused(c.req.param("name"), true);
        return paused.ok ? c.json({ repository: paused.value }, 200) : answerProblem(c, paused.error);
      },
    )
    .post(
      "/api/repos/:name/resume",
      route({ tag: "repositories", summary: "Go on with it", responses: named }),
      async (c) => {
        const resumed = await repositories.setPaused(c.req.param("name"), false);
        return resumed.ok ? c.json({ repository: resumed.value }, 200) : answerProblem(c, resumed.error);
      },
    )
    .get(
      "/api/repos/:name/risk",
      route({
        tag: "repositories",
        summary: "What a delivery of a branch would be, and why; nothing is published",
        query: z.object({ branch: branchText }),
        responses: {
          200: json("The risk, its terms and the rules", assessmentSchema, {
            repository: "site",
            branch: "drover/g_1",
            base: COMMIT,
            head: COMMIT,
            tier: "pullRequest",
            report: exampleDelivery.report,
          }),
        },
      }),
      async (c) => {
        const rated = await repositories.risk(c.req.param("name"), c.req.valid("query").branch);
        return rated.ok ? c.json(rated.value, 200) : answerProblem(c, rated.error);
      },
    );
}

export function deliveryRoutes({ repositories }: ApiPorts) {
  return new Hono<ApiEnv>()
    .post(
      "/api/repos/:name/check",
      route({
        tag: "repositories",
        summary: "Run the checks of the main branch now, and note what is red or well again",
        responses: named,
      }),
      async (c) => {
        const checked = await repositories.check(c.req.param("name"));
        return checked.ok ? c.json({ repository: checked.value }, 200) : answerProblem(c, checked.error);
      },
    )
    .get(
      "/api/repos/:name/deliveries",
      route({
        tag: "repositories",
        summary: "What was delivered to a repository, the newest first",
        query: z.object({ limit: z.coerce.number().int().min(1).max(MAX_DELIVERIES).default(50) }),
        responses: {
          200: json("The deliveries", z.object({ deliveries: z.array(deliveryViewSchema) }), {
            deliveries: [exampleDelivery],
          }),
        },
      }),
      async (c) => {
        const found = await repositories.deliveries(c.req.param("name"), c.req.valid("query").limit);
        return found.ok ? c.json({ deliveries: [...found.value] }, 200) : answerProblem(c, found.error);
      },
    )
    .post(
      "/api/repos/:name/deliveries",
      route({
        tag: "repositories",
        summary: "Deliver the branch of a goal",
        description:
          "`approved` is a person's yes to what the risk alone would not let happen. A finding that blocks, and tests that do " +
          "not pass, hold whatever is approved. Asked again for what was delivered, it answers the same.",
        json: body(
          z.strictObject({
            goal: z
              .string()
              .min(1)
              .max(100)
              .regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, "is no id of a goal or task"),
            title: z.string().max(300).optional(),
            description: z.string().max(20_000).optional(),
            approved: z.enum(["pullRequest", "merge"]).optional(),
          }),
          { goal: "g_1" },
        ),
        responses: {
          200: json("What became of it", receiptSchema, {
            outcome: "patch",
            detail: "the repository allows at most: pullRequest",
            link: "/var/lib/drover/repositories/patches/site/g_1.patch",
          }),
        },
      }),
      async (c) => {
        const delivered = await repositories.deliver(c.req.param("name"), c.req.valid("json"));
        return delivered.ok ? c.json({ ...delivered.value }, 200) : answerProblem(c, delivered.error);
      },
    );
}
