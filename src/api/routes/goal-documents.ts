/** Goals as files: Markdown, TOML, XML. */
import { Hono } from "hono";
import { z } from "zod";
import { assert, err, type JsonObject, ok, parseGoalId, type Result, refused } from "#base";
import { checkSchema } from "#execution";
import {
  DOCUMENT_FORMATS,
  type Document,
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
import { submissionsToTasks } from "../submission.ts";
import { keySchema } from "../submission-schema.ts";

const submission = goalSubmissionSchema(checkSchema);
const formatSchema = z.enum(DOCUMENT_FORMATS);
const receiptSchema = z.object({ id: z.string(), existed: z.boolean(), kind: z.enum(["goal", "task"]) });
const documentSchema = z.object({ format: formatSchema, text: z.string() });
const EXAMPLE = "---\nkind: goal\ntitle: Greet in French\n---\n\nThe greeting is said in English only.\n";

export function goalDocumentRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>()
    .post(
      "/api/goals/import",
      route({
        tag: "goals",
        summary: "Hand in a goal, or one task, as a document: Markdown with a front matter, TOML, or XML",
        json: body(
          z.strictObject({
            format: formatSchema,
            text: z.string().max(MAX_DOCUMENT_CHARS),
            idempotencyKey: keySchema.optional(),
          }),
          { format: "md", text: EXAMPLE },
        ),
        responses: {
          201: json("Its id", receiptSchema, { id: exampleGoal.id, existed: false, kind: "goal" }),
          200: json("What the key names already", receiptSchema, { id: exampleGoal.id, existed: true, kind: "goal" }),
        },
      }),
      async (c) => {
        const { format, text, idempotencyKey } = c.req.valid("json");
        const document = await readDocument(text, format, (toml) => Bun.TOML.parse(toml));
        if (!document.ok) {
          return answerProblem(c, refused("invalid", `the document cannot be read: ${document.error}`));
        }
        const receipt = await handIn(ports, document.value, idempotencyKey);
        if (!receipt.ok) return answerProblem(c, receipt.error);
        const { id, existed, kind } = receipt.value;
        c.header("location", kind === "task" ? `/api/tasks/${id}` : `/api/goals/${id}`);
        return c.json({ id, existed, kind }, existed ? 200 : 201);
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

type Receipt = z.output<typeof receiptSchema>;

/** What is only ever made by drover itself, and where to say the same. */
const NOT_HANDED_IN = {
  proposal: "Proposals are made by drover: drover proposal list. Hand in what is to be done as a goal",
  improvement: "Improvements are found in repositories: drover improvement look. Hand in what is to be done as a goal",
  state: "It says how a goal stood. Export it without --whole for a document that can be handed in",
} as const;

async function handIn(ports: ApiPorts, { kind, body: given }: Document, key: string | undefined) {
  const fields = key === undefined ? given : { ...given, idempotencyKey: key };
  if (kind === "task") return handInTask(ports, fields);
  if (kind !== "goal") {
    return err(refused("unsupported", `a document of kind ${kind} cannot be handed in`, NOT_HANDED_IN[kind]));
  }
  const order = orderFrom(fields);
  if (!order.ok) return order;
  const receipt = await ports.goals.submit(order.value);
  return receipt.ok ? ok<Receipt>({ id: receipt.value.id, existed: receipt.value.existed, kind }) : receipt;
}

/** Through the same door as any other task, with the same checks. */
async function handInTask(ports: ApiPorts, fields: JsonObject): Promise<Result<Receipt>> {
  const { ids, executors, submissionDefaults: defaults } = ports;
  const tasks = submissionsToTasks(fields, { ids, executors, defaults });
  if (!tasks.ok) return tasks;
  const receipts = await ports.queue.submit(tasks.value);
  if (!receipts.ok) return receipts;
  const [receipt] = receipts.value;
  assert(receipt !== undefined, "one task was submitted");
  return ok({ id: receipt.id, existed: !receipt.created, kind: "task" });
}

function orderFrom(fields: JsonObject): Result<GoalOrder> {
  const parsed = submission.safeParse(fields);
  if (!parsed.success) {
    const faults = faultsOf(parsed.error, submission);
    const [first] = faults;
    return err(refused("invalid", `the goal is not valid: ${first?.path}: ${first?.reason}`, undefined, faults));
  }
  // `as`: what the schema let through is a submission.
  return ok(orderOf(parsed.data as GoalSubmission, "file"));
}
