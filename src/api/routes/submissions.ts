/** Submitting tasks. */

import { type Context, Hono } from "hono";
import { z } from "zod";
import { type Result, refused } from "#base";
import type { ApiEnv } from "../environment.ts";
import { exampleSubmission, exampleTask, exampleWaitingTask } from "../examples.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { type JsonBody, json, route } from "../route.ts";
import { type Batch, parseSubmissions, tasksOfCaller } from "../submission.ts";
import { keySchema, type SubmissionInput, submissionSchema } from "../submission-schema.ts";
import { taskSchema, taskView } from "../task-view.ts";
import { findTask } from "./tasks.ts";

const receiptsSchema = z.object({
  tasks: z.array(z.object({ id: z.string(), ref: z.string().nullable(), created: z.boolean() })),
});

const submissionBody: JsonBody<SubmissionInput | SubmissionInput[], Batch> = {
  schema: z.union([submissionSchema, z.array(submissionSchema)]),
  example: exampleSubmission,
  optional: false,
  parse: parseSubmissions,
};

export function submissionRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>().post(
    "/api/tasks",
    route({
      tag: "tasks",
      summary: "Submit one task, or an array of them in one transaction",
      description:
        "All tasks of an array are accepted or none. With an idempotency key a repetition returns the tasks that are there (200); the same key with another body is refused (409).",
      headers: { "Idempotency-Key": "Names this request, so that it can be repeated safely" },
      json: submissionBody,
      responses: {
        201: json(
          "The task, or for an array the ids in order",
          z.union([taskSchema, receiptsSchema]),
          exampleWaitingTask,
        ),
        200: json("The same, when all of them were there already", z.union([taskSchema, receiptsSchema]), {
          tasks: [{ id: exampleTask.id, ref: "tests", created: false }],
        }),
      },
    }),
    async (c) => {
      const batch = c.req.valid("json");
      const header = headerKey(c);
      if (!header.ok) return answerProblem(c, header.error);
      const tasks = tasksOfCaller(batch, {
        ids: ports.ids,
        executors: ports.executors,
        batchKey: header.value,
        defaults: ports.submissionDefaults,
      });
      if (!tasks.ok) return answerProblem(c, tasks.error);
      const receipts = await ports.queue.submit(tasks.value);
      if (!receipts.ok) return answerProblem(c, receipts.error);
      const status = receipts.value.some((receipt) => receipt.created) ? 201 : 200;
      if (batch.isArray) {
        const shown = receipts.value.map(({ id, created }, index) => ({
          id,
          ref: batch.tasks[index]?.ref ?? null,
          created,
        }));
        return c.json({ tasks: shown }, status);
      }
      const [receipt] = receipts.value;
      const record = await findTask(ports, receipt?.id ?? "");
      if (!record.ok) return answerProblem(c, record.error);
      c.header("location", `/api/tasks/${record.value.row.id}`);
      return c.json(taskView(record.value), status);
    },
  );
}

function headerKey(c: Context<ApiEnv>): Result<string | undefined> {
  const given = c.req.header("idempotency-key");
  if (given === undefined) return { ok: true, value: undefined };
  const parsed = keySchema.safeParse(given);
  if (parsed.success) return { ok: true, value: parsed.data };
  const reason = parsed.error.issues[0]?.message ?? "it was refused";
  return { ok: false, error: refused("invalid", `the Idempotency-Key header is not valid: ${reason}`) };
}
