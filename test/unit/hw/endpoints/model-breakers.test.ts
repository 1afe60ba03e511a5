import { describe, expect, it } from "vitest";
import { present } from "#base";
import { FAULTS_TO_OPEN, MIN_BACKOFF_MS } from "../../../../src/hw/endpoints/breaker.ts";
import type { CallOutcome } from "../../../../src/hw/endpoints/endpoint.ts";
import { modelNamed, world } from "./registry-world.ts";

const URL_A = "http://a:11434";
const FAILED: CallOutcome = { kind: "modelFault", reason: "out of memory" };

async function oneEndpoint() {
  const made = world({});
  made.registry.add({ kind: "ollama", origin: "config", url: URL_A, id: "a" });
  const server = made.at(URL_A);
  server.models = [modelNamed("m:latest"), modelNamed("n:latest")];
  made.registry.start();
  await made.advance(1_000);
  const state = () => present(made.registry.state("a"), "the endpoint is listed");
  const ask = (model: string, outcome: CallOutcome) => made.registry.begin("a", model, null).end(outcome);
  const failOften = () => {
    for (let at = 0; at < FAULTS_TO_OPEN; at += 1) ask("m", FAILED);
  };
  return { ...made, server, state, ask, failOften };
}

describe("a model that fails while its server answers", () => {
  it("takes no requests after some faults, and its endpoint and other models do", async () => {
    const { state, failOften, ask } = await oneEndpoint();

    failOften();
    for (let at = 0; at < FAULTS_TO_OPEN; at += 1) ask("n", { kind: "ok" });

    expect(state().health).toEqual({ kind: "healthy" });
    expect(state().modelHealth).toMatchObject({ "m:latest": { kind: "open", reason: "out of memory" } });
    expect(Object.keys(state().modelHealth ?? {})).toEqual(["m:latest"]);
    expect(state().lastError).toBe("out of memory");
  });

  it("is not expected in memory after the fault", async () => {
    const { state, ask } = await oneEndpoint();

    ask("m", FAILED);

    expect(state().loaded).toEqual([]);
    expect(state().modelHealth).toEqual({});
  });

  it("is tried with one request after a while, which decides", async () => {
    const { state, failOften, ask, advance, registry } = await oneEndpoint();
    failOften();
    await advance(MIN_BACKOFF_MS);
    expect(state().modelHealth).toMatchObject({ "m:latest": { kind: "halfOpen" } });

    const trial = registry.begin("a", "m", null);
    expect(state().modelHealth).toMatchObject({ "m:latest": { kind: "open" } });
    trial.end(FAILED);
    expect(state().modelHealth).toMatchObject({ "m:latest": { kind: "open" } });
    await advance(2 * MIN_BACKOFF_MS);
    ask("m", { kind: "ok" });

    expect(state().modelHealth).toEqual({});
  });

  it("is left to the next trial by one that says nothing of it", async () => {
    const { state, failOften, ask, advance } = await oneEndpoint();
    failOften();
    await advance(MIN_BACKOFF_MS);

    ask("m", { kind: "neutral" });

    expect(state().modelHealth).toMatchObject({ "m:latest": { kind: "halfOpen" } });
  });

  it("is forgotten with the list of models", async () => {
    const { state, server, failOften, advance, registry } = await oneEndpoint();
    failOften();

    server.models = [modelNamed("n:latest")];
    registry.missing("a", "m");
    await advance(20_000);

    expect(state().models.map(({ name }) => name)).toEqual(["n:latest"]);
    expect(state().modelHealth).toEqual({});
  });
});
