/** What a node tells its hub of itself, and through it the other nodes. Pure. */
import type { NodeOffer } from "#api";
import type { JsonObject } from "#base";
import { announcedLevels, OWN_LEVELS, type Position } from "#fleet";
import { type EndpointState, freeVramBytes, type HostCapacity } from "#hw";

export type SelfFacts = {
  readonly version: string;
  readonly offer: NodeOffer;
  /** Attempts that run. */
  readonly running: number;
  readonly endpoints: readonly EndpointState[];
  readonly capacity: HostCapacity;
};

/** It is kept for every replica to fetch: so many endpoints, each with so many models, are a few kilobytes. */
const ENDPOINTS_TOLD = 16;
const LOADED_TOLD = 8;
const GPUS_TOLD = 16;

export function selfDescription({ version, offer, running, endpoints, capacity }: SelfFacts): JsonObject {
  const { executors, labels, models, vramBytes } = offer;
  return {
    version,
    ...announcedLevels(OWN_LEVELS),
    running,
    offer: { executors: [...executors], labels: { ...labels }, models: [...models], vramBytes },
    capacity: capacityTold(capacity),
    endpoints: endpoints.slice(0, ENDPOINTS_TOLD).map(endpointTold),
  };
}

/** How good a node's copy of the fleet's database is, for people. */
export function copyTold({
  state,
  staleMs,
  position,
}: {
  readonly state: string;
  readonly staleMs: number;
  readonly position: Position;
}): JsonObject {
  return { state, staleMs, epoch: position.epoch, seq: position.seq };
}

function capacityTold(capacity: HostCapacity): JsonObject {
  const { cpu, ram, gpus } = capacity;
  return {
    cpuCount: cpu.availableCount,
    cpuLoadRatio: cpu.loadRatio,
    ramBytes: ram.totalBytes,
    freeRamBytes: ram.availableBytes,
    gpus: gpus.slice(0, GPUS_TOLD).map((gpu) => ({
      name: gpu.name,
      vramBytes: gpu.vramBytes,
      freeVramBytes: freeVramBytes(gpu, ram),
      loadRatio: gpu.loadRatio,
    })),
  };
}

/** Its models are in the offer, and its key's file is nobody else's business. */
function endpointTold({ endpoint, health, models, loaded, inFlight, outsiders }: EndpointState): JsonObject {
  return {
    id: endpoint.id,
    kind: endpoint.kind,
    url: endpoint.url,
    health: health.kind,
    models: models.length,
    loaded: loaded
      .filter(({ isExpected }) => isExpected !== true)
      .slice(0, LOADED_TOLD)
      .map(({ name, sizeBytes, vramBytes }) => ({ name, sizeBytes, vramBytes })),
    requests: Object.values(inFlight).reduce((sum, count) => sum + count, 0),
    outsiders,
  };
}
