/** The queue of a node: its own, or that of its hub. */
import type { IdFactory, JsonObject } from "#base";
import { FleetQueue, httpLink } from "#fleet";
import { type Queue, QueueService } from "#queue";
import type { EngineOptions } from "./engine.ts";
import { Failsafes, freeBytesOf } from "./failsafes/failsafes.ts";
import { termOf } from "./fleet/hub-duty.ts";
import { knownEpoch, type NodeStores } from "./fleet/open-node-stores.ts";

export type MakeQueueParts = NodeStores & {
  readonly options: EngineOptions;
  readonly ids: IdFactory;
  /** What this node tells its hub of itself. */
  readonly describeNode: () => JsonObject;
};

export type MadeQueue = {
  readonly queue: Queue;
  readonly service: QueueService | undefined;
  readonly failsafes: Failsafes;
};

export function makeQueue(parts: MakeQueueParts): MadeQueue {
  const { config, clock, logger, stateDir } = parts.options;
  const failsafes = new Failsafes({ config, clock, logger, freeBytes: () => freeBytesOf(stateDir) });
  const { member } = parts;
  if (member !== undefined) {
    const queue = queueOfHub(parts, member);
    failsafes.watch(queue);
    return { queue, service: undefined, failsafes };
  }
  const service = ownQueue(parts, failsafes);
  failsafes.watch(service);
  return { queue: service, service, failsafes };
}

function ownQueue({ stores, options, ids }: MakeQueueParts, failsafes: Failsafes): QueueService {
  const { config, clock, random, logger } = options;
  return new QueueService({
    store: stores.queue,
    clock,
    random,
    ids,
    node: stores.nodeId,
    logger,
    termOf: (holder) => (holder === stores.nodeId ? undefined : termOf(stores, holder, config["fleet.lease_ms"])),
    maxOpenTasks: config["limits.open_tasks"],
    lowLaneTasks: failsafes.lowLaneTasks,
    lowLanesRefused: failsafes.lowLanesRefused,
  });
}

function queueOfHub(
  { stores, options, ids, describeNode }: MakeQueueParts,
  { client, outbox, replica }: NonNullable<NodeStores["member"]>,
): Queue {
  const { clock, random, logger, restart } = options;
  return new FleetQueue({
    node: stores.nodeId,
    link: httpLink(
      (method, path, body, limits) => client.request(method, path, body, limits),
      () => knownEpoch(stores.secrets, replica.position().epoch),
    ),
    outbox,
    replica,
    store: stores.queue,
    clock,
    random,
    ids,
    logger,
    announce: describeNode,
    obey: () => restart?.(),
  });
}
