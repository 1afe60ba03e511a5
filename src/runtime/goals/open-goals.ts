/** Joins goals with the queue, the API and what carries them out. */
import { Executing, type GoalRepositories, lastWords } from "#activities";
import { submissionsToTasks } from "#api";
import { type Clock, err, type Logger, ok, type Result, refused, type TaskId } from "#base";
import { checkSchema, EXECUTORS } from "#execution";
import { GoalService, type Goals } from "#goals";
import { TIERS } from "#hw";
import type { Config } from "../config/settings.ts";
import type { Engine } from "../engine.ts";
import { wholeResult } from "../part-chunks.ts";
import { makeGoalFolder } from "./goal-folders.ts";

export type GoalParts = {
  readonly config: Config;
  readonly stateDir: string;
  readonly engine: Pick<Engine, "stores" | "queue" | "service" | "ids" | "nodeId" | "submissionFacts" | "parts">;
  readonly repositories: GoalRepositories;
  readonly clock: Clock;
  readonly logger: Logger;
};

export type NodeGoals = {
  readonly port: Goals;
  /** Where goals are written; undefined on a node that follows a hub. */
  readonly service: GoalService | undefined;
  /** The activity; undefined on a node that follows a hub. */
  readonly executing: Executing | undefined;
};

/** Where no repository is known. */
export const NO_REPOSITORIES: GoalRepositories = {
  describe: (name) => Promise.resolve(err(unknownRepository(name))),
  deliver: ({ repository }) => Promise.resolve(err(unknownRepository(repository))),
};

function unknownRepository(name: string) {
  return refused("not_found", `there is no repository "${name}"`, "Hand the goal in without one, or with --workspace");
}

export function openGoals(parts: GoalParts): NodeGoals {
  const { engine, clock } = parts;
  const service = new GoalService({
    store: engine.stores.goals,
    clock,
    ids: engine.ids,
    node: engine.nodeId,
    check: checkSchema,
  });
  return { port: service, service, executing: executingOf(parts) };
}

function executingOf({ config, stateDir, engine, repositories, clock, logger }: GoalParts): Executing {
  return new Executing({
    goals: engine.stores.goals,
    queue: engine.queue,
    repositories,
    vocabulary: { executors: EXECUTORS, tiers: TIERS, check: checkSchema },
    submissions: (values) => submissionsToTasks([...values], engine.submissionFacts),
    wholeReply: (taskId, attempt) => wholeReply(engine, taskId, attempt),
    node: engine.nodeId,
    folder: (goal) => makeGoalFolder(stateDir, goal, config["sandbox.user"]),
    clock,
    logger,
    settings: { atOnce: config["goals.at_once"], tier: config["goals.plan_tier"] },
  });
}

async function wholeReply(
  { parts }: Pick<Engine, "parts">,
  taskId: TaskId,
  attempt: number,
): Promise<Result<string | undefined>> {
  const whole = await wholeResult(parts.reader, { taskId, attempt, part: "result" });
  if (!whole.ok) return whole;
  return ok(whole.value === undefined ? undefined : (lastWords(whole.value) ?? undefined));
}
