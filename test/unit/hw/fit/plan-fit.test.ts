import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { modelShape } from "../../../../src/hw/endpoints/model-shape.ts";
import { calibrate } from "../../../../src/hw/fit/calibration.ts";
import {
  type FitGpu,
  type FitMemory,
  type FitRequest,
  MEASURED_USABLE_RATIO,
  needBytes,
  planFit,
  RUNTIME_BYTES,
  USABLE_RATIO,
} from "../../../../src/hw/fit/plan-fit.ts";
import { LLAMA_31_8B, QWEN3_32B } from "./known-models.ts";

const GIB = 2 ** 30;

const WEIGHTS = 5_000_000_000;
const llama8b = { sizeBytes: WEIGHTS, isRemote: false, shape: modelShape(LLAMA_31_8B) };
const qwen32b = { sizeBytes: 20 * GIB, isRemote: false, shape: modelShape(QWEN3_32B) };

function request(more: Partial<FitRequest> = {}): FitRequest {
  return {
    model: llama8b,
    contextTokens: 8_192,
    parallel: 1,
    kvType: "f16",
    batchTokens: null,
    flashAttention: true,
    calibration: null,
    ...more,
  };
}

const contextBytes = (given: FitRequest): number => planFit(given, memory([])).terms?.contextBytes ?? 0;
const gpu = (id: string, gib: number | null, unified = false): FitGpu => ({
  id,
  freeBytes: gib === null ? null : gib * GIB,
  totalBytes: null,
  unified,
});
const memory = (gpus: readonly FitGpu[] | null, ramGib: number | null = 32): FitMemory => ({
  gpus,
  ramAvailableBytes: ramGib === null ? null : ramGib * GIB,
  ramTotalBytes: null,
});

describe("the plan where a model lies", () => {
  it("names every term of the need", () => {
    const { terms, needBytes: need } = planFit(request(), memory([gpu("a", 24)]));
    const compute = 4 * 512 * (4_096 + 128_256);

    expect(terms).toEqual({
      weightsBytes: WEIGHTS,
      contextBytes: GIB,
      computeBytes: compute,
      runtimeBytes: RUNTIME_BYTES,
      correctionBytes: 0,
    });
    expect(need).toBe(WEIGHTS + GIB + compute + RUNTIME_BYTES);
  });

  it.each([
    ["one GPU with room", memory([gpu("a", 24)]), "fits"],
    ["one GPU that it just does not fit", memory([gpu("a", 7)]), "spills"],
    ["one GPU of two with room", memory([gpu("small", 2), gpu("big", 12)]), "fits"],
    ["two GPUs that have room together", memory([gpu("a", 5.2), gpu("b", 5.2)]), "fits"],
    ["no GPU and enough RAM", memory([], 16), "cpuOnly"],
    ["no GPU and too little RAM", memory([], 4), "tooLarge"],
    ["a full GPU and enough RAM", memory([gpu("a", 0.3)], 16), "spills"],
    ["a small GPU and too little RAM", memory([gpu("a", 3)], 2), "tooLarge"],
    ["a GPU whose free memory nobody knows", memory([gpu("a", null)]), "unknown"],
    ["a GPU with room beside one that nobody knows", memory([gpu("a", null), gpu("b", 24)]), "fits"],
    ["GPUs that nobody has counted yet", memory(null), "unknown"],
    ["a small GPU and RAM that nobody knows", memory([gpu("a", 3)], null), "spills"],
    ["unified memory with room", memory([gpu("apple", 16, true)], 16), "fits"],
    ["unified memory that is too small, which spilling cannot help", memory([gpu("apple", 6, true)], 6), "tooLarge"],
  ] as const)("on %s", (_what, given, kind) => {
    expect(planFit(request(), given).kind).toBe(kind);
  });

  it("takes the GPU with most room, and one alone before several", () => {
    const plan = planFit(request(), memory([gpu("small", 8), gpu("big", 24), gpu("mid", 12)]));

    expect(plan.perGpu.map(({ id }) => id)).toEqual(["big"]);
  });

  it("shares what spreads by room, and holds compute and runtime on each card", () => {
    const plan = planFit(request({ model: qwen32b }), memory([gpu("a", 24), gpu("b", 12)]));
    const each = (plan.terms?.computeBytes ?? 0) + RUNTIME_BYTES;

    expect(plan.kind).toBe("fits");
    expect(plan.perGpu).toHaveLength(2);
    for (const { id, bytes } of plan.perGpu) {
      expect(bytes).toBeLessThanOrEqual((id === "a" ? 24 : 12) * GIB * USABLE_RATIO);
    }
    const held = plan.perGpu.reduce((sum, { bytes }) => sum + bytes - each, 0);
    expect(held / GIB).toBeCloseTo(22, 5);
  });

  it("says what share would lie in RAM", () => {
    const plan = planFit(request({ model: qwen32b }), memory([gpu("a", 16)], 32));
    const room = 16 * GIB * USABLE_RATIO - RUNTIME_BYTES - (plan.terms?.computeBytes ?? 0);

    expect(plan.kind).toBe("spills");
    expect(plan.spillRatio).toBeCloseTo(1 - room / (22 * GIB), 5);
    expect(plan.reason).toBe("38 % of it would lie in RAM");
  });

  it("does not count memory twice that GPU and CPU share", () => {
    const separate = planFit(request({ model: qwen32b }), memory([gpu("a", 16)], 16));
    const unified = planFit(request({ model: qwen32b }), memory([gpu("a", 16, true)], 16));

    expect([separate.kind, unified.kind]).toEqual(["spills", "tooLarge"]);
  });

  it("is no question for a model that runs elsewhere", () => {
    expect(planFit(request({ model: { ...qwen32b, isRemote: true } }), memory([], 1)).kind).toBe("fits");
  });

  it("is unknown without a size, and without a shape unless the weights alone are too large", () => {
    const shapeless = { ...qwen32b, shape: null };

    expect(planFit(request({ model: { ...qwen32b, sizeBytes: null } }), memory([gpu("a", 24)])).kind).toBe("unknown");
    expect(planFit(request({ model: shapeless }), memory([gpu("a", 24)])).kind).toBe("unknown");
    expect(planFit(request({ model: shapeless }), memory([gpu("a", 8)], 8)).kind).toBe("tooLarge");
  });
});

