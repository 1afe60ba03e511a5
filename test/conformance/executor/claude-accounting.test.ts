/** An installed claude command on a whole engine: what it says it used is accounted, and holds the next one back. */
import { afterEach, describe, expect, test } from "vitest";
import { submissionsToTasks, unmetRequirements } from "#api";
import { seededRandom, silentLogger } from "#base";
import type { AttemptRow, NewTask, TaskRecord } from "#queue";
import { untilEnded } from "../../../src/runtime/commands/until-ended.ts";
import type { Config } from "../../../src/runtime/config/settings.ts";
import { type Engine, nodeOffer, startEngine } from "../../../src/runtime/engine.ts";
import { repositoryOf } from "../../support/model-attempt-world.ts";
import { must } from "../../support/opened-stores.ts";
import { realClock } from "../../support/real-clock.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { workerCommand } from "../../support/worker-command.ts";
import { configWith } from "../../unit/runtime/models/model-config.ts";

const folder = temporaryFolders();
const ENDS_MS = 25_000;
/** Says that it used 115 tokens for 12,500 millionths of a dollar; the file that it is named by lies in the workspace. */
const CLAUDE = [
  "#!/bin/sh",
  "echo done > done.txt",
  `echo '{"type":"result","subtype":"success","is_error":false,"num_turns":2,"total_cost_usd":0.0125,"result":"Done.",` +
    `"usage":{"input_tokens":10,"output_tokens":5,"cache_read_input_tokens":100}}'`,
  "",
].join("\n");

let engine: Engine | undefined;

afterEach(async () => {
  await engine?.stop("now");
  engine = undefined;
});

function configOf(more: Partial<Config>): Config {
  const fixed = { "executor.claude.command": "tools/claude", "hw.discover": false, "store.backup.every_ms": 0 };
  return configWith({ ...fixed, ...more });
}

async function start(stateDir: string, more: Partial<Config> = {}): Promise<Engine> {
  const config = configOf(more);
  const started = await startEngine({
    config,
    stateDir,
    clock: realClock,
    random: seededRandom(performance.now()), // ids of two engines on one folder must differ
    logger: silentLogger,
    crashPoint: () => undefined,
    workerCommand,
    ollamaHost: null,
  });
  engine = must(started);
  return engine;
}

function taskOf(on: Engine, repo: string, more: object = {}): NewTask {
  const verify = [{ kind: "file_exists", path: "done.txt" }];
  const given = { title: "t", prompt: "Do it.", executor: "claude", repo, verify, maxAttempts: 1, ...more };
  const [task] = must(submissionsToTasks(given, on.submissionFacts));
  if (task === undefined) throw new Error("there must be a task");
  return task;
}

async function ended(on: Engine, task: NewTask): Promise<TaskRecord> {
  const interrupted = new AbortController().signal;
  const limits = { clock: realClock, limitMs: ENDS_MS, interrupted, onEvent: () => undefined };
  const [record] = must(await untilEnded(on.queue, [task], limits));
  if (record === undefined) throw new Error("there must be a task");
  // Accounted after its end is durable, and answered for once that is under way.
  await waitUntil("the attempt is answered for", () => on.attempts.running().length === 0);
  must(await on.models.spending.spentBy(record.row.id, 1));
  return record;
}

async function usage(on: Engine, by: "attempt" | "goal" | "endpoint") {
  const sums = must(await on.stores.models.usage({ fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, by, limit: 10 }));
  return sums.map((sum) => [sum.group, sum.requests, sum.promptTokens + sum.completionTokens, sum.costMicrodollars]);
}

function figures(attempt: AttemptRow | undefined) {
  return [attempt?.outcome, attempt?.tokens, attempt?.costMicrodollars];
}

describe("an installed claude command", () => {
  test("is accounted to its attempt and goal, and a budget that it used up holds back the next one", async () => {
    const stateDir = folder();
    const repo = repositoryOf(folder(), { "tools/claude": CLAUDE });
    const first = await start(stateDir, { "budgets.hour_microdollars": 12_000, "budgets.action": "refuse" });

    const task = taskOf(first, repo, { goal: "ship-it" });
    const done = await ended(first, task);
    const held = await ended(first, taskOf(first, repo));

    expect([done.row.state, figures(done.attempts[0])]).toEqual(["done", ["passed", 115, 12_500]]);
    expect(await usage(first, "attempt")).toEqual([[`${task.id}/1`, 1, 115, 12_500]]);
    expect(await usage(first, "goal")).toEqual([["ship-it", 1, 115, 12_500]]);
    expect(await usage(first, "endpoint")).toEqual([["tools/claude", 1, 115, 12_500]]);
    expect([held.row.state, held.attempts[0]?.outcome]).toEqual(["dead", "failed"]);
    expect(held.attempts[0]?.error).toMatch(/the budget of this hour is used up/);
    const events = must(await first.queue.store.events(0, 1_000));
    expect(
      events.filter(({ kind }) => kind.startsWith("budget.")).map(({ kind, data }) => [kind, data["used"]]),
    ).toEqual([["budget.reached", 12_500]]);
  });

  test("waits under localOnly until the budget is free again, and is carried out then", async () => {
    const stateDir = folder();
    const repo = repositoryOf(folder(), { "tools/claude": CLAUDE });
    const budget = { "budgets.hour_tokens": 100, "budgets.action": "localOnly" } as const;
    const first = await start(stateDir, budget);
    await ended(first, taskOf(first, repo));
    const waiting = taskOf(first, repo, { idempotencyKey: "waiting" });
    must(await first.queue.submit([waiting]));
    const lacking = unmetRequirements(waiting.requirements, nodeOffer(configOf(budget), first.nodeId, first.models));
    await first.stop("drain");

    const next = await start(stateDir);
    const done = await ended(next, taskOf(next, repo, { idempotencyKey: "waiting" }));

    expect(done.row.id).toBe(waiting.id);
    expect(lacking).toEqual([expect.stringMatching(/the budget of this hour is used up: 115 of 100 tokens/)]);
    expect(figures(done.attempts[0])).toEqual(["passed", 115, 12_500]);
    expect(await usage(next, "endpoint")).toEqual([["tools/claude", 2, 230, 25_000]]);
  });
});
