/** Goals as files: Markdown, TOML, XML. */
import { Hono } from "hono";
import { z } from "zod";
import { err, type JsonObject, ok, parseGoalId, type Result, refused } from "#base";
import { checkSchema } from "#execution";
import {
  DOCUMENT_FORMATS,
  type GoalOrder,
  type GoalSubmission,
  goalSubmissionSchema,
  MAX_DOCUMENT_CHARS,
  noGoal,
  orderOf,
  readDocument,
  submissionOf,
  writeDocument,
} from "#goals";
import type { ApiEnv } from "../environment.ts";
import { faultsOf } from "../faults.ts";
import { findGoal } from "../find-goal.ts";
import { exampleGoal } from "../goal-view.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { body, json, route } from "../route.ts";
import { keySchema } from "../submission-schema.ts";

const submission = goalSubmissionSchema(checkSchema);
const formatSchema = z.enum(DOCUMENT_FORMATS);
const receiptSchema = z.object({ id: z.string(), existed: z.boolean() });
const documentSchema = z.object({ format: formatSchema, text: z.string() });
const EXAMPLE = "---\nkind: goal\ntitle: Greet in French\n---\n\nThe greeting is said in English only.\n";

export function goalDocumentRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .post(
      "/api/goals/import",
      route({
        tag: "goals",
        summary: "Hand in a goal as a document: Markdown with a front matter, TOML, or XML",
        json: body(
          z.strictObject({
            format: formatSchema,
            text: z.string().max(MAX_DOCUMENT_CHARS),
            idempotencyKey: keySchema.optional(),
          }),
          { format: "md", text: EXAMPLE },
        ),
        responses: {
          201: json("Its id", receiptSchema, { id: exampleGoal.id, existed: false }),
          200: json("The goal that the key names already", receiptSchema, { id: exampleGoal.id, existed: true }),
        },
      }),
      async (c) => {
        const { format, text, idempotencyKey } = c.req.valid("json");
        const order = await orderFrom(text, format, idempotencyKey);
        if (!order.ok) return answerProblem(c, order.error);
        const receipt = await ports.goals.submit(order.value);
        if (!receipt.ok) return answerProblem(c, receipt.error);
        c.header("location", `/api/goals/${receipt.value.id}`);
        return c.json({ ...receipt.value }, receipt.value.existed ? 200 : 201);
      },
    )
    .get(
      "/api/goals/:id/document",
      route({
        tag: "goals",
        summary: "A goal as a document that can be handed in again, or everything that is known of it",
        query: z.strictObject({ format: formatSchema.default("md"), of: z.enum(["goal", "state"]).default("goal") }),
        responses: { 200: json("The document", documentSchema, { format: "md", text: EXAMPLE }) },
      }),
      async (c) => {
        const { format, of } = c.req.valid("query");
        const written = await documentOf(ports, c.req.param("id"), format, of);
        return written.ok ? c.json({ format, text: written.value }, 200) : answerProblem(c, written.error);
      },
    );
}

type Format = z.output<typeof formatSchema>;

async function documentOf(
  ports: ApiPorts,
  given: string,
  format: Format,
  of: "goal" | "state",
): Promise<Result<string>> {
  const id = parseGoalId(given);
  if (id === undefined) return err(noGoal(given.slice(0, 64)));
  let content: JsonObject;
  if (of === "state") {
    const whole = await findGoal(ports, id);
    if (!whole.ok) return whole;
    content = whole.value as unknown as JsonObject; // `as`: an answer of the API is JSON throughout
  } else {
    const goal = await ports.goals.store.find(id);
    if (!goal.ok) return goal;
    if (goal.value === undefined) return err(noGoal(id));
    content = submissionOf(goal.value.order) as JsonObject; // `as`: likewise
  }
  const written = await writeDocument({ kind: of, body: content }, format);
  return written.ok ? ok(written.value) : err(refused("unsupported", written.error));
}

async function orderFrom(text: string, format: Format, key: string | undefined): Promise<Result<GoalOrder>> {
  const document = await readDocument(text, format, (toml) => Bun.TOML.parse(toml));
  if (!document.ok) return err(refused("invalid", `the document cannot be read: ${document.error}`));
  const { kind, body: fields } = document.value;
  if (kind !== "goal") {
    const message = `the document is a ${kind}, and only goals are handed in here`;
    return err(refused("unsupported", message, "Hand tasks in with: drover task add --file FILE"));
  }
  const parsed = submission.safeParse(key === undefined ? fields : { ...fields, idempotencyKey: key });
  if (!parsed.success) {
    const faults = faultsOf(parsed.error, submission);
    const [first] = faults;
    return err(refused("invalid", `the goal is not valid: ${first?.path}: ${first?.reason}`, undefined, faults));
  }
  // `as`: what the schema let through is a submission.
  return ok(orderOf(parsed.data as GoalSubmission, "file"));
}
