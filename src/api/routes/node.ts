/** The node itself: what it is, its settings, its backup and its end. */
import { Hono } from "hono";
import { z } from "zod";
import type { ApiEnv } from "../environment.ts";
import { exampleNode, exampleOffer } from "../examples.ts";
import { nodesView, standingView } from "../fleet-view.ts";
import { type NodeView, nodeSchema, nodesSchema } from "../node-view.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";

const MAX_PATH_CHARS = 4_096;

const backupSchema = z.object({ file: z.string(), sizeBytes: z.number(), takenAtMs: z.int() });
const configSchema = z.object({
  entries: z.array(z.object({ name: z.string(), value: z.unknown(), origin: z.string() })),
});
const shutdownSchema = z.object({ mode: z.enum(["drain", "now"]), running: z.int() });

export function nodeRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/node",
      route({
        tag: "node",
        summary: "The node that answers",
        responses: { 200: json("What it is and does", nodeSchema, exampleNode) },
      }),
      async (c) => c.json(await nodeView(ports), 200),
    )
    .get(
      "/api/nodes",
      route({
        tag: "node",
        summary: "Every node of the fleet, how it is and what it can carry out",
        responses: {
          200: json("The nodes", nodesSchema, {
            nodes: [exampleOffer],
          }),
        },
      }),
      (c) => c.json({ nodes: nodesView(ports) }, 200),
    )
    .get(
      "/api/config",
      route({
        tag: "node",
        summary: "Every setting, its value and where it came from; secrets are left out",
        responses: {
          200: json("The settings", configSchema, {
            entries: [{ name: "http.port", value: 7_433, origin: "default" }],
          }),
        },
      }),
      (c) => c.json({ entries: ports.config().map((entry) => ({ ...entry })) }, 200),
    );
}

/** Backup and end. */
export function controlRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .post(
      "/api/backup",
      route({
        tag: "node",
        summary: "Write a verified copy of the database on the node's host",
        json: body(
          z.strictObject({
            file: z.string().startsWith("/", "must be an absolute path").max(MAX_PATH_CHARS).optional(),
          }),
          {},
          true,
        ),
        responses: {
          201: json("Where it is", backupSchema, {
            file: "/var/lib/drover/backups/a.db",
            sizeBytes: 81_920,
            takenAtMs: 1,
          }),
        },
      }),
      async (c) => {
        const receipt = await ports.backup(c.req.valid("json").file);
        return receipt.ok ? c.json({ ...receipt.value }, 201) : answerProblem(c, receipt.error);
      },
    )
    .post(
      "/api/shutdown",
      route({
        tag: "node",
        summary: "Stop the node",
        description:
          "`drain` lets running attempts end first; `now` ends them and gives their tasks back uncounted, to be offered " +
          "again at the next start.",
        json: body(z.strictObject({ mode: z.enum(["drain", "now"]).default("drain") }), { mode: "drain" }, true),
        responses: { 202: json("What still runs", shutdownSchema, { mode: "drain", running: 1 }) },
      }),
      (c) => {
        const { mode } = c.req.valid("json");
        ports.logger.info("a shutdown was asked for", { mode });
        ports.requestShutdown(mode);
        return c.json({ mode, running: ports.workers().length }, 202);
      },
    );
}

async function nodeView(ports: ApiPorts): Promise<NodeView> {
  const checks = ports.readiness();
  const storage = await ports.storage();
  const memory = process.memoryUsage();
  return {
    ...ports.node,
    uptimeMs: Math.max(0, ports.clock.nowMs() - ports.node.startedAtMs),
    executors: [...ports.executors],
    ready: checks.every((check) => check.ok),
    checks: checks.map((check) => ({ ...check })),
    fleet: standingView(ports),
    running: ports.workers().map((one) => ({ ...one })),
    storage: storage.ok ? { ...storage.value } : null,
    memory: { rssBytes: memory.rss, heapUsedBytes: memory.heapUsed },
  };
}
