/** What probes ask, without a token and without details that only the operator should see. */
import { type Context, Hono } from "hono";
import { z } from "zod";
import type { ApiEnv } from "../environment.ts";
import type { ApiPorts } from "../ports.ts";
import { json, route } from "../route.ts";

const healthSchema = z.object({
  status: z.enum(["ok", "failing"]),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean() })),
});
type HealthView = z.output<typeof healthSchema>;

const exampleOk: HealthView = { status: "ok", checks: [{ name: "store", ok: true }] };
const exampleFailing: HealthView = { status: "failing", checks: [{ name: "store", ok: false }] };

export function healthRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/health/live",
      route({
        tag: "health",
        summary: "The process answers",
        isPublic: true,
        responses: { 200: json("It does", healthSchema, { status: "ok", checks: [] }) },
      }),
      (c) => answer(c, []),
    )
    .get(
      "/health/ready",
      route({
        tag: "health",
        summary: "The node takes and carries out tasks",
        isPublic: true,
        responses: {
          200: json("It does", healthSchema, exampleOk),
          503: json("It does not; /api/node says why", healthSchema, exampleFailing),
        },
      }),
      (c) =>
        answer(
          c,
          ports.readiness().map(({ name, ok }) => ({ name, ok })),
        ),
    )
    .get(
      "/health/startup",
      route({
        tag: "health",
        summary: "The start has come to its end",
        isPublic: true,
        responses: {
          200: json("It has", healthSchema, { status: "ok", checks: [{ name: "started", ok: true }] }),
          503: json("It has not yet", healthSchema, { status: "failing", checks: [{ name: "started", ok: false }] }),
        },
      }),
      (c) => answer(c, [{ name: "started", ok: ports.started() }]),
    );
}

function answer(c: Context<ApiEnv>, checks: HealthView["checks"]) {
  const isOk = checks.every((check) => check.ok);
  c.header("cache-control", "no-store");
  const view: HealthView = { status: isOk ? "ok" : "failing", checks };
  return c.json(view, isOk ? 200 : 503);
}
