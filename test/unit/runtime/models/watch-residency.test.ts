import { expect, it } from "vitest";
import type { EndpointState } from "#hw";
import { watchResidency } from "../../../../src/runtime/models/watch-residency.ts";
import { loaded, state } from "../../scheduler/fleet-states.ts";
import { hostCapacity } from "./host-of-tests.ts";

it("has the cards sampled anew for what a server of this host loaded, and only for that, until it is stopped", () => {
  const refreshed: (number | undefined)[] = [];
  const listeners = new Set<(state: EndpointState) => void>();
  const here = state("here", { endpoint: { isLocal: true }, polledAtMs: 1_000 });
  const there = state("there", { polledAtMs: 1_000 });
  const registry = {
    states: () => [here, there],
    onChange: (listener: (state: EndpointState) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const refresh = async (changedAtMs?: number) => {
    refreshed.push(changedAtMs);
    return hostCapacity([]);
  };
  const { residency, stop } = watchResidency(registry, { refresh });
  const tell = (told: EndpointState) => {
    for (const listener of listeners) listener(told);
  };

  tell(here);
  tell(there);
  tell({ ...there, loaded: [loaded("m")], polledAtMs: 2_000 });
  const before = [...refreshed];
  tell({ ...here, loaded: [loaded("m")], polledAtMs: 3_000 });
  tell({ ...here, loaded: [loaded("m")], polledAtMs: 4_000 });
  stop();
  tell({ ...here, polledAtMs: 5_000 });

  expect([before, refreshed]).toEqual([[], [3_000]]);
  expect(residency.heldAt("there", 2_000).vramBytes).toBe(loaded("m").vramBytes);
});
