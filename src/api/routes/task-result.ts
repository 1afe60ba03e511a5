/** What an attempt came to, whole: also where the fleet's database has a shortened form of it. */
import { Hono } from "hono";
import { z } from "zod";
import { type Failure, refused, terminal } from "#base";
import type { AttemptRow, TaskRecord } from "#queue";
import type { ApiEnv } from "../environment.ts";
import { integerField } from "../parameters.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { json, route } from "../route.ts";
import { findTask } from "./tasks.ts";

const MAX_ATTEMPT = 1_000_000;

const resultSchema = z.object({
  id: z.string(),
  attempt: z.int(),
  outcome: z.string(),
  report: z.record(z.string(), z.unknown()).nullable(),
  result: z.record(z.string(), z.unknown()).nullable(),
});
export type ResultView = z.output<typeof resultSchema>;

const exampleResult: ResultView = {
  id: "t_06d3w4q000e7v9w2m5x1y3z6ab",
  attempt: 1,
  outcome: "passed",
  report: { passed: true, checks: [] },
  result: { exitCode: 0 },
};

export function taskResultRoutes(ports: ApiPorts) {
  return new Hono<ApiEnv>().get(
    "/api/tasks/:id/result",
    route({
      tag: "tasks",
      summary: "The whole result of an attempt, with its verification report",
      description:
        "Without `attempt` of the one that passed, otherwise of the last one that has any. Where `result.whole` of the " +
        "task names a blob, what the task shows is shortened, and this is not.",
      query: z.strictObject({ attempt: integerField(1, MAX_ATTEMPT) }),
      responses: { 200: json("The result", resultSchema, exampleResult) },
    }),
    async (c) => {
      const record = await findTask(ports, c.req.param("id"));
      if (!record.ok) return answerProblem(c, record.error);
      const attempt = attemptOf(record.value, c.req.valid("query").attempt);
      const { id } = record.value.row;
      if (attempt === undefined) {
        return answerProblem(c, refused("not_found", `there is no such result of task ${id}`, "It may not have ended"));
      }
      const { n, outcome, report, result } = attempt;
      if (result?.["whole"] === undefined) return c.json({ id, attempt: n, outcome, report, result }, 200);
      const whole = await ports.readResult(id, n);
      if (!whole.ok) return answerProblem(c, whole.error);
      if (whole.value === undefined) return answerProblem(c, lost(attempt));
      return c.json({ id, attempt: n, outcome, ...whole.value }, 200);
    },
  );
}

function attemptOf({ attempts }: TaskRecord, wanted: number | undefined): AttemptRow | undefined {
  if (wanted !== undefined) return attempts.find(({ n }) => n === wanted);
  const withResult = attempts.filter(({ result }) => result !== null);
  return withResult.findLast(({ outcome }) => outcome === "passed") ?? withResult.at(-1);
}

function lost({ taskId, n }: AttemptRow): Failure {
  const message = `the whole result of attempt ${n} of task ${taskId} is neither on the hub nor on the node that made it`;
  return terminal("lost", message, `What is left of it: drover task show ${taskId}`);
}
