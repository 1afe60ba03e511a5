/** What attempts teach, through the wiring of the node: planned, ended, planned again. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AttemptResult, ModelPlan } from "#execution";
import { type ScriptedServer, startScriptedServer } from "../../../support/models/scripted-server.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { type NodeModelsWorld, nodeModelsWorld, resultOf } from "./node-models-world.ts";

const newFolder = temporaryFolders();
const PROMPT = "Refactor the parser. ".repeat(20);
const CHECKS = [{ kind: "file_exists", path: "a" }];
const TASK = { prompt: PROMPT, verify: CHECKS };
const SMALL = "small:latest";
const MEDIUM = "medium:latest";
/** So many tasks that one in ten of them is surely often enough. */
const MANY = 400;

let server: ScriptedServer;
let world: NodeModelsWorld;

beforeEach(async () => {
  const sized = (name: string, parameters: number) => ({
    name,
    capabilities: ["completion", "tools"],
    modelInfo: { "general.parameter_count": parameters },
  });
  server = await startScriptedServer({ models: [sized(SMALL, 3e9), sized(MEDIUM, 8e9)] });
  world = await nodeModelsWorld(newFolder(), { one: server.url });
});

afterEach(async () => {
  await world.close();
  await server.stop();
});

type Attempt = { readonly plan: ModelPlan; readonly outcome: AttemptResult["outcome"] };

/** Carries out tasks: the first model of each plan does the work, and passes as told. */
async function work(
  tasks: number,
  passes: (model: string) => boolean,
  more: { readonly spec?: object; readonly isJudged?: boolean; readonly attemptLimit?: number } = {},
): Promise<readonly Attempt[]> {
  const attempts: Attempt[] = [];
  for (let at = 0; at < tasks; at += 1) {
    const id = world.newId();
    const plan = await world.planFor(id, more.spec ?? TASK, { attemptLimit: more.attemptLimit ?? 3 });
    const model = plan.models[0] ?? "none";
    const outcome = passes(model) ? "passed" : "failed";
    const hasChecks = (more.spec ?? TASK) === TASK;
    await world.ended(id, resultOf({ plan, model, outcome, isJudged: more.isJudged ?? true, hasChecks }));
    attempts.push({ plan, outcome });
  }
  return attempts;
}

const tiersOf = (attempts: readonly Attempt[]) => attempts.map(({ plan }) => plan.tier);

describe("tasks of a tier", () => {
  test("begin at a smaller one once its model was measured to pass them, and then stay there", async () => {
    const attempts = await work(MANY, () => true);

    expect(attempts[0]?.plan.classifiedTier).toBe("standard");
    expect(attempts.slice(0, 10).filter(({ plan }) => plan.tier === "trivial").length).toBeLessThan(5);
    expect(new Set(tiersOf(attempts.slice(-50)))).toEqual(new Set(["trivial"]));
    expect(attempts.at(-1)?.plan.tierReason).toContain(SMALL);
    expect(world.models.learned.passes.rate(SMALL, "standard").samples).toBeGreaterThanOrEqual(10);
  });

  test("are not given to a smaller one whose model was measured to fail them, which costs a few tasks", async () => {
    const attempts = await work(MANY, (model) => model === MEDIUM);

    const tried = attempts.filter(({ outcome }) => outcome === "failed").length;
    expect(tried).toBeGreaterThanOrEqual(10);
    expect(tried).toBeLessThan(20);
    expect(new Set(tiersOf(attempts.slice(-50)))).toEqual(new Set(["standard"]));
  });

  test("return to their own tier when the smaller model passes them no more", async () => {
    await work(MANY, () => true);

    const attempts = await work(MANY, (model) => model === MEDIUM);

    expect(attempts[0]?.plan.tier).toBe("trivial");
    expect(new Set(tiersOf(attempts.slice(-50)))).toEqual(new Set(["standard"]));
  });

  test("measure no smaller tier where a failure could not be made good, and where nothing is verified", async () => {
    const last = await work(MANY, () => true, { attemptLimit: 1 });
    const unverified = await work(MANY, () => true, { spec: { prompt: PROMPT } });
    const given = await work(MANY, () => true, { spec: { ...TASK, tier: "standard" } });

    expect(new Set(tiersOf([...last, ...unverified, ...given]))).toEqual(new Set(["standard"]));
  });
});

describe("the pass rate", () => {
  test("is not lowered by dead endpoints and budgets", async () => {
    await work(50, () => false, { isJudged: false });

    expect(world.models.learned.passes.toRows()).toEqual([]);
  });

  test("counts only what was verified", async () => {
    await work(50, () => true, { spec: { prompt: PROMPT } });

    expect(world.models.learned.passes.toRows()).toEqual([]);
  });
});
