import { type Announcement, type CapacityMonitor, type EndpointRegistry, hasOwnMemory } from "#hw";
import { type EndpointHardware, statedMemorySpeed } from "#scheduler";

/**
 * What is known of the machine under an endpoint: of this host what was measured, of another what is announced.
 * @returns null where nobody says anything.
 */
export function hardwareOf(
  endpointId: string,
  monitor: Pick<CapacityMonitor, "current">,
  registry: Pick<EndpointRegistry, "state">,
): EndpointHardware | null {
  const state = registry.state(endpointId);
  if (state === undefined || state.endpoint.kind !== "ollama") return null;
  if (!hasOwnMemory(state)) return state.announcement === undefined ? null : announcedHardware(state.announcement);
  const { gpus, gpusKnown, cpu } = monitor.current();
  const [gpu] = gpus;
  if (gpu === undefined) return gpusKnown ? processor(cpu.model) : null;
  return graphicsCard(gpu);
}

function announcedHardware({ gpus, cpu }: Announcement): EndpointHardware | null {
  const [gpu] = gpus ?? [];
  if (gpu === undefined) return gpus === null ? null : processor(cpu);
  return graphicsCard(gpu);
}

function graphicsCard({ name, unified }: { readonly name: string; readonly unified: boolean }): EndpointHardware {
  return {
    hardwareClass: className("gpu", name),
    accelerator: unified ? "unified" : "gpu",
    memoryBytesPerSecond: statedMemorySpeed(name),
  };
}

function processor(model: string | null): EndpointHardware {
  return { hardwareClass: className("cpu", model), accelerator: "cpu", memoryBytesPerSecond: null };
}

/** By the name alone, so that a card that is announced shares what was measured of the same one here. */
function className(kind: string, name: string | null): string | null {
  return name === null ? null : `${kind}-${name.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
}
