import { type CapacityMonitor, type EndpointRegistry, hasOwnMemory, ResidencyHistory } from "#hw";

/**
 * Follows what model servers hold. What one of this host loaded or evicted is not in the samples of its cards yet, so
 * they are taken anew. @returns the history, and how to end it.
 */
export function watchResidency(
  registry: Pick<EndpointRegistry, "states" | "onChange">,
  monitor: Pick<CapacityMonitor, "refresh">,
): { readonly residency: ResidencyHistory; readonly stop: () => void } {
  const residency = new ResidencyHistory();
  const stop = registry.onChange((state) => {
    residency.keepOnly(new Set(registry.states().map(({ endpoint }) => endpoint.id)));
    if (residency.note(state) && hasOwnMemory(state)) void monitor.refresh(state.polledAtMs ?? undefined);
  });
  return { residency, stop };
}
