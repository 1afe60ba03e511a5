/** What a hub does for its nodes while it runs. */
import { type Clock, describeFailure, type JsonObject, type Logger, type NodeId } from "#base";
import {
  type Fleet,
  type GoalKeeper,
  HubService,
  type HubServiceOptions,
  levelsSaid,
  OWN_LEVELS,
  onReplicas,
  type Position,
  Presence,
  ReplicaWatch,
  replicatedQueue,
} from "#fleet";
import type { GoalService } from "#goals";
import type { Queue, QueueService, TaskRow } from "#queue";
import type { Stores } from "#store";
import { version } from "../version.ts";
import { LevelKeeper, settleMsOf } from "./level-keeper.ts";
import type { HubPartService, NodeParts } from "./node-parts.ts";
import { Placements } from "./placements.ts";

export type HubDutyParts = {
  readonly queue: QueueService;
  readonly goals: GoalService | undefined;
  readonly stores: Stores;
  readonly fleet: Fleet;
  /** Those that ran when the queue started. */
  readonly running: readonly TaskRow[];
  /** How long a node that is always there may be silent: fleet.lease_ms. */
  readonly strictTermMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What this node says of itself. */
  readonly describeSelf: () => JsonObject;
  /** How many other nodes have to have a change before its caller is answered; null with store.durability = local. */
  readonly replicas: number | null;
  readonly nodeParts: Pick<NodeParts, "serve">;
  /** `update.probation_ms` */
  readonly probationMs: number;
  readonly isIdle: () => boolean;
  readonly restart: () => void;
};

export type HubDuty = {
  readonly service: HubService;
  /** For callers elsewhere. */
  readonly queue: Queue;
  /** How far the nodes have what this hub wrote; undefined with store.durability = local. */
  readonly replicas: ReplicaWatch | undefined;
  readonly presence: Presence;
  readonly placements: Placements;
  /** Logs and large results for the nodes. */
  readonly parts: HubPartService;
  readonly levels: LevelKeeper;
  readonly stop: () => void;
};

/** What nodes said is written for the others to read this often; each time costs every replica a page or two. */
const KEEP_EVERY_MS = 60_000;
/** A node that joined or came back is shown to the others soon. */
const KEEP_FIRST_MS = 5_000;

export function startHubDuty(parts: HubDutyParts): HubDuty {
  const { queue, goals, stores, fleet, running, clock } = parts;
  const presence = new Presence(clock);
  const placements = new Placements({
    self: stores.nodeId,
    describeSelf: parts.describeSelf,
    nodes: () => fleet.nodes(),
    presence,
    clock,
  });
  const position = (): Position => stores.position();
  const watch = parts.replicas === null ? undefined : new ReplicaWatch({ clock, position, replicas: parts.replicas });
  const commands = watch === undefined ? queue : replicatedQueue(queue, watch);
  const levels = levelsOf(parts, presence);
  const service = new HubService({
    ...answersOf(parts, { presence, placements, levels }),
    commands,
    ...(goals === undefined ? {} : { goals: keeperOf(goals, watch) }),
    ...(watch === undefined ? {} : { replicas: watch }),
    position,
  });
  service.start(running);
  queue.placeBy({
    defers: (holder, requirements) => placements.deferral(holder, requirements) !== undefined,
    leaves: (holder, task) => placements.taskDeferral(holder, task) !== undefined,
    homed: (holder) => placements.homed(holder),
    claimed: (holder, tasks) => placements.claimed(holder, tasks),
  });
  const endPasses = queue.store.subscribe((events) => {
    placements.observe(events);
    for (const { data } of events) if (data["outcome"] === "passed") placements.passedSomewhere();
  });
  const hubParts = parts.nodeParts.serve(service);
  const endRemoved = fleet.onRemoved((node) => {
    presence.drop(node);
    watch?.drop(node);
    hubParts.relay.drop(node);
    placements.drop(node);
  });
  let timer = clock.after(KEEP_FIRST_MS, keep);
  function keep(): void {
    void keepNews(parts, presence).then(() => levels.look());
    timer = clock.after(KEEP_EVERY_MS, keep);
  }
  return {
    service,
    queue: commands,
    replicas: watch,
    presence,
    placements,
    parts: hubParts,
    levels,
    stop: () => {
      timer.cancel();
      endPasses();
      endRemoved();
      service.stop();
      watch?.stop();
    },
  };
}

/** With store.durability = replicated goals are answered when so many nodes have them, as what the queue takes is. */
function keeperOf(goals: GoalService, watch: ReplicaWatch | undefined): GoalKeeper {
  if (watch === undefined) return goals;
  return { perform: (order, once) => onReplicas(watch, () => goals.perform(order, once)) };
}

/** At which the fleet works. */
function levelsOf(parts: HubDutyParts, presence: Presence): LevelKeeper {
  const { queue, stores } = parts;
  return new LevelKeeper({
    ...parts,
    self: stores.nodeId,
    own: OWN_LEVELS,
    version,
    nodes: stores.fleetNodes,
    presence,
    settleMs: settleMsOf(parts.probationMs),
    waitingMigrations: stores.waitingMigrations,
    onRaised: (level) => void queue.announce("fleet.level_raised", { level }),
  });
}

/** What the answers to nodes depend on, and who is told of what they say. */
function answersOf(
  { queue, stores, fleet, strictTermMs, clock, logger }: HubDutyParts,
  { presence, placements, levels }: Pick<HubDuty, "presence" | "placements" | "levels">,
): Omit<HubServiceOptions, "commands" | "position" | "replicas"> {
  return {
    queue,
    clock,
    logger,
    session: fleet.gate.session,
    termOf: (node) => termOf(stores, node, strictTermMs),
    takesWork: (node) => placements.takesWork(stores.fleetNodes.find(node)),
    unfit: (node) => levels.unfit(node),
    gave: (node, tasks) => placements.gave(node, tasks),
    ended: (node, outcome) => {
      placements.ended(node, outcome);
      const backOff = placements.backOff(node);
      if (backOff !== undefined) logger.warn("a node gets no work for a while", { node, why: backOff.reason });
    },
    heard: (node, announced) => {
      presence.heard(node, announced);
      placements.heard(node);
    },
    orders: (node, heard) => fleet.orders.due(node, heard, clock.monotonicMs()),
  };
}

/** For nodes that are often away. */
const HOLD_TERM_MS = 6 * 3_600_000;

export function termOf(stores: Pick<Stores, "fleetNodes">, node: NodeId, strictTermMs: number): number {
  return stores.fleetNodes.find(node)?.leaseClass === "hold" ? HOLD_TERM_MS : strictTermMs;
}

/** What the hub says of itself, too: the others read it in the same table. */
async function keepNews({ stores, logger, clock, describeSelf }: HubDutyParts, presence: Presence): Promise<void> {
  const own = { node: stores.nodeId, atMs: clock.nowMs(), announced: describeSelf() };
  for (const { node, atMs, announced } of [own, ...presence.takeNews()]) {
    const known = stores.fleetNodes.find(node);
    if (known === undefined) continue;
    const version = typeof announced["version"] === "string" ? announced["version"] : known.version;
    const featureLevel = levelsSaid(announced, known.featureLevel).newest;
    const kept = await stores.fleetNodes.setSeen(node, { atMs, version, featureLevel, announced });
    if (!kept.ok) logger.warn("what a node said was not kept", { node, why: describeFailure(kept.error) });
  }
}
