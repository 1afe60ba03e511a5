import { describe, expect, it } from "vitest";
import type { AnnouncedEndpoint } from "../../../../src/hw/endpoints/announce.ts";
import { world } from "./registry-world.ts";

const URL = "http://gpu-box:11434";
const GPU = { name: "RTX 4090", vramBytes: 24, freeVramBytes: 20, unified: false };
const HOST = { gpus: [GPU], cpu: null, ramBytes: 64, freeRamBytes: 32 };

function said(more: Partial<AnnouncedEndpoint> = {}): AnnouncedEndpoint {
  return { spec: { kind: "ollama", url: URL }, node: "gpu-box", leaseMs: 30_000, host: HOST, ...more };
}

describe("an announced endpoint", () => {
  it("is polled like any other, with what is said of its host", async () => {
    const { registry, clock, at, advance } = world();
    registry.start();

    const heard = registry.announce(said());
    await advance(1_000);

    expect(heard).toMatchObject({ ok: true, value: { endpoint: { origin: "node", url: URL } } });
    const [state] = registry.states();
    const heardAtMs = clock.nowMs() - 1_000;
    expect(state?.announcement).toEqual({ ...HOST, node: "gpu-box", heardAtMs, expiresAtMs: heardAtMs + 30_000 });
    expect(at(URL).count("look")).toBeGreaterThan(0);
  });

  it("is gone when its lease ends, and back when it is announced again (N1, N3)", () => {
    const { registry, clock } = world();
    const told: string[] = [];
    registry.onChange(({ endpoint, announcement }) => told.push(`${endpoint.id} ${announcement !== undefined}`));
    registry.announce(said());
    clock.advance(20_000);
    registry.announce(said({ host: { ...HOST, freeRamBytes: 1 } }));
    clock.advance(29_999);
    const renewed = registry.states().map(({ announcement }) => announcement?.freeRamBytes);
    told.length = 0;

    clock.advance(1);
    const ended = registry.states().length;
    const again = registry.announce(said());

    expect([renewed, ended, again.ok, registry.states().length]).toEqual([[1], 0, true, 1]);
    expect(told[0]).toBe("ollama-gpu-box-11434 false");
  });

  it("changes nothing that a person said of the server, which keeps its figures for the lease (N2)", () => {
    const { registry, clock } = world();
    registry.add({ kind: "ollama", origin: "config", url: URL, id: "mine", parallel: 2 });

    const heard = registry.announce(said({ spec: { kind: "ollama", url: "gpu-box", parallel: 8, id: "theirs" } }));
    const during = registry
      .states()
      .map(({ endpoint, announcement }) => [endpoint.id, endpoint.parallel, announcement?.node]);
    clock.advance(30_000);

    expect(heard).toMatchObject({ ok: true, value: { endpoint: { id: "mine", origin: "config" } } });
    expect(during).toEqual([["mine", 2, "gpu-box"]]);
    expect(registry.states().map(({ endpoint, announcement }) => [endpoint.id, announcement])).toEqual([
      ["mine", undefined],
    ]);
  });

  it("takes up what the latest announcement says of slots and models, and keeps its polls when that is the same", () => {
    const { registry } = world();
    registry.announce(said());
    const ticket = registry.begin("ollama-gpu-box-11434", "m", null);
    registry.announce(said());
    const same = registry.state("ollama-gpu-box-11434")?.inFlight;

    registry.announce(said({ spec: { kind: "ollama", url: URL, parallel: 4 } }));
    ticket.end({ kind: "ok" });

    expect(same).toEqual({ "m:latest": 1 });
    expect(registry.states().map(({ endpoint }) => endpoint.parallel)).toEqual([4]);
  });

  it("stays out when a person removed it", () => {
    const { registry } = world();
    registry.announce(said());
    registry.remove("ollama-gpu-box-11434");

    expect(registry.announce(said())).toMatchObject({ ok: false, error: { code: "conflict" } });
  });

  it.each([
    ["a server of this host", { spec: { kind: "ollama", url: "127.0.0.1" } }, "own host"],
    ["a lease that is too short", { leaseMs: 100 }, "lease"],
    ["a lease that is too long", { leaseMs: 86_400_000 }, "lease"],
    ["more free VRAM than there is", { host: { ...HOST, gpus: [{ ...GPU, freeVramBytes: 25 }] } }, "more memory"],
    ["more free RAM than there is", { host: { ...HOST, freeRamBytes: 65 } }, "more memory"],
    ["no address", { spec: { kind: "ollama", url: "ftp://x" } }, "http"],
  ] as const)("is refused for %s", (_what, more, message) => {
    const { registry } = world();

    const heard = registry.announce(said(more));

    expect(heard.ok ? "" : heard.error.message).toContain(message);
    expect(registry.states()).toEqual([]);
  });
});
