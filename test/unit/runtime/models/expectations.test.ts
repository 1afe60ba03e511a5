import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { requirementsText } from "#api";
import { Expectations } from "../../../../src/runtime/models/expectations.ts";
import { type ScriptedServer, startScriptedServer } from "../../../support/models/scripted-server.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { type NodeModelsWorld, nodeModelsWorld } from "./node-models-world.ts";

const newFolder = temporaryFolders();
const [WARM, COLD] = ["llama:8b", "qwen:8b"];
const loaded = { sizeBytes: 4e9, vramBytes: 4e9, contextTokens: 32_768, expiresAt: "2100-01-01T00:00:00Z" };
const sized = { "general.parameter_count": 8e9 };

let server: ScriptedServer;
let world: NodeModelsWorld;
let expectations: Expectations;

beforeEach(async () => {
  server = await startScriptedServer({
    models: [
      { name: WARM, modelInfo: sized, loaded },
      { name: COLD, modelInfo: sized },
    ],
  });
  world = await nodeModelsWorld(newFolder(), { one: server.url });
  expectations = new Expectations(world.models.plans, world.models.inference);
});
afterEach(async () => {
  await world.close();
  await server.stop();
});

function promptsTo(...models: string[]): string {
  return requirementsText({ executor: "ollama", labels: {}, models, vramBytes: 0 });
}

describe("what a node expects of prompts", () => {
  test("is less for a model in memory, and nothing for one that nobody has", () => {
    const [warm, cold, none] = [promptsTo(WARM), promptsTo(COLD), promptsTo("nobody:1b")];
    for (const requirements of [warm, cold, none]) expectations.asked(requirements);

    const seconds = expectations.seconds();

    expect(Object.keys(seconds).sort()).toEqual([cold, warm].sort());
    expect(seconds[cold]).toBeGreaterThan((seconds[warm] ?? Number.NaN) + 0.5);
  });

  test("is told of prompts that were asked for lately, and of no commands", () => {
    const labelled = (label: string): string =>
      requirementsText({ executor: "ollama", labels: { label }, models: [WARM], vramBytes: 0 });
    expectations.asked(requirementsText({ executor: "shell", labels: {}, models: [], vramBytes: 0 }));
    for (let n = 0; n < 40; n += 1) expectations.asked(labelled(String(n)));

    const told = Object.keys(expectations.seconds());

    expect(told).toHaveLength(32);
    expect(told).toContain(labelled("39"));
    expect(told).not.toContain(labelled("0"));
  });
});
