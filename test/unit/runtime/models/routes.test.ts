/** Where requests go, through the wiring of the node: cloud models, slots and settings. */
import { afterEach, describe, expect, test } from "vitest";
import type { RequestContext } from "#inference";
import type { Config } from "../../../../src/runtime/config/settings.ts";
import { endpointState } from "../../../support/inference-world.ts";
import { type ScriptedServer, startScriptedServer } from "../../../support/models/scripted-server.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { type NodeModelsWorld, nodeModelsWorld } from "./node-models-world.ts";

const newFolder = temporaryFolders();
const CLOUD = "gpt-oss:120b-cloud";
const LOCAL = "llama:8b";
const QUESTION = { messages: [{ role: "user" as const, content: "how many?" }] };

let server: ScriptedServer;
let world: NodeModelsWorld;

afterEach(async () => {
  await world.close();
  await server.stop();
});

async function open(flags: Partial<Config> = {}): Promise<void> {
  server = await startScriptedServer({
    models: [
      { name: LOCAL, modelInfo: { "general.parameter_count": 8e9 } },
      { name: CLOUD, remoteHost: "https://vendor.example" },
    ],
  });
  world = await nodeModelsWorld(newFolder(), { one: server.url }, flags);
}

/** @returns the model that a request would go to, or null. */
const chosen = (context: RequestContext) => world.models.inference.explain(QUESTION, context).chosen?.model ?? null;

/** @returns the context in which the worker of a task asks. */
async function taskContext(requiredModels: readonly string[] = []): Promise<RequestContext> {
  const requires = { models: requiredModels };
  const plan = await world.planFor(world.newId(), { prompt: "x", tier: "standard" }, {}, requires);
  const { models, namedModels, kinds, tier } = plan;
  return { purpose: "task", models, namedModels, kinds, tier };
}

describe("a model that runs in its vendor's cloud", () => {
  test("answers where it was named: by a task, at the gateway, in the list of a tier", async () => {
    await open({ "tiers.complex.models": [CLOUD] });

    expect(chosen({ purpose: "gateway", models: [CLOUD] })).toBe(CLOUD);
    expect(chosen(await taskContext([CLOUD]))).toBe(CLOUD);
    expect(chosen({ purpose: "gateway", tier: "complex" })).toBe(CLOUD);
    expect(chosen({ purpose: "task", tier: "complex", models: [CLOUD] })).toBe(CLOUD);
  });

  test("answers nothing else, whoever asks", async () => {
    await open();

    for (const tier of ["trivial", "standard", "complex"] as const) {
      expect(chosen({ purpose: "gateway", tier })).toBe(LOCAL);
    }
    expect(chosen(await taskContext())).toBe(LOCAL);
    // A chain that was derived elsewhere, or before the model became one of a cloud, names nothing.
    const decision = world.models.inference.explain(QUESTION, { purpose: "task", models: [CLOUD] });
    expect(decision.chosen).toBeNull();
    expect(decision.reason).toContain("nobody named it");
  });
});

describe("the slots of a server", () => {
  test("that says itself how many it has are the same for choosing and for admitting", async () => {
    await open();
    const { slots } = world.models.learned;
    const told = { ...endpointState("llama", "http://127.0.0.1:1", { kind: "openai" }), parallel: 1 };

    expect(slots.of(told, "m")).toBe(1);
    expect(slots.of({ ...told, endpoint: { ...told.endpoint, parallel: 3 } }, "m")).toBe(3);
    expect(slots.of(endpointState("other", "http://127.0.0.1:1", { kind: "openai" }), "m")).toBe(8);
  });
});
