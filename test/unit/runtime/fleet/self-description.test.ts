import { describe, expect, it } from "vitest";
import { selfDescription } from "../../../../src/runtime/fleet/self-description.ts";
import { endpointState, MODEL } from "../../../support/inference-world.ts";
import { CAPACITY } from "../../../support/model-ports.ts";
import { createHarness } from "../../api/api-harness.ts";

const GIB = 1024 ** 3;
const LOADED = { name: MODEL, digest: null, sizeBytes: 9, vramBytes: 4, contextLength: null, expiresAtMs: null };

function described(endpoints: Parameters<typeof selfDescription>[0]["endpoints"]) {
  const { ports } = createHarness();
  const [offer] = ports.offers();
  if (offer === undefined) throw new Error("the harness has an offer");
  return selfDescription({ version: "1", offer, running: 2, endpoints, capacity: CAPACITY });
}

describe("what a node tells of itself", () => {
  it("is what it offers, what it has now, and its endpoints with what is loaded there", () => {
    const state = {
      ...endpointState("one", "http://127.0.0.1:1", { apiKeyFile: "/etc/key" }),
      loaded: [LOADED, { ...LOADED, name: "coming:1b", isExpected: true as const }],
      inFlight: { [MODEL]: 2, other: 1 },
      outsiders: 3,
    };

    const said = described([state]);

    expect(said).toMatchObject({
      version: "1",
      running: 2,
      offer: { executors: ["shell"] },
      capacity: {
        cpuCount: 4,
        cpuLoadRatio: 0.5,
        ramBytes: 16 * GIB,
        gpus: [{ name: "Toy GPU", freeVramBytes: 20 * GIB }],
      },
    });
    expect(said["endpoints"]).toEqual([
      {
        id: "one",
        kind: "ollama",
        url: "http://127.0.0.1:1",
        health: "healthy",
        models: 1,
        loaded: [{ name: MODEL, sizeBytes: 9, vramBytes: 4 }],
        requests: 3,
        outsiders: 3,
      },
    ]);
    expect(JSON.stringify(said)).not.toContain("/etc/key");
  });

  it("stays small, however much a host has", () => {
    const many = Array.from({ length: 500 }, (_, n) => ({
      ...endpointState(`e${n}`, `http://h${n}:1`),
      loaded: Array.from({ length: 100 }, () => LOADED),
    }));

    expect(JSON.stringify(described(many)).length).toBeLessThan(16_384);
  });
});
