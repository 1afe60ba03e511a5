/** Joins goals with the queue, the API and what carries them out. */
import { z } from "zod";
import { Executing, type GoalRepositories, lastWords } from "#activities";
import { submissionsToTasks } from "#api";
import { type Clock, err, InvariantBroken, type Logger, ok, type Result, refused, type TaskId } from "#base";
import { checkSchema, EXECUTORS } from "#execution";
import { type FleetNode, FleetQueue, onReplicas, type ReplicaWatch } from "#fleet";
import { type GoalReceipt, type GoalSubmission, type Goals, goalSubmissionSchema, orderOf } from "#goals";
import { TIERS } from "#hw";
import type { Config } from "../config/settings.ts";
import type { Engine } from "../engine.ts";
import type { HubDuty } from "../fleet/hub-duty.ts";
import { wholeResult } from "../part-chunks.ts";
import { makeGoalFolder } from "./goal-folders.ts";
import { RemoteGoals } from "./remote-goals.ts";

export type GoalParts = {
  readonly config: Config;
  readonly stateDir: string;
  readonly engine: Pick<Engine, "stores" | "queue" | "goals" | "ids" | "nodeId" | "submissionFacts" | "parts">;
  readonly repositories: GoalRepositories;
  /** Undefined where this node writes for no other. */
  readonly duty?: Pick<HubDuty, "replicas"> | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly crashPoint?: (label: string) => void;
};

/** Takes goals of whatever form; what is wrong with one is refused. */
export interface GoalSubmissions {
  submit(goal: object): Promise<Result<GoalReceipt>>;
}

export type NodeGoals = {
  readonly port: Goals;
  /** For parts of this node that hand in goals. */
  readonly submissions: GoalSubmissions;
  /** The activity; undefined on a node that follows a hub. */
  readonly executing: Executing | undefined;
};

export function openGoals(parts: GoalParts): NodeGoals {
  const { engine, duty } = parts;
  const { goals } = engine;
  const port =
    goals === undefined
      ? remoteGoals(parts)
      : duty?.replicas === undefined
        ? goals
        : onReplicasOf(goals, duty.replicas);
  const executing = goals === undefined ? undefined : executingOf(parts);
  // A person who cancels a goal stops it at once, whatever the mind does meanwhile.
  if (executing !== undefined) goals?.onCancelled((id) => void executing.sweep(id));
  return { port, submissions: submissionsTo(port), executing };
}

function remoteGoals({ engine: { queue, stores, ids }, clock }: GoalParts): Goals {
  if (!(queue instanceof FleetQueue)) throw new InvariantBroken("a node that writes no goals follows a hub");
  return new RemoteGoals({ store: stores.goals, queue, nodes: stores.fleetNodes, ids, clock });
}

/** For parts of this node that hand in goals; checked as those of people are. */
export function submissionsTo(port: Pick<Goals, "submit">): GoalSubmissions {
  const schema = goalSubmissionSchema(checkSchema);
  return {
    submit: async (goal) => {
      const parsed = schema.safeParse(goal);
      if (!parsed.success) return err(refused("invalid", `the goal is not valid: ${z.prettifyError(parsed.error)}`));
      // `as`: what the schema let through is a submission.
      return port.submit(orderOf(parsed.data as GoalSubmission));
    },
  };
}

/** With store.durability = replicated, goals are answered when so many nodes have them. */
function onReplicasOf(goals: Goals, watch: ReplicaWatch): Goals {
  return {
    store: goals.store,
    submit: (order) => onReplicas(watch, () => goals.submit(order)),
    cancel: (id, why) => onReplicas(watch, () => goals.cancel(id, why)),
    resume: (id, budget) => onReplicas(watch, () => goals.resume(id, budget)),
  };
}

function executingOf({ config, stateDir, engine, repositories, clock, logger, crashPoint }: GoalParts): Executing {
  return new Executing({
    goals: engine.stores.goals,
    queue: engine.queue,
    repositories,
    vocabulary: { executors: EXECUTORS, tiers: TIERS, check: checkSchema },
    submissions: (values) => submissionsToTasks([...values], engine.submissionFacts),
    wholeReply: (taskId, attempt) => wholeReply(engine, taskId, attempt),
    node: engine.nodeId,
    goneFor: (home) => goneFor(engine.stores.fleetNodes.find(home), clock.nowMs(), config["goals.home_lost_ms"]),
    folder: (goal) => makeGoalFolder(stateDir, goal, config["sandbox.user"]),
    clock,
    logger,
    settings: { atOnce: config["goals.at_once"], tier: config["goals.plan_tier"] },
    ...(crashPoint === undefined ? {} : { atStep: crashPoint }),
  });
}

/** @returns why a node that has the folder of a goal counts as gone; undefined while it may come back. */
export function goneFor(
  node: Pick<FleetNode, "name" | "state" | "seenAtMs"> | undefined,
  nowMs: number,
  lostMs: number,
): string | undefined {
  const loss = "what was done there alone is lost";
  if (node === undefined) return `the node that had its folder is no node of this fleet any more; ${loss}`;
  const { name, state, seenAtMs } = node;
  if (state === "removed") return `${name}, which had its folder, was removed from the fleet; ${loss}`;
  if (nowMs - seenAtMs < lostMs) return undefined;
  return `${name}, which had its folder, was last heard of at ${new Date(seenAtMs).toISOString()}; ${loss}`;
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
