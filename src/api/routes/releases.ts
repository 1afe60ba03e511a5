/** What watches the node: its state, restarts, and the releases that it keeps. */
import { Hono } from "hono";
import { z } from "zod";
import { err, type JsonValue, ok, type Result, refused } from "#base";
import type { ApiEnv } from "../environment.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";
import { buildsSchema, exampleBuilds, type SourceBuildOrder, sourceFields } from "../source-build.ts";

const MAX_PATH_CHARS = 4_096;

const faultSchema = z.object({
  kind: z.string(),
  reason: z.string(),
  generation: z.int(),
  uptimeMs: z.number(),
  atMs: z.int(),
});

/** The watchdog may be one release older or newer than the node: what this node does not know of it is passed on. */
const watchdogSchema = z.looseObject({
  pid: z.int(),
  version: z.string(),
  startedAtMs: z.int(),
  sharesSocket: z.boolean(),
  node: z.looseObject({ phase: z.string(), pid: z.int().nullable(), generation: z.int(), phaseMs: z.int() }),
  lastFault: faultSchema.nullable(),
  faults: z.array(faultSchema),
  log: z.string(),
});

const exampleWatchdog = {
  pid: 4_020,
  version: "0.1.0",
  startedAtMs: 1,
  sharesSocket: true,
  node: { phase: "running", pid: 4_021, generation: 1, phaseMs: 60_000 },
  lastFault: null,
  faults: [],
  log: "/var/lib/drover/logs/node.log",
};

const releasesSchema = z.looseObject({
  current: z.string().nullable(),
  previous: z.string().nullable(),
  floor: z.string().nullable(),
  /** Kind of machine that files are for. */
  target: z.string().optional(),
  releases: z.array(z.looseObject({ version: z.string() })),
  swap: z.looseObject({ version: z.string(), step: z.string() }).nullable(),
  history: z.array(z.looseObject({ version: z.string().nullable(), result: z.string() })),
});

const exampleReleases = {
  current: "0.2.0",
  previous: "0.1.0",
  floor: "0.1.0",
  releases: [{ version: "0.2.0" }, { version: "0.1.0" }],
  swap: null,
  history: [{ version: "0.2.0", result: "committed" }],
};

const checkSchema = z.looseObject({
  from: z.string(),
  current: z.string().nullable(),
  version: z.string(),
  channel: z.string(),
  /** Whether an update would install it. */
  available: z.boolean(),
  /** Why not. */
  reason: z.string().nullable(),
  detail: z.string().nullable(),
});

const exampleCheck = {
  from: "https://releases.example/stable/manifest.json",
  current: "0.1.0",
  version: "0.2.0",
  channel: "stable",
  available: true,
  reason: null,
  detail: null,
};

const uploadedSchema = z.object({ id: z.string(), file: z.string(), bytes: z.int() });

const acceptedSchema = z.looseObject({ accepted: z.boolean() });

/** `isOrdered`: another node is told when it is heard of next. */
const restartSchema = z.object({ accepted: z.boolean(), isOrdered: z.boolean() });

/** @returns the answer of the watchdog, in the form of `schema`. */
function shaped<S extends z.ZodType>(result: Result<JsonValue>, schema: S): Result<z.output<S>> {
  if (!result.ok) return result;
  const parsed = schema.safeParse(result.value);
  if (parsed.success) return { ok: true, value: parsed.data };
  const message = "the watchdog answered in a form that this node does not know";
  return {
    ok: false,
    error: { kind: "terminal", code: "unsupported", message, remedy: "Restart drover: drover down, drover up" },
  };
}

export function watchdogRoutes(ports: ApiPorts) {
  const { watchdog } = ports;
  return new Hono<ApiEnv>()
    .get(
      "/api/watchdog",
      route({
        tag: "node",
        summary: "What watches this node, and how often the node failed",
        responses: { 200: json("Its state", watchdogSchema, exampleWatchdog) },
      }),
      async (c) => {
        const found = shaped(await watchdog.ask("status", null), watchdogSchema);
        return found.ok ? c.json(found.value, 200) : answerProblem(c, found.error);
      },
    )
    .post(
      "/api/nodes/:id/restart",
      route({
        tag: "node",
        summary: "Replace the node by a new process of the same release",
        description:
          "Attempts go on in their workers and are taken over; connections wait. `self` names the node that answers; another " +
          "node of the fleet is told when the hub hears of it next.",
        responses: {
          202: json("It is being replaced, or will be", restartSchema, { accepted: true, isOrdered: false }),
        },
      }),
      async (c) => {
        const id = c.req.param("id");
        if (id !== "self" && id !== ports.node.id && id !== ports.node.name) {
          const ordered = await ports.fleet.administration.orderRestart(id);
          return ordered.ok ? c.json({ accepted: true, isOrdered: true }, 202) : answerProblem(c, ordered.error);
        }
        const asked = await watchdog.ask("restart", null);
        return asked.ok ? c.json({ accepted: true, isOrdered: false }, 202) : answerProblem(c, asked.error);
      },
    );
}

