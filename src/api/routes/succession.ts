/** Another node takes the place of the hub. */
import { Hono } from "hono";
import { z } from "zod";
import { refused } from "#base";
import { hubUrl } from "#fleet";
import type { ApiEnv } from "../environment.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";

const MAX_URL_CHARS = 2_048;
const NOT_HERE = refused("unsupported", "this node has no part in a fleet", "Ask a member: drover node list");

export function successionRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .post(
      "/api/fleet/promote",
      route({
        tag: "fleet",
        summary: "Let this node take the place of its fleet's hub",
        description:
          "For when the hub is lost. It takes effect with the next start of the node, which the watchdog is asked for. " +
          "What the old hub had answered and this node had not received is not in its copy.",
        json: body(z.strictObject({ hubIsOff: z.boolean().default(false), force: z.boolean().default(false) }), {
          hubIsOff: true,
        }),
        responses: {
          200: json("It is the hub with its next start", z.object({ epoch: z.int(), restarting: z.boolean() }), {
            epoch: 2,
            restarting: true,
          }),
        },
      }),
      async (c) => {
        const { hubIsOff, force } = c.req.valid("json");
        const { succession } = ports.fleet;
        if (succession === undefined) return answerProblem(c, NOT_HERE);
        const promoted = await succession.promote({ isHubOff: hubIsOff, isForced: force });
        if (!promoted.ok) return answerProblem(c, promoted.error);
        const restarting = (await ports.watchdog.ask("restart", null)).ok;
        return c.json({ epoch: promoted.value.epoch, restarting }, 200);
      },
    )
    .post(
      "/api/fleet/promoted",
      route({
        tag: "fleet",
        summary: "Hear from a node that it is the hub now; for nodes",
        json: body(
          z.object({
            epoch: z.int().min(1),
            url: z
              .string()
              .max(MAX_URL_CHARS)
              .refine((text) => hubUrl(text) !== undefined, "must be an http or https URL"),
          }),
          { epoch: 2, url: "http://gpu1.example:7433" },
        ),
        responses: {
          200: json(
            "Whether it is followed, and the epoch that is known here",
            z.object({ accepted: z.boolean(), epoch: z.int() }),
            {
              accepted: true,
              epoch: 2,
            },
          ),
        },
      }),
      (c) => {
        const node = c.get("fleetNode");
        const { succession } = ports.fleet;
        if (node === undefined || succession === undefined) return answerProblem(c, NOT_HERE);
        const heard = succession.hear(node.id, c.req.valid("json"));
        if (!heard.ok) return answerProblem(c, heard.error);
        return c.json({ ...heard.value, epoch: ports.fleet.standing().epoch }, 200);
      },
    );
}
