import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { submissionsToTasks } from "#api";
import { createIdFactory, SimulatedClock, seededRandom, silentLogger } from "#base";
import { type AttemptRef, type AttemptResult, checkpointPathOf, EXECUTORS } from "#execution";
import { EndpointRegistry, HttpEndpointProbe } from "#hw";
import { MemoryModelStore, type UsageEntry } from "#inference";
import { lostReport, MemoryQueueStore, QueueService } from "#queue";
import { attemptPlanner } from "../../../src/runtime/attempt-planner.ts";
import { Attempts } from "../../../src/runtime/attempts.ts";
import { Chains } from "../../../src/runtime/models/chains.ts";
import { Learned } from "../../../src/runtime/models/learned.ts";
import { Spending } from "../../../src/runtime/models/spending.ts";
import { TaskPlans } from "../../../src/runtime/models/task-plans.ts";
import { readIfThere } from "../../support/model-attempt-world.ts";
import { must } from "../../support/opened-stores.ts";
import { sandboxPlan } from "../../support/sandbox-plan.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { configWith } from "./models/model-config.ts";

const folder = temporaryFolders();
const NO_POOL = { launch: () => Promise.reject(new Error("nothing is launched here")), cancel: () => 0 };

/** What stands between the workers of a node and its queue, without the workers. */
async function world() {
  const clock = new SimulatedClock(20_000 * 86_400_000);
  const random = seededRandom(5);
  const ids = createIdFactory(clock, random);
  const queue = new QueueService({
    store: new MemoryQueueStore(),
    clock,
    random,
    ids,
    node: ids.node(),
    logger: silentLogger,
  });
  const config = configWith();
  const stateDir = folder();
  const store = new MemoryModelStore();
  const registry = new EndpointRegistry({
    clock,
    random,
    logger: silentLogger,
    probe: new HttpEndpointProbe(clock),
    candidates: [],
  });
  const learned = new Learned(store, clock, silentLogger, () => null);
  const spending = new Spending({ config, store, clock, logger: silentLogger, alarm: () => undefined });
  const plans = new TaskPlans(config, stateDir, new Chains(config, () => []), learned.passes);
  const models = { plans, learned, registry, spending };
  const planner = attemptPlanner({
    sandbox: sandboxPlan(),
    stores: { queue: queue.store },
    models,
    logger: silentLogger,
  });
  /** A node: what it knows of attempts is gone with it. */
  const node = (): Attempts => {
    const attempts = new Attempts({ queue, clock, logger: silentLogger, environment: {}, stateDir });
    attempts.connect(NO_POOL, planner);
    return attempts;
  };
  must(await queue.start());
  const given = { title: "t", prompt: "Do it.", executor: "claude", goal: "ship-it" };
  must(await queue.submit(must(submissionsToTasks(given, { ids, executors: EXECUTORS }))));
  const claim = async (): Promise<AttemptRef> => {
    const [task] = must(await queue.claim({ holder: ids.node(), limit: 1, accepts: () => true })).tasks;
    if (task === undefined) throw new Error("there is no task to claim");
    return { taskId: task.row.id, attempt: task.attempt, fence: task.fence, executor: "claude" };
  };
  return { queue, store, spending, learned, stateDir, node, claim };
}

const CHECK = { kind: "file_exists", passed: true, summary: "a", detail: "", durationMs: 1, timedOut: false } as const;

function result(model: Partial<NonNullable<AttemptResult["model"]>>, more: Partial<AttemptResult> = {}): AttemptResult {
  return {
    outcome: "passed",
    exitCode: null,
    signal: null,
    output: { head: "", tail: "", totalBytes: 0, truncated: false, logPath: "/log" },
    report: { passed: true, checks: [CHECK] },
    startedAtMs: 1,
    endedAtMs: 20_000 * 86_400_000,
    durationMs: 5,
    model: {
      tier: "standard",
      classifiedTier: "standard",
      isJudged: true,
      tierReason: "said by the test",
      command: null,
      endpoint: "gone",
      model: "m",
      replies: 1,
      promptTokens: 60,
      completionTokens: 40,
      costMicrodollars: 500,
      ended: "it is done",
      lastWords: "",
      completed: [],
      remaining: [],
      calls: [],
      corrections: [],
      ...model,
    },
    ...more,
  };
}

