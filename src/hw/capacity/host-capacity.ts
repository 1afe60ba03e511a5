/** What this host can give to work, as it is available to this process. `null` always means unknown, never none. */

export type GpuVendor = "nvidia" | "amd" | "apple" | "intel" | "other";

/** A process that holds memory of a GPU; tells what our own model servers hold from what strangers do. */
export type GpuProcess = {
  readonly pid: number;
  readonly vramBytes: number | null;
};

/** One GPU, or one partition of a GPU that is divided in hardware (MIG). */
export type Gpu = {
  readonly vendor: GpuVendor;
  /** Stable over restarts: the vendor's own id where there is one, otherwise the PCI address. */
  readonly id: string;
  readonly name: string;
  /** Memory a program can use on it, in bytes. On a unified GPU it is part of the RAM and must not be added to it. */
  readonly vramBytes: number | null;
  /** Held by everybody: our model servers, strangers, the display, the driver itself. */
  readonly vramUsedBytes: number | null;
  /** Share of the last moments in which it computed, 0…1. */
  readonly loadRatio: number | null;
  readonly powerWatts: number | null;
  readonly temperatureCelsius: number | null;
  /** It shares the CPU's memory. */
  readonly unified: boolean;
  readonly driver: string | null;
  /** Null where the driver does not say who holds memory; programs that only draw are missing from it on NVIDIA. */
  readonly processes: readonly GpuProcess[] | null;
};

export type CpuCapacity = {
  readonly model: string | null;
  /** Logical CPUs of the host. */
  readonly logicalCount: number | null;
  /** CPUs this process may use: the smallest of affinity, cpuset and the quotas above it. May be fractional. */
  readonly availableCount: number | null;
  /** Share of the available CPUs that was busy since the last sample, 0…1; null in the first sample. */
  readonly loadRatio: number | null;
  /** Of the host, over 1, 5 and 15 minutes. */
  readonly loadAverage: readonly [number, number, number] | null;
};

export type RamCapacity = {
  readonly totalBytes: number | null;
  /** What can still be had without swapping or being killed: the least that the host and any cgroup above us leave. */
  readonly availableBytes: number | null;
  /** What set `totalBytes`. */
  readonly limitedBy: "host" | "cgroup";
};

/** The file system that holds the state folder. */
export type DiskCapacity = {
  readonly totalBytes: number;
  readonly availableBytes: number;
};

/** Everything known of this host at one moment. */
export type HostCapacity = {
  readonly atMs: number;
  readonly cpu: CpuCapacity;
  readonly ram: RamCapacity;
  readonly gpus: readonly Gpu[];
  /** Whether the GPUs were asked at least once; before that an empty list says nothing. */
  readonly gpusKnown: boolean;
  /** Since when the figures of all GPUs hold, epoch milliseconds; absent while there are none. */
  readonly gpusSampledAtMs?: number;
  readonly disk: DiskCapacity | null;
  /** What could not be known and why, in sentences for a person. */
  readonly notes: readonly string[];
};

/** The same GPU with nothing said about the present: what stays true when its figures are out of date. */
export function withoutFigures(gpu: Gpu): Gpu {
  return {
    ...gpu,
    vramUsedBytes: null,
    loadRatio: null,
    powerWatts: null,
    temperatureCelsius: null,
    processes: null,
  };
}

/**
 * Memory that a new model could take on a GPU right now, in bytes, or null when it cannot be known. On a unified GPU
 * the host's available RAM bounds it as well, and alone decides when the driver gives no figures.
 */
export function freeVramBytes(gpu: Gpu, ram: RamCapacity): number | null {
  const own = gpu.vramBytes === null || gpu.vramUsedBytes === null ? null : gpu.vramBytes - gpu.vramUsedBytes;
  if (!gpu.unified) return own;
  const shared =
    gpu.vramBytes === null || ram.availableBytes === null
      ? ram.availableBytes
      : Math.min(gpu.vramBytes, ram.availableBytes);
  return own === null || shared === null ? shared : Math.min(own, shared);
}
