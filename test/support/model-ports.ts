import type { ModelPorts } from "#api";
import { err, ok, refused } from "#base";
import type { EndpointState, HostCapacity } from "#hw";
import { type InferenceWorld, inferenceWorld } from "./inference-world.ts";

const GIB = 1024 ** 3;

export const CAPACITY: HostCapacity = {
  atMs: 0,
  cpu: { model: "Toy", logicalCount: 8, availableCount: 4, loadRatio: 0.5, loadAverage: [1, 2, 3] },
  ram: { totalBytes: 16 * GIB, availableBytes: 8 * GIB, limitedBy: "cgroup" },
  gpus: [
    {
      vendor: "nvidia",
      id: "GPU-1",
      name: "Toy GPU",
      vramBytes: 24 * GIB,
      vramUsedBytes: 4 * GIB,
      loadRatio: null,
      powerWatts: null,
      temperatureCelsius: null,
      unified: false,
      driver: null,
      processes: null,
    },
  ],
  gpusKnown: true,
  disk: null,
  notes: ["a card did not say its power"],
};

/** Endpoints that stand still, answered for by the real service. */
export function modelPorts(
  states: readonly EndpointState[] = [],
  more: Partial<ModelPorts> = {},
): ModelPorts & { readonly world: InferenceWorld } {
  const world = inferenceWorld(states);
  const known = (id: string) => world.directory.state(id);
  const none = (id: string) =>
    err(refused("not_found", `there is no endpoint ${id}`, "List them: drover endpoints list"));
  return {
    world,
    store: world.store,
    inference: world.service,
    isGatewayOpen: true,
    capacity: () => CAPACITY,
    capacityHistory: async () => ok([{ atMs: 1, sample: { load: 0.5 } }]),
    endpoints: () => world.directory.states(),
    addEndpoint: async ({ id, url }) => {
      const state = known(id ?? "");
      return state === undefined ? err(refused("conflict", `${url} is known already`)) : ok(state);
    },
    announceEndpoint: ({ spec }) => err(refused("conflict", `${spec.url} is known already`)),
    removeEndpoint: async (id) => (known(id) === undefined ? none(id) : ok(undefined)),
    probeEndpoint: async (id) => {
      const state = known(id);
      return state === undefined ? none(id) : ok(state);
    },
    classify: (prompt) => ({ tier: prompt.length > 20 ? "complex" : "trivial", reason: `${prompt.length} characters` }),
    passRates: () => [],
    accuracy: () => ({ samples: 0, meanAbsoluteErrorRatio: null }),
    budgets: async () =>
      ok([{ span: "day", unit: "microdollars", limit: 1_000_000, used: 5, action: "localOnly", freesAtMs: null }]),
    ...more,
  };
}
