/** Invitations, and what a person does to the nodes of a fleet. */
import { Hono } from "hono";
import { z } from "zod";
import { DEFAULT_TOKEN_TTL_MS, MAX_TOKEN_TTL_MS, MAX_TOKEN_USES, type NodeState } from "#fleet";
import type { ApiEnv } from "../environment.ts";
import { roleSchema } from "../fleet-view.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";

const MIN_TOKEN_TTL_MS = 1_000;
const AT_MS = 1_763_700_000_000;

const receiptSchema = z.object({
  id: z.string(),
  /** `TOKEN@URL`; shown once. */
  invitation: z.string(),
  role: roleSchema,
  usesLeft: z.int(),
  expiresAtMs: z.int(),
  /** What may keep nodes from reaching this hub. */
  warning: z.string().nullable(),
});

const tokensSchema = z.object({
  tokens: z.array(
    z.object({
      id: z.string(),
      role: roleSchema,
      usesLeft: z.int(),
      createdAtMs: z.int(),
      expiresAtMs: z.int(),
      isExpired: z.boolean(),
    }),
  ),
});

const exampleToken = {
  id: "k3v9q2m7xa",
  role: "member" as const,
  usesLeft: 1,
  createdAtMs: AT_MS,
  expiresAtMs: AT_MS,
  isExpired: false,
};

const drainSchema = z.object({
  id: z.string(),
  name: z.string(),
  state: z.literal("cordoned"),
  running: z.array(z.object({ taskId: z.string(), startedAtMs: z.int().nullable() })),
});

const stateSchema = z.object({ id: z.string(), name: z.string(), state: z.enum(["active", "cordoned", "removed"]) });

export function tokenRoutes({ fleet }: ApiPorts) {
  return new Hono<ApiEnv>()
    .post(
      "/api/tokens",
      route({
        tag: "fleet",
        summary: "Make a token with which nodes join this fleet",
        description: "The first one makes this node a hub. The token is shown once and kept as a hash.",
        json: body(
          z.strictObject({
            role: roleSchema.default("member"),
            uses: z.int().min(1).max(MAX_TOKEN_USES).default(1),
            ttlMs: z.int().min(MIN_TOKEN_TTL_MS).max(MAX_TOKEN_TTL_MS).default(DEFAULT_TOKEN_TTL_MS),
          }),
          {},
          true,
        ),
        responses: {
          201: json("The token", receiptSchema, {
            id: "k3v9q2m7xa",
            invitation: "drv_…@http://hub.example:7433",
            role: "member",
            usesLeft: 1,
            expiresAtMs: AT_MS,
            warning: null,
          }),
        },
      }),
      async (c) => {
        const made = await fleet.administration.createToken(c.req.valid("json"));
        return made.ok ? c.json({ ...made.value }, 201) : answerProblem(c, made.error);
      },
    )
    .get(
      "/api/tokens",
      route({
        tag: "fleet",
        summary: "The tokens that were made and not revoked, without their secrets",
        responses: {
          200: json("The tokens", tokensSchema, {
            tokens: [exampleToken],
          }),
        },
      }),
      async (c) => {
        const found = await fleet.administration.tokens();
        return found.ok
          ? c.json({ tokens: found.value.map((one) => ({ ...one })) }, 200)
          : answerProblem(c, found.error);
      },
    )
    .delete(
      "/api/tokens/:id",
      route({
        tag: "fleet",
        summary: "Revoke a token; nodes that joined with it stay",
        responses: { 200: json("It opens nothing any more", z.object({ id: z.string() }), { id: "k3v9q2m7xa" }) },
      }),
      async (c) => {
        const revoked = await fleet.administration.revokeToken(c.req.param("id"));
        return revoked.ok ? c.json({ ...revoked.value }, 200) : answerProblem(c, revoked.error);
      },
    );
}

export function fleetNodeRoutes({ fleet }: ApiPorts) {
  const set = (id: string, state: NodeState) => fleet.administration.setNodeState(id, state);
  const example = { id: "n_06d3w4q000e7v9w2m5x1y3z6ab", name: "gpu1" };
  return new Hono<ApiEnv>()
    .post(
      "/api/nodes/:id/cordon",
      route({
        tag: "fleet",
        summary: "Give a node nothing new; what it holds it may end",
        responses: { 200: json("Its state", stateSchema, { ...example, state: "cordoned" }) },
      }),
      async (c) => {
        const changed = await set(c.req.param("id"), "cordoned");
        return changed.ok ? c.json({ ...changed.value }, 200) : answerProblem(c, changed.error);
      },
    )
    .post(
      "/api/nodes/:id/uncordon",
      route({
        tag: "fleet",
        summary: "Give a node work again",
        responses: { 200: json("Its state", stateSchema, { ...example, state: "active" }) },
      }),
      async (c) => {
        const changed = await set(c.req.param("id"), "active");
        return changed.ok ? c.json({ ...changed.value }, 200) : answerProblem(c, changed.error);
      },
    )
    .post(
      "/api/nodes/:id/drain",
      route({
        tag: "fleet",
        summary: "Give a node nothing new, and say what still runs there",
        description:
          "It is drained when `running` comes back empty, and does so again a moment later: what it was given just before counts.",
        responses: {
          200: json("What still runs", drainSchema, {
            ...example,
            state: "cordoned",
            running: [{ taskId: "t_06d3w4r8k0e7v9w2m5x1y3z6ab", startedAtMs: AT_MS }],
          }),
        },
      }),
      async (c) => {
        const drained = await fleet.administration.drainNode(c.req.param("id"));
        if (!drained.ok) return answerProblem(c, drained.error);
        const running = drained.value.running.map((one) => ({ ...one }));
        return c.json({ ...drained.value, running }, 200);
      },
    )
    .delete(
      "/api/nodes/:id",
      route({
        tag: "fleet",
        summary: "Remove a node: its key opens nothing any more, and what it has open is cut",
        responses: { 200: json("Its state", stateSchema, { ...example, state: "removed" }) },
      }),
      async (c) => {
        const changed = await set(c.req.param("id"), "removed");
        return changed.ok ? c.json({ ...changed.value }, 200) : answerProblem(c, changed.error);
      },
    );
}
