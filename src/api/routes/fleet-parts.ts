/** Logs and large results between the nodes of a fleet and its hub: for nodes alone, under their signatures. */
import { type Context, Hono } from "hono";
import { z } from "zod";
import { type NodeId, parseNodeId, parseTaskId, refused, type TaskId } from "#base";
import {
  ATTEMPT_PARTS,
  BLOB_PIECE_BYTES,
  blobStateSchema,
  ENCODINGS,
  mayDo,
  parseBlobHash,
  partPushAnswerSchema,
  partPushSchema,
  partReadAnswerSchema,
  partReadSchema,
} from "#fleet";
import type { ApiEnv } from "../environment.ts";
import { answerNotHub } from "../not-hub.ts";
import type { ApiPorts, FleetPort } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route, text } from "../route.ts";

const TASK = "t_06d3w4q000e7v9w2m5x1y3z6ab";
const MAX_ATTEMPT = 1_000_000;

/** Shapes that are too deep for inference. */
const loosely = (schema: z.ZodType): z.ZodType => schema;

const wholeNumber = z
  .string()
  .regex(/^\d{1,15}$/, "must be a whole number")
  .transform(Number);

const putQuery = z.strictObject({
  taskId: z.string().refine((given) => parseTaskId(given) !== undefined, "must be the id of a task"),
  attempt: wholeNumber.pipe(z.int().min(1).max(MAX_ATTEMPT)),
  part: z.enum(ATTEMPT_PARTS),
  encoding: z.enum(ENCODINGS),
  rawBytes: wholeNumber,
  bytes: wholeNumber,
  offset: wholeNumber,
  /** The node that ran the attempt, where another one that was the hub offers what it keeps. */
  node: z
    .string()
    .refine((given) => parseNodeId(given) !== undefined, "must be the id of a node")
    .optional(),
});

type Asked = { readonly parts: NonNullable<ReturnType<NonNullable<FleetPort["parts"]>>>; readonly node: NodeId };

/** What the hub has for its nodes, and the node that asks; undefined where this node is no hub. */
function askedOf(c: Context<ApiEnv>, ports: ApiPorts): Asked | undefined {
  const parts = ports.fleet.parts?.();
  const node = c.get("fleetNode");
  return parts === undefined || node === undefined ? undefined : { parts, node: node.id };
}

const noHash = refused("invalid", "a blob is named by its SHA-256, 64 lower-case hexadecimal digits");

export function fleetBlobRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/fleet/blobs/:hash",
      route({
        tag: "fleet",
        summary: "A blob of the hub, from an offset in bytes on; for nodes",
        description:
          "At most 1 MiB; `X-Blob-Size` says how much there is of it in all. Its hash proves it, so it is not signed.",
        query: z.strictObject({ offset: wholeNumber.optional() }),
        responses: { 200: text("Part of the blob", "application/octet-stream", "41 of 41 tests passed\n") },
      }),
      async (c) => {
        const asked = askedOf(c, ports);
        if (asked === undefined) return answerNotHub(c, ports);
        const hash = parseBlobHash(c.req.param("hash"));
        if (hash === undefined) return answerProblem(c, noHash);
        const part = await asked.parts.depot.read(hash, c.req.valid("query").offset ?? 0, BLOB_PIECE_BYTES);
        if (!part.ok) return answerProblem(c, part.error);
        const { bytes, totalBytes } = part.value;
        const headers = { "content-type": "application/octet-stream", "x-blob-size": String(totalBytes) };
        return c.body(new Uint8Array(bytes), 200, headers);
      },
    )
    .put(
      "/api/fleet/blobs/:hash",
      route({
        tag: "fleet",
        summary: "The next piece of a part of an attempt; for nodes",
        description:
          "The body is the piece as it is, at most 1 MiB. A piece of another place than the next one changes nothing: the " +
          "answer says how far the blob is, so an empty one asks where to go on. With the last piece the hash is checked.",
        query: putQuery,
        responses: { 200: json("How far the blob is", loosely(blobStateSchema), { kind: "begun", bytes: 1_048_576 }) },
      }),
      async (c) => {
        const asked = askedOf(c, ports);
        const node = c.get("fleetNode");
        if (asked === undefined || node === undefined) return answerNotHub(c, ports);
        if (!mayDo(node.role, "work")) {
          return answerProblem(c, {
            code: "forbidden",
            message: `${node.name} joined as ${node.role}, and sends nothing`,
          });
        }
        const hash = parseBlobHash(c.req.param("hash"));
        if (hash === undefined) return answerProblem(c, noHash);
        const piece = c.get("signedBody") ?? new Uint8Array(await c.req.arrayBuffer());
        if (piece.byteLength > BLOB_PIECE_BYTES) {
          return answerProblem(c, refused("too_large", `a piece of a blob has at most ${BLOB_PIECE_BYTES} bytes`));
        }
        const { taskId, offset, node: runner = asked.node, ...said } = c.req.valid("query");
        // `as`, twice: the schema has looked.
        const blob = { ...said, taskId: taskId as TaskId, hash, node: runner as NodeId };
        const state = await asked.parts.depot.put(blob, { offset, totalBytes: said.bytes, bytes: piece }, asked.node);
        return state.ok ? c.json(state.value, 200) : answerProblem(c, state.error);
      },
    );
}

export function fleetPartRoutes(ports: ApiPorts) {
  const key = { taskId: TASK, attempt: 1, part: "output" } as const;
  return new Hono<ApiEnv>()
    .post(
      "/api/fleet/parts/read",
      route({
        tag: "fleet",
        summary: "Read a log or a large result of an attempt, wherever it lies; for nodes",
        description:
          "`bytes` of it, or the `blob` that it is; what may still come is waited for. `none`: there is no such part, yet " +
          "or at all.",
        json: body(loosely(partReadSchema), { ...key, offset: 0, maxBytes: 65_536, waitMs: 1_000 }),
        responses: {
          200: json("What there is", loosely(partReadAnswerSchema), {
            kind: "bytes",
            bytes: "b25lCg==",
            sizeBytes: 4,
            isWhole: false,
          }),
        },
      }),
      async (c) => {
        const asked = askedOf(c, ports);
        if (asked === undefined) return answerNotHub(c, ports);
        // `as`: checked by the schema just before, here and below.
        const answer = await asked.parts.reader.serve(c.req.valid("json") as z.output<typeof partReadSchema>);
        return answer.ok ? c.json(answer.value, 200) : answerProblem(c, answer.error);
      },
    )
    .post(
      "/api/fleet/parts/push",
      route({
        tag: "fleet",
        summary: "What came of a log that is read on the hub; for nodes",
        description: "A node that was told that a part is read sends it until `isFollowed` is false.",
        json: body(loosely(partPushSchema), { ...key, offset: 0, bytes: "b25lCg==", sizeBytes: 4, isWhole: false }),
        responses: {
          200: json("Where to go on", loosely(partPushAnswerSchema), { wanted: 4, isFollowed: true }),
        },
      }),
      async (c) => {
        const asked = askedOf(c, ports);
        if (asked === undefined) return answerNotHub(c, ports);
        const answer = await asked.parts.relay.push(asked.node, c.req.valid("json") as z.output<typeof partPushSchema>);
        return answer.ok ? c.json(answer.value, 200) : answerProblem(c, answer.error);
      },
    );
}
