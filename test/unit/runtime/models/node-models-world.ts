/** Everything of a node that has to do with models, wired as the node wires it, over servers of a test. */
import { type Clock, createIdFactory, seededRandom, silentLogger, type TaskId } from "#base";
import { type AttemptResult, type ModelPlan, taskSpecSchema } from "#execution";
import { type ClaimedTask, QueueService } from "#queue";
import { attemptPlanner } from "../../../../src/runtime/attempt-planner.ts";
import type { Config } from "../../../../src/runtime/config/settings.ts";
import { type NodeModels, openModels } from "../../../../src/runtime/models/open-models.ts";
import { realClock } from "../../../../src/runtime/real-clock.ts";
import { must, openedStores } from "../../../support/opened-stores.ts";
import { sandboxPlan } from "../../../support/sandbox-plan.ts";
import { readyRow } from "../../../support/task-row.ts";
import { configWith } from "./model-config.ts";

export type NodeModelsWorld = {
  readonly models: NodeModels;
  /** A new task's id. */
  readonly newId: () => TaskId;
  /** @returns what the node decides about the next attempt at a task. */
  readonly planFor: (
    id: TaskId,
    spec: object,
    more?: Partial<ClaimedTask["row"]>,
    requires?: { readonly models: readonly string[] },
  ) => Promise<ModelPlan>;
  /** Tells the node how an attempt ended. */
  readonly ended: (id: TaskId, result: AttemptResult) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Each of `servers` (id → address of an Ollama, or its settings) was looked at once. */
export async function nodeModelsWorld(
  stateDir: string,
  servers: Readonly<Record<string, string | Partial<Config["endpoints"][number]>>>,
  flags: Partial<Config> = {},
  clock: Clock = realClock,
): Promise<NodeModelsWorld> {
  const endpoints = Object.entries(servers).map(([name, given]) => {
    const more = typeof given === "string" ? { url: given } : given;
    return { kind: "ollama" as const, url: "", labels: {}, models: [], ...more, name };
  });
  const config = { ...configWith({ "hw.discover": false, ...flags }), endpoints };
  const random = seededRandom(11);
  const stores = await openedStores(stateDir, { clock });
  const ids = createIdFactory(clock, random);
  const logger = silentLogger;
  const queue = new QueueService({ store: stores.queue, clock, random, ids, node: stores.nodeId, logger });
  const parts = { config, stateDir, stores, queue, clock, random, logger, ollamaHost: null };
  const models = must(await openModels(parts));
  for (const name of Object.keys(servers)) must(await models.ports.probeEndpoint(name));
  const planner = attemptPlanner({ sandbox: sandboxPlan(), stores, models, logger });
  return {
    models,
    newId: () => ids.task(),
    planFor: async (id, spec, more = {}, requires = { models: [] }) => {
      const body = taskSpecSchema.parse({ title: "t", ...spec });
      const text = JSON.stringify({ ...body, requires });
      const task = { row: readyRow(id, more), fence: { epoch: 0, n: 1 }, attempt: 1, body: text };
      return must(await planner.modelPlan(task, body, "ollama"));
    },
    ended: (taskId, result) =>
      planner.ended({ taskId, attempt: 1, fence: { epoch: 0, n: 1 }, executor: "ollama" }, result, false),
    close: async () => {
      await models.stop();
      await stores.close();
    },
  };
}

export type Worked = {
  readonly plan: ModelPlan;
  readonly model: string;
  readonly outcome: AttemptResult["outcome"];
  readonly isJudged?: boolean;
  readonly hasChecks?: boolean;
};

/** @returns the result of an attempt, as a worker writes it. */
export function resultOf({ plan, model, outcome, isJudged = true, hasChecks = true }: Worked): AttemptResult {
  const passed = outcome === "passed";
  const check = { kind: "file_exists", passed, summary: "a", detail: "", durationMs: 1, timedOut: false } as const;
  return {
    outcome,
    exitCode: null,
    signal: null,
    output: { head: "", tail: "", totalBytes: 0, truncated: false, logPath: "/log" },
    report: { passed, checks: hasChecks ? [check] : [] },
    model: {
      tier: plan.tier,
      classifiedTier: plan.classifiedTier,
      isJudged,
      tierReason: plan.tierReason,
      command: null,
      endpoint: "one",
      model,
      replies: 2,
      promptTokens: 1,
      completionTokens: 1,
      costMicrodollars: 0,
      ended: "",
      lastWords: "",
      completed: [],
      remaining: [],
      calls: [],
      corrections: [],
    },
    startedAtMs: 1,
    endedAtMs: 2,
    durationMs: 1,
  };
}
