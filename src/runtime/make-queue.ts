/** The queue of a node: its own, or that of its hub. */
import { type IdFactory, type JsonObject, ok, present, type Result, type TaskId } from "#base";
import { bootTime, checkSchema } from "#execution";
import { FleetQueue, httpLink, LeaseNotes } from "#fleet";
import { GoalService } from "#goals";
import { type Queue, QueueService } from "#queue";
import type { Registered } from "#repos";
import type { EngineOptions } from "./engine.ts";
import { Failsafes, freeBytesOf } from "./failsafes/failsafes.ts";
import { termOf } from "./fleet/hub-duty.ts";
import { type NodeParts, openNodeParts } from "./fleet/node-parts.ts";
import { knownEpoch, type NodeStores } from "./fleet/open-node-stores.ts";
import { checkPlace } from "./goals/goal-place.ts";

export type MakeQueueParts = NodeStores & {
  readonly options: EngineOptions;
  readonly ids: IdFactory;
  /** What this node tells its hub of itself. */
  readonly describeNode: () => JsonObject;
  /** Whether an attempt runs on this node. */
  readonly isRunning: (taskId: TaskId, attempt: number) => boolean;
  readonly repositories: () => Result<readonly Registered[]>;
};

export type MadeQueue = {
  readonly queue: Queue;
  readonly service: QueueService | undefined;
  /** Goals where this node writes them. */
  readonly goals: GoalService | undefined;
  readonly failsafes: Failsafes;
  /** What attempts leave beside the queue. */
  readonly parts: NodeParts;
};

export async function makeQueue(given: MakeQueueParts): Promise<Result<MadeQueue>> {
  const { config, clock, logger, stateDir } = given.options;
  const failsafes = new Failsafes({ config, clock, logger, freeBytes: () => freeBytesOf(stateDir) });
  const { member, stores } = given;
  let onRead: NodeParts["onRead"] = () => undefined;
  const service = member === undefined ? ownQueue(given, failsafes) : undefined;
  const queue = service ?? queueOfHub(given, present(member, "a node without a hub has a queue"), (key) => onRead(key));
  failsafes.watch(queue);
  const parts = await openNodeParts({
    ...given.options,
    stores,
    member,
    queue: queue.store,
    isDiskLow: () => failsafes.isDiskLow,
    isRunning: given.isRunning,
  });
  if (!parts.ok) return parts;
  onRead = parts.value.onRead;
  const goals = service === undefined ? undefined : ownGoals(given);
  return ok({ queue, service, goals, failsafes, parts: parts.value });
}

function ownGoals({ stores, options, ids, repositories }: MakeQueueParts): GoalService {
  return new GoalService({
    store: stores.goals,
    clock: options.clock,
    ids,
    node: stores.nodeId,
    check: checkSchema,
    place: (order) => checkPlace(order, { repositories, nodes: stores.fleetNodes }),
  });
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
    // At each submission anew: settings of the fleet change while the node runs.
    get maxOpenTasks() {
      return config["limits.open_tasks"];
    },
    lowLaneTasks: failsafes.lowLaneTasks,
    lowLanesRefused: failsafes.lowLanesRefused,
  });
}

function queueOfHub(
  { stores, options, ids, describeNode }: MakeQueueParts,
  { client, outbox, leases, replica }: NonNullable<NodeStores["member"]>,
  onRead: NodeParts["onRead"],
): Queue {
  const { clock, random, logger, obey } = options;
  return new FleetQueue({
    node: stores.nodeId,
    link: httpLink(
      (method, path, body, limits) => client.request(method, path, body, limits),
      () => knownEpoch(stores.secrets, replica.position().epoch),
    ),
    outbox,
    leaseNotes: new LeaseNotes({ text: leases, clock, bootTime }),
    replica,
    store: stores.queue,
    clock,
    random,
    ids,
    logger,
    announce: describeNode,
    obey: (order) => obey?.(order),
    onRead,
  });
}
