import { describe, expect, it } from "vitest";
import type { Gpu, HostCapacity } from "../../../../src/hw/capacity/host-capacity.ts";
import type { LoadedModel } from "../../../../src/hw/endpoints/endpoint.ts";
import { fitMemoryOf, heldMemoryOf, withEvicted } from "../../../../src/hw/fit/fit-memory.ts";
import { loadedNamed } from "../endpoints/registry-world.ts";

const gpu = (id: string, more: Partial<Gpu> = {}): Gpu => ({
  vendor: "nvidia",
  id,
  name: id,
  vramBytes: 24,
  vramUsedBytes: 4,
  loadRatio: null,
  powerWatts: null,
  temperatureCelsius: null,
  unified: false,
  driver: null,
  processes: null,
  ...more,
});
const host = (gpus: readonly Gpu[], gpusKnown = true): HostCapacity => ({
  atMs: 0,
  cpu: { model: null, logicalCount: null, availableCount: null, loadRatio: null, loadAverage: null },
  ram: { totalBytes: 100, availableBytes: 60, limitedBy: "host" },
  gpus,
  gpusKnown,
  disk: null,
  notes: [],
});

const bothHeld = (models: readonly LoadedModel[]) => ({ gpus: heldMemoryOf(models), ram: heldMemoryOf(models) });

describe("memory for models", () => {
  it("is what each GPU and the RAM have free, and unknown where that is not known", () => {
    const memory = fitMemoryOf(host([gpu("a"), gpu("b", { vramUsedBytes: null })]));

    expect(memory).toEqual({
      gpus: [
        { id: "a", freeBytes: 20, totalBytes: 24, unified: false },
        { id: "b", freeBytes: null, totalBytes: 24, unified: false },
      ],
      ramAvailableBytes: 60,
      ramTotalBytes: 100,
    });
    expect(fitMemoryOf(host([], false)).gpus).toBeNull();
  });

  it("grows by what models that would be evicted hold, on the fullest GPU and in RAM", () => {
    const memory = fitMemoryOf(host([gpu("a", { vramUsedBytes: 20 }), gpu("b")]));
    const spilled = loadedNamed("m", { sizeBytes: 10, vramBytes: 7 });
    const expected = loadedNamed("n", { sizeBytes: 10, vramBytes: 10, isExpected: true });

    expect(withEvicted(memory, bothHeld([spilled, expected]))).toMatchObject({
      gpus: [
        { id: "a", freeBytes: 11 },
        { id: "b", freeBytes: 20 },
      ],
      ramAvailableBytes: 63,
    });
  });

  it("is given back to the RAM as well where the GPU shares it", () => {
    const memory = fitMemoryOf(host([gpu("apple", { unified: true, vramUsedBytes: 4 })]));

    const after = withEvicted(memory, bothHeld([loadedNamed("m", { sizeBytes: 3, vramBytes: 3 })]));

    expect(after).toMatchObject({ gpus: [{ id: "apple", freeBytes: 23 }], ramAvailableBytes: 63 });
  });

  it("is never more than there is, and what one card cannot have held lay on the next", () => {
    const memory = fitMemoryOf(host([gpu("a", { vramUsedBytes: 20 }), gpu("b", { vramUsedBytes: 6 })]));
    const one = fitMemoryOf(host([gpu("a", { vramUsedBytes: 1 })]));

    const spread = withEvicted(memory, bothHeld([loadedNamed("m", { sizeBytes: 24, vramBytes: 24 })]));
    const stale = withEvicted(one, bothHeld([loadedNamed("m", { sizeBytes: 118, vramBytes: 18 })]));

    expect(spread.gpus?.map(({ freeBytes }) => freeBytes)).toEqual([24, 22]);
    expect(stale).toMatchObject({ gpus: [{ freeBytes: 24 }], ramAvailableBytes: 100 });
  });
});
