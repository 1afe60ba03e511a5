/** What a node had accepted as a hub that was superseded, and what became of it under the new one. */
import { Hono } from "hono";
import { z } from "zod";
import { err, ok, type Result, refused } from "#base";
import type { QuarantineFolder } from "#fleet";
import type { ApiEnv } from "../environment.ts";
import { quarantineCountsSchema } from "../fleet-view.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { json, route } from "../route.ts";

const MAX_ENTRIES = 500;
const DEFAULT_ENTRIES = 100;

const folderSchema = z.object({
  name: z.string(),
  atMs: z.int(),
  epoch: z.int().nullable(),
  state: z.enum(["reading", "sending", "settled", "foreign", "unreadable"]),
  note: z.string().nullable(),
  bytes: z.int(),
  counts: quarantineCountsSchema,
});

const entrySchema = z.object({
  n: z.int(),
  kind: z.enum(["submission", "completion", "change"]),
  taskId: z.string().nullable(),
  attempt: z.int().nullable(),
  event: z.string(),
  atMs: z.int(),
  outcome: z.enum(["waiting", "accepted", "superseded", "left", "refused"]),
  reason: z.string().nullable(),
});

const exampleFolder = {
  name: "20261127T054053123Z",
  atMs: 1_795_844_453_123,
  epoch: 1,
  state: "settled" as const,
  note: null,
  bytes: 1_048_576,
  counts: { waiting: 0, accepted: 12, superseded: 1, left: 0, refused: 0 },
};

const exampleEntry = {
  n: 1,
  kind: "submission" as const,
  taskId: "t_06d3w4q000e7v9w2m5x1y3z6ab",
  attempt: null,
  event: "task.submitted",
  atMs: 1_795_844_452_000,
  outcome: "accepted" as const,
  reason: null,
};

export function quarantineRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/fleet/quarantine",
      route({
        tag: "fleet",
        summary: "Databases that this node had as a hub that was superseded",
        responses: {
          200: json("The oldest first", z.object({ folders: z.array(folderSchema) }), { folders: [exampleFolder] }),
        },
      }),
      (c) => {
        const found = ports.fleet.quarantine?.folders();
        if (found?.ok === false) return answerProblem(c, found.error);
        return c.json({ folders: (found?.value ?? []).map((folder) => ({ ...folder })) }, 200);
      },
    )
    .get(
      "/api/fleet/quarantine/:name",
      route({
        tag: "fleet",
        summary: "What this node alone had accepted, and what became of each thing",
        query: z.object({
          after: z.coerce.number().int().min(0).default(0),
          limit: z.coerce.number().int().min(1).max(MAX_ENTRIES).default(DEFAULT_ENTRIES),
        }),
        responses: {
          200: json(
            "In the order in which it was accepted",
            z.object({ folder: folderSchema, entries: z.array(entrySchema), nextAfter: z.int().nullable() }),
            { folder: exampleFolder, entries: [exampleEntry], nextAfter: null },
          ),
        },
      }),
      (c) => {
        const { after, limit } = c.req.valid("query");
        const found = folderOf(ports, c.req.param("name"));
        if (!found.ok) return answerProblem(c, found.error);
        const { folder, quarantine } = found.value;
        const entries = quarantine.entries(folder.name, after, limit);
        if (!entries.ok) return answerProblem(c, entries.error);
        const nextAfter = entries.value.length < limit ? null : (entries.value.at(-1)?.n ?? null);
        const shown = entries.value.map(({ command: _command, ...entry }) => entry);
        return c.json({ folder: { ...folder }, entries: shown, nextAfter }, 200);
      },
    )
    .delete(
      "/api/fleet/quarantine/:name",
      route({
        tag: "fleet",
        summary: "Delete a quarantined database for good",
        description: "Refused while something in it still waits to be sent, unless with `force`.",
        query: z.object({ force: z.enum(["true", "false"]).default("false") }),
        responses: { 200: json("It is gone", z.object({ name: z.string() }), { name: exampleFolder.name }) },
      }),
      async (c) => {
        const found = folderOf(ports, c.req.param("name"));
        if (!found.ok) return answerProblem(c, found.error);
        const { folder, quarantine } = found.value;
        if (folder.state !== "settled" && c.req.valid("query").force !== "true") {
          const message = `${folder.name} is not settled with the new hub, and is nowhere else`;
          const remedy = "Wait until it is; or delete it all the same: drover quarantine drop NAME --force";
          return answerProblem(c, refused("conflict", message, remedy));
        }
        const removed = await quarantine.remove(folder.name);
        return removed.ok ? c.json({ name: folder.name }, 200) : answerProblem(c, removed.error);
      },
    );
}

type Found = {
  readonly folder: QuarantineFolder;
  readonly quarantine: NonNullable<ApiPorts["fleet"]["quarantine"]>;
};

function folderOf({ fleet: { quarantine } }: ApiPorts, name: string): Result<Found> {
  const folders = quarantine?.folders() ?? ok([]);
  if (!folders.ok) return folders;
  const folder = folders.value.find((each) => each.name === name);
  if (folder !== undefined && quarantine !== undefined) return ok({ folder, quarantine });
  const message = `there is no quarantined database ${name.slice(0, 64)}`;
  return err(refused("not_found", message, "See: drover quarantine list"));
}