function replyOf(ref: AttemptRef): UsageEntry {
  return {
    atMs: 20_000 * 86_400_000,
    purpose: "task",
    taskId: ref.taskId,
    attempt: ref.attempt,
    goal: "ship-it",
    endpoint: "gone",
    model: "m",
    tier: "standard",
    promptTokens: 60,
    completionTokens: 40,
    costMicrodollars: 500,
    energyJoules: null,
    durationMs: 1,
  };
}

async function sums(store: MemoryModelStore, by: "endpoint" | "goal") {
  const found = must(await store.usage({ fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, by, limit: 10 }));
  return found.map(({ group, requests, costMicrodollars }) => [group, requests, costMicrodollars]);
}

describe("what an attempt's models used", () => {
  it("is not recorded again for a loop whose endpoint is not known any more", async () => {
    const { node, claim, store, spending } = await world();
    const ref = await claim();
    spending.record(replyOf(ref));

    await node().finished(ref, result({}));

    expect(await sums(store, "endpoint")).toEqual([["gone", 1, 500]]);
  });

  it("is recorded at its end for an installed command, under its goal, once however often it is reported", async () => {
    const { node, claim, store, learned } = await world();
    const ref = await claim();
    const ended = result({ command: "claude", endpoint: "claude" });

    const first = await node().finished(ref, ended);
    const afterCrash = await node().finished(ref, ended);

    expect([first, afterCrash]).toEqual(["accepted", "accepted"]);
    expect(await sums(store, "endpoint")).toEqual([["claude", 1, 500]]);
    expect(await sums(store, "goal")).toEqual([["ship-it", 1, 500]]);
    expect(learned.passes.toRows()).toEqual([{ model: "m", tier: "standard", passed: 1, failed: 0 }]);
  });

  it("of a stale report is nobody's, and the successor keeps its checkpoint", async () => {
    const { node, claim, store, learned, queue, stateDir } = await world();
    const stale = await claim();
    must(await queue.finish(stale.taskId, stale.fence, lostReport("it was not heard from")));
    must(await queue.retry(stale.taskId));
    const successor = await claim();
    const checkpoint = checkpointPathOf(stateDir, successor.taskId);
    mkdirSync(dirname(checkpoint), { recursive: true });
    writeFileSync(checkpoint, "the successor's");

    const answer = await node().finished(stale, result({ command: "claude", endpoint: "claude" }));

    expect(answer).toBe("refused");
    expect(readIfThere(checkpoint)).toBe("the successor's");
    expect(await sums(store, "endpoint")).toEqual([]);
    expect(learned.passes.toRows()).toEqual([]);
  });

  it("stands with the attempt that used it: the lost one by what was recorded, its successor by its own", async () => {
    const { node, claim, spending, queue } = await world();
    const first = await claim();
    spending.record(replyOf(first));
    await node().lost(first, "its worker died");
    must(await queue.retry(first.taskId));
    const second = await claim();
    spending.record(replyOf(second));
    spending.record(replyOf(second));

    await node().finished(
      second,
      result({ replies: 3, promptTokens: 120, completionTokens: 80, costMicrodollars: 1_000 }),
    );

    const attempts = must(await queue.store.find(first.taskId))?.attempts ?? [];
    expect(attempts.map(({ outcome, tokens, costMicrodollars }) => [outcome, tokens, costMicrodollars])).toEqual([
      ["lost", 100, 500],
      ["passed", 200, 1_000],
    ]);
  });
});
