/** What nodes ask of the queue of their hub: for nodes alone, under their signatures. */
import { type Context, Hono } from "hono";
import type { z } from "zod";
import type { NodeId } from "#base";
import {
  claimAnswerSchema,
  claimSchema,
  commandsAnswerSchema,
  commandsSchema,
  type HubService,
  heartbeatAnswerSchema,
  heartbeatSchema,
  waitAnswerSchema,
  waitSchema,
} from "#fleet";
import { type ApiEnv, bindingsOf } from "../environment.ts";
import { answerNotHub } from "../not-hub.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";

const COMMAND = "c_06d3w4q000e7v9w2m5x1y3z6ab";
const TASK = "t_06d3w4q000e7v9w2m5x1y3z6ab";
const position = { epoch: 1, seq: 42 };

/** Commands and claims are described by their kinds; their shapes are those of the queue, too deep for inference. */
const loosely = (schema: z.ZodType): z.ZodType => schema;

type Asked = { readonly service: HubService; readonly node: NodeId };

/** The hub's service and the node that asks; undefined where this node is no hub, or is none any more by what it asks. */
function askedOf(c: Context<ApiEnv>, { fleet }: ApiPorts, call: { epoch?: number | undefined }): Asked | undefined {
  if (call.epoch !== undefined && call.epoch > fleet.standing().epoch) fleet.succession?.outrun(call.epoch);
  // A hub without its lease renews none of others either: the next hub may be there already.
  const service = fleet.failover?.obstacle() === undefined ? fleet.service?.() : undefined;
  const node = c.get("fleetNode");
  return service === undefined || node === undefined ? undefined : { service, node: node.id };
}

export function fleetQueueRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .post(
      "/api/commands",
      route({
        tag: "fleet",
        summary: "Commands of a node, carried out in their order; for nodes",
        description: "Each takes effect once, however often it is sent; its result is kept for 30 days.",
        json: body(loosely(commandsSchema), {
          commands: [{ id: COMMAND, kind: "cancel", args: { taskId: TASK, why: "no longer wanted" } }],
        }),
        responses: {
          200: json("What became of each", loosely(commandsAnswerSchema), {
            ...position,
            results: [{ id: COMMAND, ok: true, value: null }],
          }),
        },
      }),
      async (c) => {
        // `as`: checked by the schema just before, here and below.
        const call = c.req.valid("json") as z.output<typeof commandsSchema>;
        const asked = askedOf(c, ports, call);
        if (asked === undefined) return answerNotHub(c, ports);
        return c.json(await asked.service.commands(asked.node, call.commands), 200);
      },
    )
    .post(
      "/api/fleet/claim",
      route({
        tag: "fleet",
        summary: "Take tasks that the node can carry out; for nodes",
        json: body(loosely(claimSchema), { id: COMMAND, limit: 1, accepts: ['{"executor":"shell"}'] }),
        responses: {
          200: json("The tasks, each under a fence of its own", loosely(claimAnswerSchema), {
            ...position,
            termMs: 60_000,
            tasks: [],
            more: false,
            rateLimited: false,
          }),
        },
      }),
      async (c) => {
        const call = c.req.valid("json") as z.output<typeof claimSchema>;
        const asked = askedOf(c, ports, call);
        if (asked === undefined) return answerNotHub(c, ports);
        const claimed = await asked.service.claim(asked.node, call);
        return claimed.ok ? c.json(claimed.value, 200) : answerProblem(c, claimed.error);
      },
    );
}

export function fleetPresenceRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .post(
      "/api/fleet/heartbeat",
      route({
        tag: "fleet",
        summary: "Renew leases and say how the node is; for nodes",
        json: body(loosely(heartbeatSchema), { held: [], heard: [], announced: { running: 0 } }),
        responses: {
          200: json("Which leases go on", loosely(heartbeatAnswerSchema), {
            ...position,
            termMs: 60_000,
            held: [],
            orders: [],
          }),
        },
      }),
      async (c) => {
        const call = c.req.valid("json") as z.output<typeof heartbeatSchema>;
        const asked = askedOf(c, ports, call);
        if (asked === undefined) return answerNotHub(c, ports);
        return c.json(asked.service.heartbeat(asked.node, call), 200);
      },
    )
    .post(
      "/api/fleet/wait",
      route({
        tag: "fleet",
        summary: "Wait until there is more to read or to do; for nodes",
        json: body(loosely(waitSchema), { seq: 42, readySeen: 1, waitMs: 25_000 }),
        responses: {
          200: json("How far the hub is", loosely(waitAnswerSchema), { ...position, ready: 1, stops: [], reads: [] }),
        },
      }),
      async (c) => {
        const call = c.req.valid("json") as z.output<typeof waitSchema>;
        const asked = askedOf(c, ports, call);
        if (asked === undefined) return answerNotHub(c, ports);
        bindingsOf(c).exemptFromIdleTimeout?.(true);
        return c.json(await asked.service.wait(asked.node, call), 200);
      },
    );
}
