/**
 * Which node is the hub after another one was lost. Pure.
 *
 * - S1: an epoch has one hub. Who becomes it writes under a higher epoch than any that it knows, and one that no other
 *   node can take (epoch.ts).
 * - S2: nobody follows a hub of a lower epoch than the one it knows; of two hubs under one epoch the one with the greater
 *   id is followed by everybody, the other one included.
 * - S3: a hub is followed only under a key that can be believed: the one that the fleet's table has of it; or, of a node
 *   that joined after this one was lost to the fleet, the one that a node says, under its own signature, which the table
 *   knows as one that could take the hub's place itself.
 */
import { type Failure, type NodeId, refused } from "#base";
import type { FleetNode } from "./directory.ts";
import { cannotLead, type LevelRange } from "./feature-level.ts";
import type { HubIdentity } from "./trust/join-token.ts";
import type { FleetRole } from "./trust/roles.ts";

/** Noted before anything is changed, so that a start can go on with it. */
export type Promotion = {
  readonly epoch: number;
  readonly node: NodeId;
  /** Where the others reach this node. */
  readonly url: string;
  readonly atMs: number;
  readonly why: string;
};

export type PromotionFacts = {
  /** Undefined unless the node follows a hub. */
  readonly role: FleetRole | undefined;
  /** Where the others reach this node; null while it can only call. */
  readonly url: string | null;
  /** What this build speaks, and at which level the fleet works. */
  readonly levels: LevelRange;
  readonly fleetLevel: number;
  /** A person says that the hub is off and stays off until this is over. */
  readonly isHubOff: boolean;
  readonly isForced: boolean;
  /** Whether the hub has just answered this node. */
  readonly doesHubAnswer: boolean;
};

/** @returns why this node must not become the hub; undefined when it may. */
export function obstacleToPromotion(facts: PromotionFacts): Failure | undefined {
  if (facts.role === undefined) {
    return refused("conflict", "this node follows no hub", "Promote a member of the fleet: drover node list");
  }
  if (facts.role === "reader") {
    return refused("conflict", "this node joined as reader, and a hub has to be a member", "Promote a member instead");
  }
  if (facts.url === null) {
    return refused(
      "conflict",
      "the other nodes cannot reach this one: it joined without an address",
      "Set fleet.url to the address of this node, restart it, and promote it then",
    );
  }
  const unable = cannotLead(facts.levels, facts.fleetLevel);
  if (unable !== undefined) return unable;
  if (!facts.isHubOff) {
    return refused(
      "conflict",
      "two hubs at once lose work: the old one has to be off before another takes its place",
      "Stop the old hub, then say so: drover promote --yes",
    );
  }
  if (facts.doesHubAnswer && !facts.isForced) {
    return refused(
      "conflict",
      "the hub still answers this node",
      "Stop it first; or, when that is not possible, take its place all the same: drover promote --yes --force",
    );
  }
  return undefined;
}

/** What one node says about who the hub is. */
export type HubWord = {
  readonly epoch: number;
  readonly hub: NodeId;
  /** Who says so, under its signature; the hub itself may. */
  readonly by: NodeId;
  /** Of another node than the one that says it. */
  readonly identity?: HubIdentity;
};

/** The highest epoch that a node knows, and whom it takes for the hub of it. */
export type KnownHub = { readonly epoch: number; readonly hub: NodeId | undefined };

export type FoundHub = { readonly epoch: number; readonly hub: HubIdentity };

/** @returns the hub that is to be followed, and its epoch; undefined when the one that is known is still right (S2, S3). */
export function hubToFollow(
  known: KnownHub,
  words: readonly HubWord[],
  nodes: readonly FleetNode[],
): FoundHub | undefined {
  let best: FoundHub | undefined;
  for (const word of words) {
    if (!outranks(word, best === undefined ? known : { epoch: best.epoch, hub: best.hub.id })) continue;
    const hub = believed(word, nodes);
    if (hub !== undefined) best = { epoch: word.epoch, hub };
  }
  return best;
}

function outranks(word: HubWord, known: KnownHub): boolean {
  if (word.epoch !== known.epoch) return word.epoch > known.epoch;
  return known.hub !== undefined && word.hub > known.hub;
}

/** S3. */
function believed({ hub, by, identity }: HubWord, nodes: readonly FleetNode[]): HubIdentity | undefined {
  const node = nodes.find(({ id }) => id === hub);
  if (node === undefined) {
    const voucher = nodes.find(({ id }) => id === by);
    return voucher !== undefined && mayLead(voucher) && identity?.id === hub ? identity : undefined;
  }
  const url = node.url ?? (identity?.publicKey === node.publicKey ? identity.url : null);
  if (url === null || !mayLead(node)) return undefined;
  return { id: node.id, name: node.name, url, publicKey: node.publicKey };
}

function mayLead({ state, role }: FleetNode): boolean {
  return state !== "removed" && role !== "reader";
}
