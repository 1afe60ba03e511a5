/** What a hub does for its nodes while it runs. */
import { type Clock, describeFailure, type Logger, type NodeId } from "#base";
import { type Fleet, HubService, Presence } from "#fleet";
import type { QueueService, TaskRow } from "#queue";
import type { Stores } from "#store";

export type HubDutyParts = {
  readonly queue: QueueService;
  readonly stores: Stores;
  readonly fleet: Fleet;
  /** Those that ran when the queue started. */
  readonly running: readonly TaskRow[];
  readonly clock: Clock;
  readonly logger: Logger;
};

export type HubDuty = {
  readonly service: HubService;
  readonly presence: Presence;
  readonly stop: () => void;
};

/** What nodes said is written for the others to read this often; each time costs every replica a page or two. */
const KEEP_EVERY_MS = 60_000;
/** A node that joined or came back is shown to the others soon. */
const KEEP_FIRST_MS = 5_000;

export function startHubDuty({ queue, stores, fleet, running, clock, logger }: HubDutyParts): HubDuty {
  const presence = new Presence(clock);
  const service = new HubService({
    queue,
    clock,
    logger,
    session: fleet.gate.session,
    position: () => stores.position(),
    termOf: (node) => termOf(stores, node),
    takesWork: (node) => stores.fleetNodes.find(node)?.state === "active",
    suits: () => true,
    heard: (node, announced) => presence.heard(node, announced),
    orders: (node, heard) => fleet.orders.due(node, heard, clock.monotonicMs()),
  });
  service.start(running);
  const endRemoved = fleet.onRemoved((node) => presence.drop(node));
  let timer = clock.after(KEEP_FIRST_MS, keep);
  function keep(): void {
    void keepNews(presence, stores, logger);
    timer = clock.after(KEEP_EVERY_MS, keep);
  }
  return {
    service,
    presence,
    stop: () => {
      timer.cancel();
      endRemoved();
      service.stop();
    },
  };
}

/** A minute for nodes that are always there; hours for those that are often away. */
const STRICT_TERM_MS = 60_000;
const HOLD_TERM_MS = 6 * 3_600_000;

export function termOf(stores: Pick<Stores, "fleetNodes">, node: NodeId): number {
  return stores.fleetNodes.find(node)?.leaseClass === "hold" ? HOLD_TERM_MS : STRICT_TERM_MS;
}

async function keepNews(presence: Presence, stores: Stores, logger: Logger): Promise<void> {
  for (const { node, atMs, announced } of presence.takeNews()) {
    const known = stores.fleetNodes.find(node);
    if (known === undefined) continue;
    const version = typeof announced["version"] === "string" ? announced["version"] : known.version;
    const kept = await stores.fleetNodes.setSeen(node, { atMs, version, announced });
    if (!kept.ok) logger.warn("what a node said was not kept", { node, why: describeFailure(kept.error) });
  }
}