export function releaseRoutes(ports: ApiPorts) {
  const { watchdog, uploads } = ports;
  return new Hono<ApiEnv>()
    .get(
      "/api/releases",
      route({
        tag: "releases",
        summary: "The releases on this host, the swap under way and the newest tries",
        responses: { 200: json("The releases", releasesSchema, exampleReleases) },
      }),
      async (c) => {
        const found = shaped(await watchdog.ask("releases", null), releasesSchema);
        return found.ok ? c.json(found.value, 200) : answerProblem(c, found.error);
      },
    )
    .put(
      "/api/releases/uploads/:id/:file",
      route({
        tag: "releases",
        summary: "Send a file of a release, for an update to install",
        description:
          "The body is the file as it is: `manifest.json`, then `drover-TARGET` or `drover-TARGET.gz` of the node's " +
          "target. `id` is chosen by the sender. The last two uploads are kept, for an hour.",
        responses: { 201: json("It is kept", uploadedSchema, { id: "my-upload", file: "manifest.json", bytes: 900 }) },
      }),
      async (c) => {
        const { id, file } = c.req.param();
        // `as`: a body is a stream of bytes; the types of Bun leave its chunks open.
        const sent = await uploads.put(id, file, c.req.raw.body as ReadableStream<Uint8Array> | null);
        return sent.ok ? c.json({ id, file, bytes: sent.value.bytes }, 201) : answerProblem(c, sent.error);
      },
    )
    .post(
      "/api/rollback",
      route({
        tag: "releases",
        summary: "Go back to the release before the current one",
        json: body(z.strictObject({}), {}, true),
        responses: { 202: json("It has begun", acceptedSchema, { accepted: true, version: "0.1.0" }) },
      }),
      async (c) => {
        const asked = shaped(await watchdog.ask("rollback", null), acceptedSchema);
        return asked.ok ? c.json(asked.value, 202) : answerProblem(c, asked.error);
      },
    );
}

export function updateRoutes(ports: ApiPorts) {
  const { watchdog, sourceBuilds } = ports;
  return new Hono<ApiEnv>()
    .get(
      "/api/source-builds",
      route({
        tag: "releases",
        summary: "The build from source under way, and what became of earlier ones",
        responses: { 200: json("The builds", buildsSchema, exampleBuilds) },
      }),
      async (c) => c.json(await sourceBuilds.view(), 200),
    )
    .get(
      "/api/update",
      route({
        tag: "releases",
        summary: "Look whether there is a newer release; installs nothing",
        description: "`from` as of `POST /api/update`. Fails when what is there is not to be trusted, or not reached.",
        query: z.strictObject({ from: z.string().min(1).max(MAX_PATH_CHARS).optional() }),
        responses: { 200: json("What is there", checkSchema, exampleCheck) },
      }),
      async (c) => {
        const asked = { from: c.req.valid("query").from ?? null };
        const found = shaped(await watchdog.ask("check", asked), checkSchema);
        return found.ok ? c.json(found.value, 200) : answerProblem(c, found.error);
      },
    )
    .post(
      "/api/update",
      route({
        tag: "releases",
        summary: "Install a release: checked, tried on a copy of the state, swapped in, and taken back if it fails",
        description:
          "`from` is the absolute path of a release folder or its manifest.json on the node's host, or the URL of a " +
          "manifest; `upload` names one that was sent to /api/releases/uploads. Without either the configured " +
          "update.manifest_url is looked at. Follow the swap at /api/releases. `source` is the absolute path of a folder " +
          "with drover's own source: its committed state is copied, `patch` (as git diff writes it) and `changes` are " +
          "applied to the copy, which is built and tested in the sandbox, signed by the key that the operator allowed, " +
          "and installed. Follow the build at /api/source-builds.",
        json: body(
          z.strictObject({
            from: z.string().min(1).max(MAX_PATH_CHARS).optional(),
            upload: z.string().min(1).max(64).optional(),
            ...sourceFields,
            /** Does not wait for the back-off of a version that failed here. */
            again: z.boolean().default(false),
            /** Also an older release than the current one, not below the floor. */
            allowOlder: z.boolean().default(false),
          }),
          { from: "/tmp/release" },
          true,
        ),
        responses: { 202: json("It has begun", acceptedSchema, { accepted: true, version: "0.2.0" }) },
      }),
      async (c) => {
        const { source, patch, changes, checkOnly, requestedBy, ...update } = c.req.valid("json");
        if ([update.from, update.upload, source].filter((place) => place !== undefined).length > 1) {
          return answerProblem(c, { code: "invalid", message: "`from`, `upload` and `source` exclude each other" });
        }
        const build = { patch, changes, checkOnly, requestedBy };
        const begun =
          source === undefined ? await install(ports, update, build) : await buildFirst(ports, source, build);
        return begun.ok ? c.json(begun.value, 202) : answerProblem(c, begun.error);
      },
    );
}

type Update = {
  readonly from?: string | undefined;
  readonly upload?: string | undefined;
  readonly allowOlder: boolean;
  readonly again: boolean;
};
type Build = {
  readonly patch?: string | undefined;
  readonly changes?: SourceBuildOrder["changes"] | undefined;
  readonly checkOnly?: boolean | undefined;
  readonly requestedBy?: string | undefined;
};

async function install({ watchdog, uploads }: ApiPorts, { from, upload, ...how }: Update, build: Build) {
  const [given] = Object.entries(build).filter(([, value]) => value !== undefined);
  if (given !== undefined) {
    return err(refused("invalid", `\`${given[0]}\` goes with \`source\``, "Name the folder of drover's source"));
  }
  const folder = upload === undefined ? ok(from ?? null) : uploads.folder(upload);
  if (!folder.ok) return folder;
  return shaped(await watchdog.ask("update", { from: folder.value, ...how }), acceptedSchema);
}

async function buildFirst({ sourceBuilds }: ApiPorts, source: string, given: Build) {
  const { patch = null, changes = [], checkOnly = false, requestedBy = null } = given;
  const begun = await sourceBuilds.begin({ source, patch, changes, checkOnly, requestedBy });
  return begun.ok ? ok({ accepted: true, build: begun.value.id }) : begun;
}
