import { describe, expect, it } from "vitest";
import type { EndpointState, HostCapacity, Model } from "#hw";
import { modelShape } from "../../../../src/hw/endpoints/model-shape.ts";
import { CalibrationTable } from "../../../../src/hw/fit/calibration.ts";
import { ResidencyHistory } from "../../../../src/hw/fit/residency-history.ts";
import { HostFitPlanner } from "../../../../src/runtime/models/fit-planner.ts";
import { siftCandidates } from "../../../../src/scheduler/candidates.ts";
import { card } from "../../hw/capacity/scripted-source.ts";
import { LLAMA_31_8B } from "../../hw/fit/known-models.ts";
import { GIB, loaded, model, request, state } from "../../scheduler/fleet-states.ts";
import { hostCapacity } from "./host-of-tests.ts";

const NAME = "qwen3:8b";
const of = (sizeGib: number): Model => model(NAME, { sizeBytes: sizeGib * GIB, shape: modelShape(LLAMA_31_8B) });
const here = (rest: Partial<EndpointState> = {}): EndpointState => ({
  ...state("here", { endpoint: { isLocal: true } }),
  ...rest,
});
const elsewhere = (rest: Partial<EndpointState["endpoint"]> = {}): EndpointState => state("there", { endpoint: rest });

function planner(capacity: HostCapacity, residency = new ResidencyHistory()): HostFitPlanner {
  return new HostFitPlanner({ current: () => capacity }, { calibrations: new CalibrationTable() }, residency);
}

describe("whether a model fits on an endpoint of this host", () => {
  it("does not count what a load took twice while the sample of the card is from before it", () => {
    const sampled = { gpusSampledAtMs: 10_000, atMs: 14_000 };
    const held = here({ loaded: [loaded("held:27b", { sizeBytes: 18 * GIB, vramBytes: 18 * GIB })] });
    const residency = new ResidencyHistory();
    residency.note(here({ polledAtMs: 9_000 }));
    residency.note({ ...held, polledAtMs: 12_000 });
    const one = card({ vramBytes: 24 * GIB, vramUsedBytes: 0.5 * GIB });

    const fit = planner(hostCapacity([one], sampled), residency).fit(held, of(30), 4_096, false);

    expect(fit).toMatchObject({ kind: "spills", capacityBytes: 23.5 * GIB });
  });

  it("counts what the idle models hold as to be had, and no more than the card has", () => {
    const held = here({ loaded: [loaded("held:27b", { sizeBytes: 18 * GIB, vramBytes: 18 * GIB })], polledAtMs: 1 });
    const residency = new ResidencyHistory();
    residency.note(held);
    const fitWith = (usedGib: number) =>
      planner(hostCapacity([card({ vramBytes: 24 * GIB, vramUsedBytes: usedGib * GIB })]), residency).fit(
        held,
        of(14),
        4_096,
        false,
      );

    expect(fitWith(19)).toMatchObject({ kind: "fits", capacityBytes: 23 * GIB });
    expect(fitWith(1).capacityBytes).toBe(24 * GIB);
    expect(fitWith(24)).toMatchObject({ kind: "fits", capacityBytes: 18 * GIB });
  });

  it.each([
    ["wholly in VRAM, however full the card is", 20, [card({ vramBytes: 21 * GIB })], "fits", 0],
    ["on the CPU beside a card", 0, [card({ vramBytes: 24 * GIB, vramUsedBytes: 0 })], "spills", 1],
    ["on the CPU where there is no card", 0, [], "cpuOnly", 1],
  ] as const)("is, of a loaded model, where it lies: %s", (_where, vramGib, cards, kind, spillRatio) => {
    const lies = loaded(NAME, { sizeBytes: 20 * GIB, vramBytes: vramGib * GIB });
    const at = here({ loaded: [lies], models: [of(19)] });
    const fit = planner(hostCapacity(cards));

    const { able, refused } = siftCandidates(request(), [at], fit, 0);

    expect(fit.fit(at, of(19), 4_096, false)).toMatchObject({ kind, spillRatio, contextTokens: 8_192 });
    expect([able.length, refused.length]).toEqual(kind === "spills" ? [0, 1] : [1, 0]);
  });

  it("is asked at the pinned context where an older Ollama does not say with what the model is loaded", () => {
    const at = here({ loaded: [loaded(NAME, { contextLength: null })], pins: { [NAME]: 16_384 } });

    const fit = planner(hostCapacity([])).fit(at, of(5), 4_096, false);

    expect(fit).toMatchObject({ contextTokens: 16_384, reloads: false });
  });

  it("needs buffers that grow with the context where a label says that there is no flash attention", () => {
    const without = state("here", { endpoint: { isLocal: true, labels: { flash_attention: "off" } } });
    const fit = planner(hostCapacity([card({ vramBytes: 80 * GIB, vramUsedBytes: 0 })]));

    const [usual, more] = [here(), without].map((at) => fit.fit(at, of(5), 32_768, false).needBytes ?? 0);

    // Of each of 512 tokens and 32 heads four bytes for every token of the context.
    expect((more ?? 0) - (usual ?? 0)).toBeGreaterThan(1.8 * GIB);
  });
});

describe("whether a model fits on an endpoint elsewhere", () => {
  const nowhere = planner(hostCapacity([card({ vramBytes: 1 })]));

  it("is unknown while nobody says anything of its memory", () => {
    expect(nowhere.fit(elsewhere(), of(30), 4_096, false)).toMatchObject({ kind: "unknown", capacityBytes: null });
  });

  it("is judged by the VRAM that a person states, and without any it runs on its CPU", () => {
    const [large, small, none] = [48 * GIB, 16 * GIB, 0].map((vramBytes) =>
      nowhere.fit(elsewhere({ vramBytes }), of(30), 4_096, false),
    );

    expect(large).toMatchObject({ kind: "fits", capacityBytes: 48 * GIB });
    expect(small).toMatchObject({ kind: "spills", capacityBytes: 16 * GIB });
    expect(none).toMatchObject({ kind: "unknown" });
  });

  it("is judged by what is announced of its host, with what its own idle models give back", () => {
    const gpus = [{ name: "NVIDIA GeForce RTX 4090", vramBytes: 24 * GIB, freeVramBytes: 4 * GIB, unified: false }];
    const announcement = { node: "gpu-box", heardAtMs: 5_000, expiresAtMs: 9_000, gpus };
    const host = { ...announcement, cpu: null, ramBytes: 64 * GIB, freeRamBytes: 50 * GIB };
    const held = loaded("held:8b", { sizeBytes: 12 * GIB, vramBytes: 12 * GIB });
    const at = { ...elsewhere(), loaded: [held], announcement: host };
    const residency = new ResidencyHistory();
    residency.note(at);

    const fit = planner(hostCapacity([]), residency);

    expect(fit.fit(at, of(10), 4_096, false)).toMatchObject({ kind: "fits", capacityBytes: 16 * GIB });
    expect(fit.fit(at, of(20), 4_096, false)).toMatchObject({ kind: "spills" });
  });
});
