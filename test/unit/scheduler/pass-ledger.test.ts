import { describe, expect, it } from "vitest";
import { PassLedger } from "../../../src/scheduler/pass-ledger.ts";

const FIRST = { trivial: "small", standard: "middle", complex: "large" };

function ledger(model: string, passed: number, failed: number): PassLedger {
  const made = new PassLedger();
  for (let count = 0; count < passed; count++) made.record(model, "standard", true);
  for (let count = 0; count < failed; count++) made.record(model, "standard", false);
  return made;
}

describe("the pass ledger", () => {
  it("knows nothing at first: half, with a wide band", () => {
    const { mean, low, high, samples } = new PassLedger().rate("m", "trivial");

    expect({ mean, samples }).toEqual({ mean: 0.5, samples: 0 });
    expect(high - low).toBeGreaterThan(0.5);
  });

  it("tells of every model and tier what it would decide by", () => {
    const made = ledger("small", 3, 1);
    made.record("large", "complex", true);

    expect(made.rates()).toEqual([
      { model: "small", tier: "standard", ...made.rate("small", "standard") },
      { model: "large", tier: "complex", ...made.rate("large", "complex") },
    ]);
  });

  it("begins with a smaller tier whose model has passed such tasks often enough", () => {
    const { tier, reason } = ledger("small", 20, 1).startTier("standard", FIRST);

    expect(tier).toBe("trivial");
    expect(reason).toBe("small passes 91 % of 21 standard tasks");
  });

  it("begins with the task's own tier while samples are few or the rate is too low", () => {
    expect(ledger("small", 5, 0).startTier("standard", FIRST).tier).toBe("standard");
    expect(ledger("small", 15, 10).startTier("standard", FIRST).tier).toBe("standard");
  });

  it("begins above a tier whose own model cannot reach the bar", () => {
    expect(ledger("middle", 3, 15).startTier("standard", FIRST).tier).toBe("complex");
    expect(ledger("middle", 3, 15).startTier("standard", { standard: "middle" }).tier).toBe("standard");
  });

  it("forgets slowly, so that a changed model shows", () => {
    const made = ledger("small", 300, 0);

    for (let count = 0; count < 100; count++) made.record("small", "standard", false);

    expect(made.rate("small", "standard").mean).toBeLessThan(0.66);
    expect(made.rate("small", "standard").samples).toBeLessThanOrEqual(200);
  });

  it("is the same after it was stored, and keeps what it counted since", () => {
    const made = ledger("small", 20, 1);
    const copy = new PassLedger();
    copy.record("middle", "standard", true);

    copy.fromRows([...made.toRows(), { model: "middle", tier: "standard", passed: 90, failed: 0 }]);

    expect(copy.rate("small", "standard")).toEqual(made.rate("small", "standard"));
    expect(copy.rate("middle", "standard").samples).toBe(1);
  });
});
