import { describe, expect, it } from "vitest";
import type { RequestContext } from "#inference";
import { Chains } from "../../../../src/runtime/models/chains.ts";
import { Detours } from "../../../../src/runtime/models/detours.ts";
import { endpointState } from "../../../support/inference-world.ts";
import { configWith } from "../models/model-config.ts";

const TASK: RequestContext = { purpose: "task", tier: "standard" };

function world() {
  const config = configWith({
    "tiers.standard.models": ["own:8b"],
    "fsm.fallback_models": ["spare:1b"],
    "executor.claude.fallback": true,
    "executor.claude.models": ["claude-x"],
  });
  const detours = new Detours();
  return { detours, chains: new Chains(config, () => [endpointState("box", "http://127.0.0.1:1")], detours) };
}

describe("a way past endpoints that are down", () => {
  it("puts the fallback model behind the others while it is open, and no longer", () => {
    const { detours, chains } = world();
    const before = chains.chain(TASK).models;

    detours.open("fallback");
    const during = chains.chain(TASK);
    detours.close("fallback");

    expect(before).not.toContain("spare:1b");
    expect(during.models).toEqual([...before, "spare:1b"]);
    // Wherever it runs: a person has named it.
    expect(during.named).toContain("spare:1b");
    expect(chains.chain(TASK).models).toEqual(before);
  });

  it("is taken by an attempt whose models were chosen for it, and not by one that insists on its own", () => {
    const { detours, chains } = world();
    detours.open("fallback");
    detours.open("claude");

    const chosen = chains.chain({ ...TASK, models: ["own:8b"], namedModels: [] }).models;
    const named = chains.chain({ ...TASK, models: ["own:8b"], namedModels: ["own:8b"] }).models;
    const gateway = chains.chain({ ...TASK, purpose: "gateway", models: ["own:8b"] }).models;

    expect(chosen).toEqual(["own:8b", "spare:1b", "claude-x"]);
    expect([named, gateway]).toEqual([["own:8b"], ["own:8b"]]);
  });

  it("leads to Claude only where Anthropic may be asked", () => {
    const { detours, chains } = world();
    detours.open("claude");

    const local = chains.chain({ ...TASK, models: ["own:8b"], namedModels: [], kinds: ["ollama", "openai"] });

    expect(local.models).toEqual(["own:8b"]);
  });
});
