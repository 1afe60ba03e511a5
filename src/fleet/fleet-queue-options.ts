import type { Clock, IdFactory, JsonObject, Logger, NodeId, Random } from "#base";
import type { QueueStore } from "#queue";
import type { LeaseNotes } from "./lease-notes.ts";
import type { Order } from "./orders.ts";
import type { PartKey } from "./parts/part.ts";
import type { Outbox, QueueLink, ReplicaView } from "./ports.ts";

export type FleetQueueOptions = {
  readonly node: NodeId;
  readonly link: QueueLink;
  readonly outbox: Outbox;
  /** What outlives this process of the leases that it holds. */
  readonly leaseNotes: LeaseNotes;
  readonly replica: ReplicaView;
  /** The replica's tables. */
  readonly store: QueueStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdFactory;
  readonly logger: Logger;
  /** What this node says of itself with each heartbeat. */
  readonly announce: () => JsonObject;
  /** The hub asks this node for something that is not of the queue. */
  readonly obey: (order: Order) => void;
  /** Somebody reads a part of an attempt of this node on the hub. */
  readonly onRead: (key: PartKey) => void;
};
