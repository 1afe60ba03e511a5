/** The memory a model could be loaded into, from what the host has and what its model servers would give back. */
import { freeVramBytes, type HostCapacity } from "../capacity/host-capacity.ts";
import type { LoadedModel } from "../endpoints/endpoint.ts";
import type { FitGpu, FitMemory } from "./plan-fit.ts";

/** What a server's models hold, as `/api/ps` reports it. */
export type HeldMemory = { readonly vramBytes: number; readonly ramBytes: number };

/** @returns what is free right now on this host, for endpoints that run on it. GPUs are null until they were asked. */
export function fitMemoryOf({ gpus, gpusKnown, ram }: HostCapacity): FitMemory {
  return {
    gpus: gpusKnown
      ? gpus.map((gpu) => ({
          id: gpu.id,
          freeBytes: freeVramBytes(gpu, ram),
          totalBytes: gpu.vramBytes,
          unified: gpu.unified,
        }))
      : null,
    ramAvailableBytes: ram.availableBytes,
    ramTotalBytes: ram.totalBytes,
  };
}

/** @returns what models hold that the server would evict for another. */
export function heldMemoryOf(evictable: readonly LoadedModel[]): HeldMemory {
  // What a request of ours is only about to load holds nothing yet.
  const held = evictable.filter(({ isExpected }) => isExpected !== true);
  return {
    vramBytes: held.reduce((sum, { vramBytes }) => sum + vramBytes, 0),
    ramBytes: held.reduce((sum, { sizeBytes, vramBytes }) => sum + Math.max(0, sizeBytes - vramBytes), 0),
  };
}

/**
 * @param held what the server's models held when the free memory was sampled: what came later is not missing from it.
 * @returns the memory with that given back, never more than there is. A server does not say on which GPU a model lies;
 * with several, it is given to the one with least free, where it most likely is, and the rest to the next.
 */
export function withEvicted(
  memory: FitMemory,
  held: { readonly gpus: HeldMemory; readonly ram: HeldMemory },
): FitMemory {
  const known = (memory.gpus ?? []).filter((gpu): gpu is FitGpu & { freeBytes: number } => gpu.freeBytes !== null);
  const fullestFirst = known.toSorted((a, b) => a.freeBytes - b.freeBytes);
  const freed = new Map<string, number>();
  let leftBytes = held.gpus.vramBytes;
  for (const { id, freeBytes, totalBytes } of fullestFirst) {
    const takenBytes = totalBytes === null ? leftBytes : Math.min(leftBytes, Math.max(0, totalBytes - freeBytes));
    freed.set(id, freeBytes + takenBytes);
    leftBytes -= takenBytes;
  }
  const sharedBytes = fullestFirst[0]?.unified === true ? held.ram.vramBytes : 0;
  const { ramAvailableBytes, ramTotalBytes } = memory;
  return {
    ...memory,
    gpus: memory.gpus?.map((gpu) => ({ ...gpu, freeBytes: freed.get(gpu.id) ?? null })) ?? null,
    ramAvailableBytes:
      ramAvailableBytes === null
        ? null
        : Math.min(ramTotalBytes ?? Number.POSITIVE_INFINITY, ramAvailableBytes + held.ram.ramBytes + sharedBytes),
  };
}
