/** What the voters of a fleet ask each other: for nodes alone, under their signatures. */
import { Hono } from "hono";
import type { z } from "zod";
import { refused } from "#base";
import { electionAnswerSchema, electionRequestSchema } from "#fleet";
import type { ApiEnv } from "../environment.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";

const NOT_HERE = refused("unsupported", "this node has no part in elections", "Ask a member: drover node list");
/** Ids of nodes are checked where they are used; the schema of the port says what they are. */
const loosely = (schema: z.ZodType): z.ZodType => schema;

export function voteRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>().post(
    "/api/fleet/vote",
    route({
      tag: "fleet",
      summary: "Ask a voter for its vote, or as the hub for its lease; for nodes",
      description:
        "`pre_vote` asks without consequence. A vote that is given is on disk before it is answered, and is one in a round of epochs. " +
        "A lease that is lent keeps the voter from voting for another node until it is over.",
      json: body(loosely(electionRequestSchema), { kind: "lease", epoch: 1, url: "http://hub.example:7433" }),
      responses: {
        200: json("What it gives, and why not", loosely(electionAnswerSchema), {
          granted: true,
          why: null,
          epoch: 1,
          voted: 0,
          leaseMs: 10_000,
          shown: 1,
          voters: null,
        }),
      },
    }),
    (c) => {
      const node = c.get("fleetNode");
      const { failover } = ports.fleet;
      if (node === undefined || failover === undefined) return answerProblem(c, NOT_HERE);
      // `as`: checked by the schema just before.
      const answer = failover.hear(node.id, c.req.valid("json") as z.output<typeof electionRequestSchema>);
      if (!answer.ok) return answerProblem(c, answer.error);
      const { voters } = answer.value;
      return c.json({ ...answer.value, voters: voters === null ? null : { ...voters, nodes: [...voters.nodes] } }, 200);
    },
  );
}
