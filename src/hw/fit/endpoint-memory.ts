/** The memory under an endpoint: measured on this host, announced of another, or stated by a person. */
import type { HostCapacity } from "../capacity/host-capacity.ts";
import type { Announcement, EndpointState } from "../endpoints/endpoint.ts";
import { fitMemoryOf, type HeldMemory, withEvicted } from "./fit-memory.ts";
import type { FitMemory } from "./plan-fit.ts";

const NOTHING_KNOWN: FitMemory = { gpus: null, ramAvailableBytes: null, ramTotalBytes: null };

/** Whether the endpoint has this host's memory. What a person states counts instead: a tunnel ends on this host, too. */
export function hasOwnMemory({ endpoint }: Pick<EndpointState, "endpoint">): boolean {
  return endpoint.isLocal && endpoint.vramBytes === undefined;
}

/**
 * @param capacity of this host; asked for only where the endpoint runs on it.
 * @param heldAt what the endpoint's models held at an instant, epoch milliseconds.
 * @returns what models could take there when all idle ones are evicted.
 */
export function endpointMemory(
  state: EndpointState,
  capacity: () => HostCapacity,
  heldAt: (atMs: number) => HeldMemory,
): FitMemory {
  const { endpoint, announcement } = state;
  if (hasOwnMemory(state)) {
    const own = capacity();
    const held = { gpus: heldAt(own.gpusSampledAtMs ?? own.atMs), ram: heldAt(own.atMs) };
    return withEvicted(fitMemoryOf(own), held);
  }
  if (announcement !== undefined && announcement.gpus !== null) {
    const held = heldAt(announcement.heardAtMs);
    return withEvicted(announcedMemory(announcement), { gpus: held, ram: held });
  }
  const { vramBytes } = endpoint;
  if (vramBytes === undefined) return NOTHING_KNOWN;
  const card = { id: "its VRAM", freeBytes: vramBytes, totalBytes: vramBytes, unified: false };
  return { ...NOTHING_KNOWN, gpus: vramBytes === 0 ? [] : [card] };
}

function announcedMemory({ gpus, ramBytes, freeRamBytes }: Announcement): FitMemory {
  const cards = gpus?.map(({ name, vramBytes, freeVramBytes, unified }, index) => ({
    id: `${name} ${index}`,
    freeBytes: freeVramBytes,
    totalBytes: vramBytes,
    unified,
  }));
  return { gpus: cards ?? null, ramAvailableBytes: freeRamBytes, ramTotalBytes: ramBytes };
}
