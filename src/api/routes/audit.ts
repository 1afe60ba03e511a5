/** What this node decided, and whether that is what was written down. */
import { Hono } from "hono";
import { z } from "zod";
import { canonicalJson, err, ok, type Result, refused } from "#base";
import type { AuditPlace, AuditRow } from "#telemetry";
import type { ApiEnv } from "../environment.ts";
import { integerField, spanField } from "../parameters.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { json, route, text } from "../route.ts";

const MAX_ROWS = 500;
const DEFAULT_ROWS = 100;
/** In one answer to somebody who asks in parts. */
const MAX_EXPORT_ROWS = 10_000;
const MAX_WORD_CHARS = 512;
const MAX_SPAN_MS = 3_650 * 86_400_000;
const NDJSON = "application/x-ndjson";

const placeSchema = z.object({ seq: z.int(), hash: z.string() });
const rowSchema = placeSchema.extend({
  atMs: z.int(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  reason: z.string(),
  detail: z.unknown(),
  /** The hash of the row before it. */
  previous: z.string(),
});
const pageSchema = z.object({
  items: z.array(rowSchema),
  nextCursor: z.string().nullable(),
  /** The last row of the log. */
  head: placeSchema,
  /** The last row that retention removed. */
  cut: placeSchema,
});
const verificationSchema = z.object({
  rows: z.int(),
  from: z.int().nullable(),
  to: placeSchema.nullable(),
  fault: z.object({ seq: z.int(), kind: z.string(), message: z.string() }).nullable(),
  notes: z.array(z.string()),
});

const HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const NO_HASH = "0".repeat(64);
const exampleRow: z.input<typeof rowSchema> = {
  seq: 1,
  atMs: 1_763_700_000_000,
  actor: "mind",
  action: "mind.changed",
  subject: "healing",
  reason: "three tasks are stuck",
  detail: { from: "executing" },
  previous: NO_HASH,
  hash: HASH,
};
const examplePage: z.input<typeof pageSchema> = {
  items: [exampleRow],
  nextCursor: null,
  head: { seq: 1, hash: HASH },
  cut: { seq: 0, hash: NO_HASH },
};
const exampleVerification: z.input<typeof verificationSchema> = {
  rows: 1,
  from: 1,
  to: { seq: 1, hash: HASH },
  fault: null,
  notes: [],
};

const word = z.string().min(1).max(MAX_WORD_CHARS).optional();
const placeText = z
  .string()
  .regex(/^\d{1,15}:[0-9a-f]{64}$/, "must be a number, a colon and a hash, as a verification shows it")
  .optional();

export function auditRoutes({ audit, clock }: ApiPorts) {
  return new Hono<ApiEnv>()
    .get(
      "/api/audit",
      route({
        tag: "audit",
        summary: "What this node decided, the newest first",
        query: z.strictObject({
          limit: integerField(1, MAX_ROWS),
          cursor: integerField(1, Number.MAX_SAFE_INTEGER),
          actor: word,
          /** The action, or what it begins with up to a dot. */
          action: word,
          subject: word,
          since: spanField(MAX_SPAN_MS),
        }),
        responses: { 200: json("A page", pageSchema, examplePage) },
      }),
      (c) => {
        const { limit = DEFAULT_ROWS, cursor, since, ...filters } = c.req.valid("query");
        const bounds = audit.bounds();
        if (!bounds.ok) return answerProblem(c, bounds.error);
        const sinceMs = since === undefined ? {} : { sinceMs: clock.nowMs() - since };
        const rows = audit.list({ ...filters, ...sinceMs, limit, ...(cursor === undefined ? {} : { below: cursor }) });
        if (!rows.ok) return answerProblem(c, rows.error);
        const last = rows.value.length < limit ? undefined : rows.value.at(-1);
        const nextCursor = last === undefined ? null : String(last.seq);
        return c.json({ items: rows.value.map(shown), nextCursor, ...bounds.value }, 200);
      },
    )
    .get(
      "/api/audit/export",
      route({
        tag: "audit",
        summary: "The whole log in its order, a row a line; drover audit verify --file checks it anywhere",
        query: z.strictObject({
          /** Only what comes after this row. */
          after: integerField(0, Number.MAX_SAFE_INTEGER),
          limit: integerField(1, MAX_EXPORT_ROWS),
        }),
        responses: { 200: text("Lines of JSON", NDJSON, `${JSON.stringify(exampleRow)}\n`) },
      }),
      (c) => {
        const { after = 0, limit = Number.POSITIVE_INFINITY } = c.req.valid("query");
        return c.body(lines(audit, after, limit), 200, { "content-type": NDJSON });
      },
    )
    .get(
      "/api/audit/verification",
      route({
        tag: "audit",
        summary: "Whether the log is what was written; the first row that is not",
        description: "`expect` is a place that was noted elsewhere, as an earlier verification gave it: SEQ:HASH.",
        query: z.strictObject({ expect: placeText }),
        responses: { 200: json("What was found", verificationSchema, exampleVerification) },
      }),
      async (c) => {
        const { expect } = c.req.valid("query");
        const place = expect === undefined ? ok(undefined) : placeFrom(expect);
        const verified = place.ok ? await audit.verify(place.value) : place;
        if (!verified.ok) return answerProblem(c, verified.error);
        const { fault, to, notes, ...rest } = verified.value;
        const view = { ...rest, to: to === null ? null : { ...to }, fault: fault === null ? null : { ...fault } };
        return c.json({ ...view, notes: [...notes] }, 200);
      },
    );
}

function shown(row: AuditRow): z.output<typeof rowSchema> {
  return { ...row };
}

/** A page a turn, so that a long log holds nobody up. */
function lines(audit: ApiPorts["audit"], from: number, limit: number): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let after = from;
  let left = limit;
  return new ReadableStream({
    pull: (controller) => {
      const wanted = Math.min(MAX_ROWS, left);
      const rows = audit.after(after, wanted);
      if (!rows.ok) {
        controller.error(new Error(rows.error.message));
        return;
      }
      after = rows.value.at(-1)?.seq ?? after;
      left -= rows.value.length;
      for (const row of rows.value) controller.enqueue(encoder.encode(`${canonicalJson({ ...row })}\n`));
      if (rows.value.length < wanted || left === 0) controller.close();
    },
  });
}

function placeFrom(given: string): Result<AuditPlace> {
  const [seq, hash] = given.split(":");
  if (seq !== undefined && hash !== undefined && /^[0-9a-f]{64}$/.test(hash)) return ok({ seq: Number(seq), hash });
  return err(refused("invalid", `"${given.slice(0, 80)}" is no place of the audit log`, "Write SEQ:HASH"));
}
