import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bucketFor, isAdmitted, type PinRequest, pinContext } from "../../../../src/hw/fit/pin-context.ts";
import type { FitPlan } from "../../../../src/hw/fit/plan-fit.ts";

const plan = (kind: FitPlan["kind"]): FitPlan => ({
  kind,
  needBytes: null,
  perGpu: [],
  spillRatio: 0,
  terms: null,
  reason: `it ${kind}`,
});

/** Fits up to so many tokens, spills up to so many, and is too large beyond. */
const limits =
  (fits: number, spills = fits) =>
  (contextTokens: number) =>
    plan(contextTokens <= fits ? "fits" : contextTokens <= spills ? "spills" : "tooLarge");

const request = (more: Partial<PinRequest> = {}): PinRequest => ({
  requestedTokens: 3_000,
  modelTokens: 131_072,
  pinnedTokens: null,
  loadedTokens: null,
  isLoaded: false,
  inUse: 0,
  allowSpill: false,
  fitAt: limits(131_072),
  ...more,
});

describe("the context of a model on an endpoint", () => {
  it("is the loaded one as long as it suffices, whatever the pin (P1)", () => {
    const decision = pinContext(request({ isLoaded: true, loadedTokens: 4_096, pinnedTokens: 32_768 }));

    expect(decision).toEqual({ kind: "keep", contextTokens: 4_096 });
  });

  it("is the pin when the server does not say what it loaded, else named anew: its default may cut the prompt (P1)", () => {
    const pinned = pinContext(request({ isLoaded: true, pinnedTokens: 16_384 }));
    const short = pinContext(request({ isLoaded: true, pinnedTokens: 8_192, requestedTokens: 9_000 }));
    const foreign = pinContext(request({ isLoaded: true }));

    expect(pinned).toEqual({ kind: "keep", contextTokens: 16_384 });
    expect(short).toMatchObject({ kind: "reload", contextTokens: 16_384 });
    expect(foreign).toMatchObject({ kind: "reload", contextTokens: 8_192 });
  });

  it("is a smaller one that fits rather than one that spills, also where spilling is allowed (P5)", () => {
    const fitAt = limits(5_000, 131_072);

    expect(pinContext(request({ fitAt, allowSpill: true }))).toMatchObject({ kind: "load", contextTokens: 4_096 });
  });

  it.each([
    ["a small request: room for the next rounds", { requestedTokens: 100 }, 8_192],
    ["the next bucket", { requestedTokens: 9_000 }, 16_384],
    ["exactly a bucket", { requestedTokens: 16_384 }, 16_384],
    ["the pin where it is larger", { pinnedTokens: 32_768 }, 32_768],
    ["what the model was made for", { requestedTokens: 30_000, modelTokens: 30_720 }, 30_720],
    ["a small model's whole context", { requestedTokens: 1_000, modelTokens: 2_048 }, 2_048],
    ["a bucket that fits, below the pin", { pinnedTokens: 65_536, fitAt: limits(20_000) }, 16_384],
    ["the smallest bucket, where only that fits", { fitAt: limits(5_000) }, 4_096],
    ["the exact need, where no bucket fits", { fitAt: limits(3_500) }, 3_072],
    ["a bucket although nobody knows whether it fits", { fitAt: () => plan("unknown") }, 8_192],
  ] as const)("is loaded with %s (P2, P3)", (_what, more, contextTokens) => {
    expect(pinContext(request(more))).toMatchObject({ kind: "load", contextTokens });
  });

  it("is grown by a reload that waits for those who use it (P4)", () => {
    const decision = pinContext(request({ requestedTokens: 9_000, isLoaded: true, loadedTokens: 8_192, inUse: 2 }));

    expect(decision).toMatchObject({ kind: "reload", contextTokens: 16_384, afterUses: 2 });
  });

  it("spills for those alone who allow it (P5)", () => {
    const fitAt = limits(1_000, 131_072);

    expect(pinContext(request({ fitAt }))).toMatchObject({ kind: "refused", reason: "it spills" });
    expect(pinContext(request({ fitAt, allowSpill: true }))).toMatchObject({ kind: "load" });
    expect(isAdmitted(plan("tooLarge"), true)).toBe(false);
    expect(isAdmitted(plan("cpuOnly"), false)).toBe(true);
  });

  it("refuses more than the model was made for, and says both numbers (P2)", () => {
    const decision = pinContext(request({ requestedTokens: 200_000 }));

    expect(decision).toMatchObject({ kind: "refused", fit: null });
    expect(decision).toHaveProperty("reason", "needs a context of 200000 tokens; the model was made for 131072");
  });

  it("always holds the request, and never spills unasked, for any request", () => {
    const any = fc.record({
      requestedTokens: fc.integer({ min: 1, max: 2_000_000 }),
      modelTokens: fc.option(fc.integer({ min: 1, max: 2_000_000 })),
      pinnedTokens: fc.option(fc.integer({ min: 1, max: 2_000_000 })),
      loadedTokens: fc.option(fc.integer({ min: 1, max: 2_000_000 })),
      isLoaded: fc.boolean(),
      inUse: fc.nat(5),
      allowSpill: fc.boolean(),
      fits: fc.nat(2_000_000),
      spills: fc.nat(2_000_000),
    });
    fc.assert(
      fc.property(any, ({ fits, spills, ...given }) => {
        const decision = pinContext({ ...given, fitAt: limits(fits, spills) });

        if (decision.kind === "refused") return;
        expect(decision.contextTokens).toBeGreaterThanOrEqual(given.requestedTokens);
        if (decision.kind === "keep") return;
        expect(decision.contextTokens).toBeLessThanOrEqual(given.modelTokens ?? Number.POSITIVE_INFINITY);
        expect(decision.fit.kind === "fits" || (given.allowSpill && decision.fit.kind === "spills")).toBe(true);
      }),
    );
  });

  it("gives equal needs equal contexts, so that callers do not reload each other's model", () => {
    fc.assert(
      fc.property(fc.integer({ min: 8_193, max: 16_384 }), fc.integer({ min: 8_193, max: 16_384 }), (a, b) => {
        expect(bucketFor(a)).toBe(bucketFor(b));
      }),
    );
  });
});
