/** Joining a fleet, from both ends, and what nodes tell their hub of themselves. */
import { Hono } from "hono";
import { z } from "zod";
import { parseNodeId } from "#base";
import { hubUrl, isPublicKey, type JoinRequest } from "#fleet";
import type { ApiEnv } from "../environment.ts";
import { exampleFailover } from "../failover-view.ts";
import {
  exampleJoinAnswer,
  exampleJoinRequest,
  exampleStanding,
  joinAnswerSchema,
  membershipSchema,
  standingSchema,
  standingView,
} from "../fleet-view.ts";
import { JOIN_PATH } from "../guard.ts";
import { answerNotHub } from "../not-hub.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";

const MAX_NAME_CHARS = 128;
const MAX_URL_CHARS = 2_048;
const MAX_LEVEL = 1_000_000;

const publicKey = z.string().refine(isPublicKey, "must be an Ed25519 key, SPKI in base64url");
const nodeId = z.string().refine((text) => parseNodeId(text) !== undefined, "must be the id of a node");
const url = z
  .string()
  .max(MAX_URL_CHARS)
  .refine((text) => hubUrl(text) !== undefined, "must be an http or https URL");

/** Unknown fields are those of a newer drover, and are kept: the proof is over all of them. */
const joinRequestSchema = z.looseObject({
  token: z.string().max(64),
  proof: z.string().max(128),
  nonce: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  node: z.looseObject({
    id: nodeId,
    name: z.string().min(1).max(MAX_NAME_CHARS),
    publicKey,
    url: url.nullable(),
    version: z.string().max(64),
    featureLevel: z.int().min(0).max(MAX_LEVEL),
    oldestFeatureLevel: z.int().min(0).max(MAX_LEVEL).optional(),
    leaseClass: z.enum(["strict", "hold"]),
  }),
});

const keyChangeSchema = z.object({ from: publicKey, to: publicKey, signature: z.string().max(128) });
const acceptedSchema = z.object({ accepted: z.boolean() });
const hubSchema = z.object({ epoch: z.int(), hub: standingSchema.shape.hub });

export function joinRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>().post(
    JOIN_PATH,
    route({
      tag: "fleet",
      summary: "Join the fleet of this hub with a token",
      description:
        "Sent by `drover join`. `proof` is HMAC-SHA256 over the rest, by the SHA-256 of the token's secret, which does not " +
        "travel. The answer is signed for `nonce` by the key whose fingerprint is in the token.",
      isPublic: true,
      json: body(joinRequestSchema, exampleJoinRequest),
      responses: { 200: json("The node is a member now", joinAnswerSchema, exampleJoinAnswer) },
    }),
    async (c) => {
      const request = c.req.valid("json");
      const { hub } = ports.fleet;
      if (hub === undefined) return answerNotHub(c, ports);
      // `as`: the schema has looked, and what was not said is not there.
      const answer = await hub.admit(request as JoinRequest);
      if (!answer.ok) {
        ports.logger.warn("a node may not join", { node: request.node.name, why: answer.error.message });
        return answerProblem(c, answer.error);
      }
      const { name, id } = request.node;
      ports.logger.info("a node has joined", { node: name, id, role: answer.value.role });
      c.set("answerNonce", request.nonce);
      return c.json({ ...answer.value, hub: { ...answer.value.hub } }, 200);
    },
  );
}

