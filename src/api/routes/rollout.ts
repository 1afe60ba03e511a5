/** The update of a whole fleet, node by node. */
import { type Context, Hono } from "hono";
import { z } from "zod";
import { ok, type Result } from "#base";
import type { Rollout } from "#fleet";
import type { ApiEnv } from "../environment.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";

const MAX_PATH_CHARS = 4_096;
const MAX_FILE_CHARS = 100;
const DAY_MS = 86_400_000;
const MAX_WAVE = 1_000;
/** Longer than a probation, so that a node that is taken back by itself is seen. */
const DEFAULT_WATCH_MS = 300_000;
const AT_MS = 1_763_700_000_000;

const rolloutSchema = z.looseObject({
  id: z.string(),
  version: z.string(),
  /** Where nodes get the release: `hub`, or the address of a manifest. */
  from: z.string(),
  /** So many nodes at once, after the first one. */
  wave: z.int(),
  watchMs: z.int(),
  startedAtMs: z.int(),
  /** `stopped`: by a fault; `done` still asks nodes that were skipped, when they return. */
  phase: z.enum(["running", "paused", "stopped", "done", "aborted"]),
  reason: z.string().nullable(),
  /** In their order; the hub is the last one. */
  nodes: z.array(
    z.looseObject({
      id: z.string(),
      name: z.string(),
      state: z.enum(["waiting", "asked", "watched", "updated", "skipped", "failed"]),
      reason: z.string().nullable(),
      sinceMs: z.int(),
    }),
  ),
});
const shownSchema = z.object({ rollout: rolloutSchema.nullable() });
type Shown = z.output<typeof shownSchema>;

const exampleRollout: z.output<typeof rolloutSchema> = {
  id: "mihx3k2o",
  version: "0.2.0",
  from: "hub",
  wave: 2,
  watchMs: DEFAULT_WATCH_MS,
  startedAtMs: AT_MS,
  phase: "running",
  reason: null,
  nodes: [{ id: "n_06d3w4q000e7v9w2m5x1y3z6ab", name: "gpu1", state: "asked", reason: null, sinceMs: AT_MS }],
};

const shown = json("How it goes; null when none was begun", shownSchema, { rollout: exampleRollout });

function view(rollout: Rollout | undefined): Shown {
  return { rollout: rollout === undefined ? null : { ...rollout, nodes: rollout.nodes.map((node) => ({ ...node })) } };
}

function answer(c: Context<ApiEnv>, found: Result<Rollout | undefined>) {
  return found.ok ? c.json(view(found.value), 200) : answerProblem(c, found.error);
}

export function rolloutRoutes({ rollouts, uploads }: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/fleet/update",
      route({
        tag: "releases",
        summary: "How the update of the fleet goes, as far as this node knows",
        responses: { 200: shown },
      }),
      async (c) => answer(c, await rollouts.current()),
    )
    .post(
      "/api/fleet/update",
      route({
        tag: "releases",
        summary: "Update the fleet: one node first, then wave by wave, the hub last; it stops at the first fault",
        description:
          "On the hub. `from` and `upload` as of `POST /api/update`. A release folder is given to the nodes by the hub and " +
          "must hold a file for each kind of machine; the address of a manifest is asked by each node. Every node takes " +
          "the release as by `POST /api/update`, with all its checks.",
        json: body(
          z.strictObject({
            from: z.string().min(1).max(MAX_PATH_CHARS).optional(),
            upload: z.string().min(1).max(64).optional(),
            wave: z.int().min(1).max(MAX_WAVE).default(1),
            watchMs: z.int().min(0).max(DAY_MS).default(DEFAULT_WATCH_MS),
          }),
          { from: "/srv/release", wave: 2 },
          true,
        ),
        responses: { 200: shown },
      }),
      async (c) => {
        const { from, upload, wave, watchMs } = c.req.valid("json");
        if (from !== undefined && upload !== undefined) {
          return answerProblem(c, { code: "invalid", message: "`from` and `upload` exclude each other" });
        }
        const folder = upload === undefined ? ok(from ?? null) : uploads.folder(upload);
        if (!folder.ok) return answerProblem(c, folder.error);
        return answer(c, await rollouts.begin({ from: folder.value, wave, watchMs }));
      },
    )
    .post(
      "/api/fleet/update/pause",
      route({
        tag: "releases",
        summary: "Ask no further node; those that were asked go on",
        responses: { 200: shown },
      }),
      async (c) => answer(c, await rollouts.steer("pause")),
    )
    .post(
      "/api/fleet/update/resume",
      route({
        tag: "releases",
        summary: "Go on after a pause, or after a fault: the node that failed is asked once more",
        responses: { 200: shown },
      }),
      async (c) => answer(c, await rollouts.steer("resume")),
    )
    .post(
      "/api/fleet/update/abort",
      route({
        tag: "releases",
        summary: "End it: nobody is asked any more; what runs the release keeps it",
        responses: { 200: shown },
      }),
      async (c) => answer(c, await rollouts.steer("abort")),
    );
}

export function releasePieceRoutes({ rollouts }: ApiPorts) {
  return new Hono<ApiEnv>().get(
    "/api/fleet/release",
    route({
      tag: "releases",
      summary: "A piece of a file of the release that the fleet is updated to; for nodes",
      query: z.strictObject({
        file: z.string().min(1).max(MAX_FILE_CHARS),
        offset: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
      }),
      responses: {
        200: json("The piece, in base64, and the length of the file", z.object({ bytes: z.string(), size: z.int() }), {
          bytes: "e30=",
          size: 2,
        }),
      },
    }),
    async (c) => {
      const { file, offset } = c.req.valid("query");
      const piece = await rollouts.read(file, offset);
      return piece.ok ? c.json({ ...piece.value }, 200) : answerProblem(c, piece.error);
    },
  );
}
