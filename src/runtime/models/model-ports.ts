import type { ModelPorts } from "#api";
import { type Clock, err, ok, refused } from "#base";
import type { CapacityMonitor, EndpointRegistry } from "#hw";
import type { InferenceService } from "#inference";
import { classifyComplexity, type ExpectedCompletionRouter, type PassLedger } from "#scheduler";
import type { Stores } from "#store";
import type { Config } from "../config/settings.ts";
import type { Spending } from "./spending.ts";

export type ModelPortParts = {
  readonly config: Config;
  readonly stores: Stores;
  readonly clock: Clock;
  readonly monitor: CapacityMonitor;
  readonly registry: EndpointRegistry;
  readonly inference: InferenceService;
  readonly spending: Spending;
  readonly router: Pick<ExpectedCompletionRouter, "accuracy">;
  readonly passes: Pick<PassLedger, "rates">;
};

/** What the HTTP API may see and do of hardware, endpoints and models. */
export function modelPorts({
  config,
  stores,
  monitor,
  registry,
  inference,
  spending,
  router,
  passes,
  clock,
}: ModelPortParts): ModelPorts {
  return {
    store: stores.models,
    inference,
    isGatewayOpen: config["http.gateway"],
    capacity: () => monitor.current(),
    capacityHistory: async (sinceMs, limit) => {
      const minutes = await stores.capacity.between(sinceMs, clock.nowMs() + 1, limit);
      if (!minutes.ok) return minutes;
      return ok(minutes.value.map(({ atMs, ...sample }) => ({ atMs, sample })));
    },
    endpoints: () => registry.states(),
    addEndpoint: async ({ id, ...given }) => {
      const added = registry.add({ ...given, origin: "api", ...(id === null ? {} : { id }) });
      if (!added.ok) return added;
      const kept = await stores.models.saveEndpoint(added.value);
      if (!kept.ok) {
        registry.remove(added.value.id);
        return kept;
      }
      return registry.probe(added.value.id);
    },
    announceEndpoint: (announced) => registry.announce(announced),
    removeEndpoint: async (id) => {
      if (registry.state(id)?.endpoint.origin === "config") {
        const remedy = "Take it out of the configuration, then restart the node";
        return err(refused("conflict", `endpoint ${id} is named by the configuration`, remedy));
      }
      const removed = registry.remove(id);
      if (!removed.ok) return removed;
      const forgotten = await stores.models.removeEndpoint(id);
      return forgotten.ok ? ok(undefined) : forgotten;
    },
    probeEndpoint: (id) => registry.probe(id),
    classify: (prompt) => {
      const { tier, reason } = classifyComplexity({
        prompt,
        contextFiles: [],
        successCriteria: [],
        checks: [],
        hasCommand: false,
        labels: {},
        tier: null,
      });
      return { tier, reason };
    },
    accuracy: () => router.accuracy(),
    passRates: () => passes.rates(),
    budgets: async () => ok(spending.states()),
  };
}
