/** What a host says of its disk and memory, as faults. Pure. */
import type { Fault } from "#fsm";

/**
 * A disk of which so many times the low mark is free is well, however full it is in percent: of ten terabytes 5 % are
 * plenty, and nothing that drover removes would change them.
 */
const PLENTY = 20;

export function diskFault(
  folder: string,
  disk: { readonly totalBytes: number; readonly freeBytes: number },
  lowBytes: number,
): Fault | null {
  const { totalBytes, freeBytes } = disk;
  if (totalBytes <= 0 || freeBytes >= lowBytes * PLENTY) return null;
  const level = Math.floor((100 * (totalBytes - freeBytes)) / totalBytes);
  return { kind: "diskLow", target: folder, level, healthyAttempts: 0 };
}

export function memoryFault(
  node: string,
  ram: { readonly totalBytes: number | null; readonly availableBytes: number | null },
  healthyAttempts: number,
): Fault | null {
  const { totalBytes, availableBytes } = ram;
  if (totalBytes === null || availableBytes === null || totalBytes <= 0) return null;
  const level = Math.floor((100 * (totalBytes - availableBytes)) / totalBytes);
  return { kind: "memoryLow", target: node, level, healthyAttempts };
}