describe("a measured load", () => {
  it("corrects the prediction in both directions", () => {
    const predicted = needBytes(request()) ?? 0;
    const seen = (gib: number) => calibrate([{ predicted: GIB, sizeBytes: gib * GIB }], true);

    const more = planFit(request({ calibration: seen(8) }), memory([gpu("a", 24)]));
    const less = planFit(request({ calibration: seen(5.5) }), memory([gpu("a", 24)]));

    expect(more.needBytes).toBe(8 * GIB + RUNTIME_BYTES);
    expect(less.needBytes).toBe(5.5 * GIB + RUNTIME_BYTES);
    expect(less.needBytes).toBeLessThan(predicted);
    expect(planFit(request({ calibration: seen(8) }), memory([gpu("a", 8)])).kind).toBe("spills");
  });

  it("stands for the shape where a server does not tell it, up to the context it was seen at", () => {
    const model = { ...llama8b, shape: null };
    const calibration = calibrate([{ predicted: 8_192, sizeBytes: 6 * GIB }], false);
    const at = (contextTokens: number) =>
      planFit(request({ model, calibration, contextTokens }), memory([gpu("a", 24)]));

    expect(at(4_096).kind).toBe("fits");
    expect(at(8_192).needBytes).toBe(6 * GIB + RUNTIME_BYTES);
    expect(at(8_193).kind).toBe("unknown");
  });
});

it("plans with more of the memory once loads of the model were measured, and never with all of it", () => {
  const predicted = contextBytes(request());
  const sizeBytes = needBytes(request()) ?? 0;
  const calibration = calibrate([{ predicted, sizeBytes: sizeBytes - RUNTIME_BYTES }], true);
  const kindAt = (freeBytes: number, measured: boolean) =>
    planFit(request(measured ? { calibration } : {}), memory([gpu("a", freeBytes / GIB)])).kind;

  expect([kindAt(sizeBytes / 0.93, false), kindAt(sizeBytes / 0.93, true), kindAt(sizeBytes / 0.97, true)]).toEqual([
    "spills",
    "fits",
    "spills",
  ]);
});

describe("any plan", () => {
  const anyMemory = fc.record({
    gpus: fc.array(
      fc.record({
        id: fc.uuid(),
        freeBytes: fc.option(fc.integer({ min: 0, max: 80 }).map((gib) => gib * GIB)),
        totalBytes: fc.constant(null),
        unified: fc.constant(false),
      }),
      { maxLength: 4 },
    ),
    ramAvailableBytes: fc.option(fc.integer({ min: 0, max: 128 }).map((gib) => gib * GIB)),
    ramTotalBytes: fc.constant(null),
  });
  const points = fc.array(
    fc.record({ predicted: fc.integer({ min: 1, max: 40 * GIB }), sizeBytes: fc.integer({ min: GIB, max: 60 * GIB }) }),
    { maxLength: 6 },
  );
  const anyRequest = fc
    .record({
      model: fc.constantFrom(llama8b, qwen32b),
      contextTokens: fc.integer({ min: 1, max: 262_144 }),
      parallel: fc.integer({ min: 1, max: 8 }),
      kvType: fc.constantFrom("f16" as const, "q8_0" as const),
      flashAttention: fc.boolean(),
      points,
    })
    .map(({ points: seen, ...given }) => request({ ...given, calibration: calibrate(seen, true) }));

  it("promises no GPU more than its usable memory, and spills within 0 and 1", () => {
    fc.assert(
      fc.property(anyRequest, anyMemory, (wanted, given) => {
        const plan = planFit(wanted, given);

        expect(plan.spillRatio).toBeGreaterThanOrEqual(0);
        expect(plan.spillRatio).toBeLessThanOrEqual(1);
        for (const { id, bytes } of plan.perGpu) {
          const free = given.gpus.find((card) => card.id === id)?.freeBytes ?? 0;
          // Shares are rounded up to whole bytes.
          const ratio = wanted.calibration === null ? USABLE_RATIO : MEASURED_USABLE_RATIO;
          expect(bytes).toBeLessThanOrEqual(free * ratio + 1);
        }
        expect(plan.kind === "fits" && plan.perGpu.length === 0).toBe(false);
      }),
    );
  });

  it("needs no less for a longer context or more slots, calibrated or not", () => {
    fc.assert(
      fc.property(anyRequest, fc.nat(100_000), fc.nat(3), (wanted, tokens, slots) => {
        const more = { ...wanted, contextTokens: wanted.contextTokens + tokens, parallel: wanted.parallel + slots };

        expect(needBytes(more) ?? 0).toBeGreaterThanOrEqual(needBytes(wanted) ?? 0);
      }),
    );
  });

  it("is no worse with more free memory", () => {
    const order = ["tooLarge", "spills", "fits"];
    fc.assert(
      fc.property(anyRequest, fc.integer({ min: 1, max: 48 }), fc.nat(48), (wanted, gib, added) => {
        const less = planFit(wanted, memory([gpu("a", gib)], 24));
        const more = planFit(wanted, memory([gpu("a", gib + added)], 24));

        expect(order.indexOf(more.kind)).toBeGreaterThanOrEqual(order.indexOf(less.kind));
      }),
    );
  });
});
