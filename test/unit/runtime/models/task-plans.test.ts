import { describe, expect, test } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom } from "#base";
import { MAX_REQUEST_MODELS, taskSpecSchema } from "#execution";
import type { EndpointState } from "#hw";
import type { AttemptRow } from "#queue";
import { PassLedger } from "#scheduler";
import { Chains } from "../../../../src/runtime/models/chains.ts";
import { TaskPlans } from "../../../../src/runtime/models/task-plans.ts";
import { endpointState } from "../../../support/inference-world.ts";
import { configWith } from "./model-config.ts";

const id = createIdFactory(new SimulatedClock(), seededRandom(5)).task();

function states(): readonly EndpointState[] {
  const state = endpointState("one", "http://127.0.0.1:1");
  const [model] = state.models;
  if (model === undefined) throw new Error("the state has no model");
  const sized = (name: string, parameterSize: string) => ({ ...model, name, parameterSize, digest: name });
  return [
    { ...state, models: [sized("small:latest", "3B"), sized("medium:latest", "8B"), sized("large:latest", "70B")] },
  ];
}

function world(flags: Parameters<typeof configWith>[0] = {}) {
  const config = configWith(flags);
  const passes = new PassLedger();
  const plans = new TaskPlans(config, "/state", new Chains(config, states), passes);
  const planFor = (spec: object, earlier: readonly AttemptRow[] = [], executor: "ollama" | "claude" = "ollama") =>
    plans.modelPlan(
      taskSpecSchema.parse({ title: "t", prompt: "Fix the typo", ...spec }),
      executor,
      { id, lane: "high", labels: {}, goal: null, requiredModels: [], mayTryAgain: true },
      earlier,
      states(),
    );
  return { passes, planFor };
}

function failedAt(tier: string, outcome: AttemptRow["outcome"] = "failed", isJudged = true): AttemptRow {
  // `as`: the rest of the row says nothing here.
  return { outcome, result: { model: { tier, isJudged } } } as unknown as AttemptRow;
}

describe("the plan of a prompt", () => {
  test("has the limits of the tier that its text suggests, and says why", () => {
    const { planFor } = world({ "limits.trivial.iterations": 7 });

    const plan = planFor({});

    expect(plan).toMatchObject({
      tier: "trivial",
      priority: "high",
      models: ["small:latest", "medium:latest", "large:latest"],
    });
    expect(plan.tierReason).toContain("trivial");
    expect(plan.limits.iterations).toBe(7);
    expect(plan.checkpointPath).toBe(`/state/checkpoints/${id}.jsonl`);
  });

  test("is limited in money and time by its tier, in time by every task's limit where the tier has none", () => {
    const { planFor } = world({
      "limits.complex.cost_microdollars": 250_000,
      "limits.complex.wall_time_ms": 7_200_000,
      "limits.wall_time_ms": 60_000,
    });

    expect(planFor({ tier: "complex" }).limits).toMatchObject({ costMicrodollars: 250_000, wallMs: 7_200_000 });
    expect(planFor({ tier: "standard" }).limits).toMatchObject({ costMicrodollars: null, wallMs: 60_000 });
  });

  test("takes the tier that the task names, whatever was measured", () => {
    const { planFor, passes } = world();
    for (let at = 0; at < 30; at += 1) passes.record("small:latest", "complex", true);

    expect(planFor({ tier: "complex" }).tier).toBe("complex");
  });

  test("begins at a smaller tier whose model was measured to pass such tasks", () => {
    const { planFor, passes } = world();
    const prompt = "Refactor the parser, migrate its tests and implement the algorithm end to end. ".repeat(30);
    const before = planFor({ prompt }).tier;
    for (let at = 0; at < 30; at += 1) passes.record("small:latest", before, true);

    const after = planFor({ prompt });

    expect(before).not.toBe("trivial");
    expect(after.tier).toBe("trivial");
    expect(after.tierReason).toContain("small:latest");
  });

  test("goes up a tier after a verification failed, and stays where a worker was lost or an endpoint died", () => {
    const { planFor } = world();

    expect(planFor({}, [failedAt("trivial")]).tier).toBe("standard");
    expect(planFor({}, [failedAt("trivial"), failedAt("standard", "partial_pass")]).tier).toBe("complex");
    expect(planFor({}, [failedAt("trivial", "lost", false)]).tier).toBe("trivial");
    expect(planFor({}, [failedAt("trivial", "failed", false)]).tier).toBe("trivial");
    expect(planFor({}, [failedAt("trivial", "partial_pass", false)]).tier).toBe("trivial");
    expect(planFor({ tier: "complex" }, [failedAt("complex")]).tier).toBe("complex");
  });

  test("asks Claude only where that is allowed", () => {
    expect(world().planFor({}).kinds).toEqual(["ollama", "openai"]);
    expect(world({ "executor.claude.fallback": true }).planFor({}).kinds).toContain("anthropic");
    expect(world().planFor({}, [], "claude")).toMatchObject({ kinds: ["anthropic"], claudeCommand: null });
    const command = world({ "executor.claude.command": "/usr/bin/claude" });
    expect(command.planFor({}, [], "claude").claudeCommand).toBe("/usr/bin/claude");
    expect(command.planFor({}).claudeCommand).toBeNull();
  });

  test("names no more models than a worker may ask for", () => {
    const names = Array.from({ length: 20 }, (_, at) => `claude-${at}`);

    expect(world({ "executor.claude.models": names }).planFor({}, [], "claude").models).toEqual(names);
    const tiers = { "tiers.trivial.models": names.map((name) => `local-${name}`) };
    const all = { "executor.claude.fallback": true, "executor.claude.models": names, ...tiers };
    expect(world(all).planFor({}).models.length).toBeLessThanOrEqual(MAX_REQUEST_MODELS);
  });

  test("counts corrections as the task says, else as configured", () => {
    const { planFor } = world({ "limits.self_corrections": 4 });

    expect(planFor({}).corrections).toBe(4);
    expect(planFor({ selfCorrections: 0 }).corrections).toBe(0);
  });
});

describe("the chain of models", () => {
  test("is the one configured for a tier, then larger models; by size where nothing is configured", () => {
    const configured = new Chains(configWith({ "tiers.trivial.models": ["mine"] }), states);
    const derived = new Chains(configWith(), states);

    expect(configured.chain({ purpose: "task", tier: "trivial" }).models).toEqual([
      "mine",
      "medium:latest",
      "large:latest",
    ]);
    expect(derived.chain({ purpose: "task", tier: "standard" }).models).toEqual(["medium:latest", "large:latest"]);
    expect(derived.chain({ purpose: "gateway", models: ["x"] })).toMatchObject({ models: ["x"], tier: null });
  });
});
