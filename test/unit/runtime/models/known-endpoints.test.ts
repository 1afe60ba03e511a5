import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom, silentLogger } from "#base";
import { EndpointRegistry, HttpEndpointProbe } from "#hw";
import { addConfigured, addKept } from "../../../../src/runtime/models/known-endpoints.ts";
import { configWith } from "./model-config.ts";

function registry(): EndpointRegistry {
  const clock = new SimulatedClock();
  const probe = new HttpEndpointProbe(clock);
  return new EndpointRegistry({ clock, random: seededRandom(1), logger: silentLogger, probe, candidates: [] });
}

const vramOf = (known: EndpointRegistry) => known.states().map(({ endpoint }) => endpoint.vramBytes);

describe("the endpoints that a node begins with", () => {
  it("have the VRAM that the configuration states, none of it being another thing than not stated", () => {
    const known = registry();
    const endpoint = { kind: "ollama" as const, labels: {}, models: [] };
    const endpoints = [
      { ...endpoint, url: "http://a", vram_bytes: 24 },
      { ...endpoint, url: "http://b", vram_bytes: 0 },
      { ...endpoint, url: "http://c" },
    ];

    const added = addConfigured(known, configWith({ endpoints }));

    expect([added.ok, vramOf(known)]).toEqual([true, [24, 0, undefined]]);
  });

  it("have the VRAM that was stated when they were added, and may be of a version that kept none", () => {
    const known = registry();
    const kept = { id: "a", kind: "ollama", url: "http://a", apiKeyFile: null, labels: {}, parallel: null, models: [] };

    addKept(known, [{ ...kept, vramBytes: 24 }, { ...kept, id: "b", url: "http://b" }, { id: 3 }], silentLogger);

    expect(vramOf(known)).toEqual([24, undefined]);
  });
});
