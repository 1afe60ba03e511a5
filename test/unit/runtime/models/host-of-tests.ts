import type { Gpu, HostCapacity } from "#hw";

const GIB = 2 ** 30;

/** @returns a host of 64 GiB with these cards. */
export function hostCapacity(gpus: readonly Gpu[], more: Partial<HostCapacity> = {}): HostCapacity {
  return {
    atMs: 0,
    cpu: { model: "a processor", logicalCount: null, availableCount: null, loadRatio: null, loadAverage: null },
    ram: { totalBytes: 64 * GIB, availableBytes: 50 * GIB, limitedBy: "host" },
    gpus,
    gpusKnown: true,
    disk: null,
    notes: [],
    ...more,
  };
}