/** What nodes tell their hub of themselves, and ask it. */
export function peerRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/fleet/hub",
      route({
        tag: "fleet",
        summary: "Who the hub is, as far as this node knows; for nodes",
        responses: { 200: json("The hub; null when it is this node", hubSchema, { epoch: 1, hub: null }) },
      }),
      (c) => {
        const { epoch, hub } = ports.fleet.standing();
        return c.json({ epoch, hub: hub === null ? null : { ...hub } }, 200);
      },
    )
    .post(
      "/api/fleet/key",
      route({
        tag: "fleet",
        summary: "Take a node's new key, signed by its present one; for nodes",
        json: body(keyChangeSchema, {
          from: exampleJoinRequest.node.publicKey,
          to: exampleJoinRequest.node.publicKey,
          signature: "…",
        }),
        responses: { 200: json("It counts from now on", acceptedSchema, { accepted: true }) },
      }),
      async (c) => {
        const { hub } = ports.fleet;
        const node = c.get("fleetNode");
        if (hub === undefined || node === undefined) return answerNotHub(c, ports);
        const changed = await hub.changeKey(node.id, c.req.valid("json"));
        return changed.ok ? c.json({ accepted: true }, 200) : answerProblem(c, changed.error);
      },
    )
    .post(
      "/api/fleet/departed",
      route({
        tag: "fleet",
        summary: "Leave the fleet; for nodes",
        responses: { 200: json("Its key opens nothing any more", acceptedSchema, { accepted: true }) },
      }),
      async (c) => {
        const { hub } = ports.fleet;
        const node = c.get("fleetNode");
        if (hub === undefined || node === undefined) return answerNotHub(c, ports);
        const left = await hub.leave(node.id);
        return left.ok ? c.json({ accepted: true }, 200) : answerProblem(c, left.error);
      },
    );
}

/** @returns whether the watchdog replaces this node, so that what was joined or left takes effect. */
async function restart({ watchdog }: ApiPorts): Promise<boolean> {
  return (await watchdog.ask("restart", null)).ok;
}

/** What a person does to this node's own place in a fleet. */
export function membershipRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/fleet",
      route({
        tag: "fleet",
        summary: "What this node is in its fleet, and how near to its hub",
        responses: {
          200: json("Its standing", standingSchema, { ...exampleStanding, failover: exampleFailover }),
        },
      }),
      (c) => c.json(standingView(ports), 200),
    )
    .post(
      "/api/fleet/join",
      route({
        tag: "fleet",
        summary: "Let this node join the fleet of a hub",
        description: "It takes effect with the next start of the node, which the watchdog is asked for.",
        json: body(
          z.strictObject({
            invitation: z
              .string()
              .min(1)
              .max(MAX_URL_CHARS + 200),
            name: z.string().min(1).max(MAX_NAME_CHARS).optional(),
            url: url.optional(),
            leaseClass: z.enum(["strict", "hold"]).default("strict"),
            setAside: z.boolean().default(false),
          }),
          { invitation: "drv_…@http://hub.example:7433" },
        ),
        responses: {
          200: json("It has joined", membershipSchema, {
            fleet: exampleJoinAnswer.fleet,
            role: "member",
            hub: exampleJoinAnswer.hub,
            setAside: false,
            restarting: true,
          }),
        },
      }),
      async (c) => {
        const joined = await ports.fleet.enrolment.join(c.req.valid("json"));
        if (!joined.ok) return answerProblem(c, joined.error);
        const { fleet, role, hub, setAside } = joined.value;
        return c.json({ fleet, role, hub: { ...hub }, setAside, restarting: await restart(ports) }, 200);
      },
    );
}

/** Leaving, and another key. */
export function departureRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .post(
      "/api/fleet/leave",
      route({
        tag: "fleet",
        summary: "Let this node leave its fleet",
        json: body(z.strictObject({ force: z.boolean().default(false) }), {}, true),
        responses: {
          200: json("It has left", z.object({ fleet: z.string(), told: z.boolean(), restarting: z.boolean() }), {
            fleet: exampleJoinAnswer.fleet,
            told: true,
            restarting: true,
          }),
        },
      }),
      async (c) => {
        const left = await ports.fleet.enrolment.leave(c.req.valid("json").force);
        return left.ok
          ? c.json({ ...left.value, restarting: await restart(ports) }, 200)
          : answerProblem(c, left.error);
      },
    )
    .post(
      "/api/fleet/rotate-key",
      route({
        tag: "fleet",
        summary: "Give this node another key",
        description:
          "The new one is signed by the old one; every node that knew the old one takes the new one by itself.",
        responses: {
          200: json("The new key", z.object({ publicKey: z.string() }), {
            publicKey: exampleJoinRequest.node.publicKey,
          }),
        },
      }),
      async (c) => {
        const changed = await ports.fleet.enrolment.rotateKey();
        return changed.ok ? c.json({ ...changed.value }, 200) : answerProblem(c, changed.error);
      },
    );
}
