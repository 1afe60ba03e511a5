import { describe, expect, it } from "vitest";
import type { EnergyUse } from "#hw";
import { energyOf } from "../../../../src/runtime/models/energy.ts";
import { state } from "../../scheduler/fleet-states.ts";

const meter = (use: EnergyUse) => ({ energyJoules: (fromMs: number, toMs: number) => (toMs > fromMs ? use : NONE) });
const NONE: EnergyUse = { gpus: [], cpuJoules: null };
const USED: EnergyUse = {
  gpus: [
    { id: "a", joules: 60 },
    { id: "b", joules: null },
  ],
  cpuJoules: 20,
};
const here = state("here", { endpoint: { isLocal: true } });

describe("the energy of a request", () => {
  it("is what cards and processors of this host used that were measured", () => {
    expect(energyOf(meter(USED), here, 0, 1_000)).toBe(80);
    expect(energyOf(meter(NONE), here, 0, 1_000)).toBeNull();
  });

  it("is shared with the requests beside it", () => {
    expect(energyOf(meter(USED), { ...here, inFlight: { m: 3, n: 1 } }, 0, 1_000)).toBe(20);
  });

  it("is unknown of another host, and of an endpoint that is gone", () => {
    expect(energyOf(meter(USED), state("there"), 0, 1_000)).toBeNull();
    expect(energyOf(meter(USED), undefined, 0, 1_000)).toBeNull();
  });
});
