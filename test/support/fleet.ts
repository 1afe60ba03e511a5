/** A fleet over tables in memory, for an API that tests speak to. */
import { type Clock, type NodeId, ok, type Random, silentLogger } from "#base";
import {
  cryptography,
  type Fleet,
  type FleetParts,
  MemoryJoinTokens,
  MemoryNodeDirectory,
  MemoryNodeSecrets,
  OWN_LEVELS,
  openFleet,
} from "#fleet";

export type FleetBase = {
  readonly node: NodeId;
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
};

/** @returns the fleet of one node, and the tables behind it. */
export function memoryFleet(base: FleetBase, changed: Partial<FleetParts> = {}): Fleet {
  const fleet = openFleet({
    self: {
      id: base.node,
      name: base.name,
      version: "1.2.3",
      featureLevel: OWN_LEVELS.newest,
      oldestFeatureLevel: OWN_LEVELS.oldest,
    },
    uuid: "6f4c7a0e-5f0e-4c5e-9a5e-0d5a4b1c2d3e",
    address: () => ({ url: "http://127.0.0.1:7433", warning: null }),
    epoch: () => 1,
    nodes: new MemoryNodeDirectory(),
    tokens: new MemoryJoinTokens(),
    secrets: new MemoryNodeSecrets(cryptography),
    openTasks: async () => ok(0),
    running: async () => ok([]),
    replica: () => undefined,
    ca: undefined,
    clock: base.clock,
    random: base.random,
    logger: silentLogger,
    cryptography,
    ...changed,
  });
  if (!fleet.ok) throw new Error(fleet.error.message);
  return fleet.value;
}
