/** The names of tiers in the lists of models, as the two official clients see them. */
import { Ollama } from "ollama";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type HttpServer, serveApi } from "#api";
import { silentLogger } from "#base";
import type { EndpointState } from "#hw";
import { endpointState, MODEL } from "../../support/inference-world.ts";
import { modelPorts } from "../../support/model-ports.ts";
import { reply } from "../../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../../support/models/scripted-server.ts";
import { createHarness, TOKEN } from "./api-harness.ts";

const HELLO = [{ role: "user" as const, content: "hello" }];
const TIERS = ["drover:auto", "drover:trivial", "drover:standard", "drover:complex"];
const LOADED = { sizeBytes: 1_000, vramBytes: 1_000, contextLength: 8_192, expiresAtMs: null };

let backend: ScriptedServer;
const servers: HttpServer[] = [];

beforeEach(async () => {
  backend = await startScriptedServer();
});

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop({ graceMs: 0 });
  await backend.stop();
});

/** The clients as their makers ship them, over these endpoints. */
async function clientsOf(states: readonly EndpointState[]): Promise<{ ollama: Ollama; openai: OpenAI }> {
  const { api } = createHarness({ ports: { models: modelPorts(states) } });
  const served = await serveApi(api, { host: "127.0.0.1", port: 0, logger: silentLogger });
  if (!served.ok) throw new Error(served.error.message);
  servers.push(served.value);
  const { url } = served.value;
  return {
    ollama: new Ollama({ host: `${url}/ollama`, headers: { Authorization: `Bearer ${TOKEN}` } }),
    openai: new OpenAI({ baseURL: `${url}/openai/v1`, apiKey: TOKEN, maxRetries: 0 }),
  };
}

describe("the names of tiers", () => {
  test("can be picked by the client of Ollama, each with the model that would answer, and used as picked", async () => {
    backend.enqueue(reply().text("a"));
    const { ollama } = await clientsOf([endpointState("one", backend.url)]);

    const { models } = await ollama.list();
    const shown = await ollama.show({ model: "drover:auto" });
    const whole = await ollama.chat({ model: models[0]?.name ?? "", messages: HELLO });

    expect(models.map(({ name }) => name)).toEqual([...TIERS, MODEL]);
    expect(models[0]).toMatchObject({ size: 0, details: { parent_model: MODEL, quantization_level: "F16" } });
    expect(shown).toMatchObject({
      details: { parent_model: MODEL },
      capabilities: ["completion", "embedding", "tools"],
      model_info: { "toy.context_length": 8_192 },
    });
    expect(whole.message.content).toBe("a");
  });

  test("can be picked by the client of OpenAI, and used as picked", async () => {
    backend.enqueue(reply().text("a"));
    const { openai } = await clientsOf([endpointState("one", backend.url)]);

    const { data } = await openai.models.list();
    const one = await openai.models.retrieve("drover:complex");
    const whole = await openai.chat.completions.create({ model: data[0]?.id ?? "", messages: HELLO });

    expect(data.map(({ id }) => id)).toEqual([...TIERS, MODEL]);
    expect(one).toMatchObject({ id: "drover:complex", object: "model" });
    expect(whole.choices[0]?.message.content).toBe("a");
  });

  test("are not offered while no model can answer for them", async () => {
    const { ollama, openai } = await clientsOf([endpointState("one", backend.url, {}, ["other:latest"])]);

    const [tags, listed] = await Promise.all([ollama.list(), openai.models.list()]);
    const asked = await Promise.allSettled([
      ollama.show({ model: "drover:auto" }),
      openai.models.retrieve("drover:complex"),
    ]);

    expect(tags.models.map(({ name }) => name)).toEqual(["other:latest"]);
    expect(listed.data.map(({ id }) => id)).toEqual(["other:latest"]);
    expect(asked).toMatchObject([{ reason: { status_code: 404 } }, { reason: { status: 404 } }]);
  });
});

test("every listed model has a digest, since Ollama's own command ends in a fault without", async () => {
  const state = endpointState("one", backend.url);
  const models = state.models.map((model) => ({ ...model, digest: null }));
  const { ollama } = await clientsOf([{ ...state, models, loaded: [{ ...LOADED, name: MODEL, digest: null }] }]);

  const [tags, ps] = await Promise.all([ollama.list(), ollama.ps()]);

  const digests = [...tags.models, ...ps.models].map(({ digest }) => digest);
  expect(digests).toHaveLength(6);
  expect(digests.filter((digest) => !/^[0-9a-f]{64}$/.test(digest))).toEqual([]);
});
