/** Settings that hold for every node of the fleet. */
import { Hono } from "hono";
import { z } from "zod";
import type { JsonValue } from "#base";
import type { ApiEnv } from "../environment.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";

const AT_MS = 1_763_700_000_000;
const MAX_TEXT_CHARS = 32 * 1024;

const settingsSchema = z.object({
  settings: z.array(
    z.object({
      key: z.string(),
      value: z.unknown(),
      atMs: z.int(),
      /** On which node it was set. */
      node: z.string(),
    }),
  ),
  /** Keys that may be set. */
  keys: z.array(z.string()),
  /** Settings that this node has not taken up yet. */
  pending: z.array(z.string()),
});

const receiptSchema = z.object({
  key: z.string(),
  changed: z.boolean(),
  /** From when on nodes go by it. */
  holds: z.enum(["at once", "what begins from now on"]),
});
const exampleReceipt = { key: "limits.attempts", changed: true, holds: "what begins from now on" } as const;

const exampleSettings = {
  settings: [{ key: "limits.attempts", value: 5, atMs: AT_MS, node: "n_06d3w4q000e7v9w2m5x1y3z6ab" }],
  keys: ["limits.attempts"],
  pending: ["limits.attempts"],
};

export function fleetSettingRoutes({ fleetSettings }: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/fleet/settings",
      route({
        tag: "fleet",
        summary: "Settings that hold for every node, and which of them this node has not taken up yet",
        responses: { 200: json("The settings", settingsSchema, exampleSettings) },
      }),
      async (c) => {
        const found = await fleetSettings.list();
        if (!found.ok) return answerProblem(c, found.error);
        const settings = found.value.map((setting) => ({ ...setting, value: setting.value as unknown }));
        return c.json({ settings, keys: [...fleetSettings.keys], pending: [...fleetSettings.pending()] }, 200);
      },
    )
    .put(
      "/api/fleet/settings/:key",
      route({
        tag: "fleet",
        summary: "Set something for every node",
        description:
          "`value` is JSON; `text` is read as an environment variable is. The same value again changes nothing. Nodes take " +
          "it up at once, unless their own configuration says otherwise. On a node that is not the hub, it must " +
          "be an operator.",
        json: body(
          z
            .strictObject({ value: z.unknown().optional(), text: z.string().max(MAX_TEXT_CHARS).optional() })
            .refine(({ value, text }) => (value === undefined) !== (text === undefined), "give either value or text"),
          { value: 5 },
        ),
        responses: { 200: json("Whether it changed", receiptSchema, exampleReceipt) },
      }),
      async (c) => {
        const key = c.req.param("key");
        const { value, text } = c.req.valid("json");
        // `as`: a value of a JSON body.
        const given = text === undefined ? fleetSettings.check(key, value as JsonValue) : fleetSettings.read(key, text);
        const set = given.ok ? await fleetSettings.set(key, given.value) : given;
        return set.ok
          ? c.json({ ...set.value, holds: fleetSettings.holdsFrom(key) }, 200)
          : answerProblem(c, set.error);
      },
    )
    .delete(
      "/api/fleet/settings/:key",
      route({
        tag: "fleet",
        summary: "Take a setting for every node away",
        responses: { 200: json("Whether it was set", receiptSchema, exampleReceipt) },
      }),
      async (c) => {
        const key = c.req.param("key");
        const unset = await fleetSettings.unset(key);
        return unset.ok
          ? c.json({ ...unset.value, holds: fleetSettings.holdsFrom(key) }, 200)
          : answerProblem(c, unset.error);
      },
    );
}
