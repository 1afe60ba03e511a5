/**
 * Which node is the hub after another one was lost. Pure.
 *
 * - S1: an epoch has one hub. Who becomes it writes under a higher epoch than any that it knows.
 * - S2: nobody follows a hub of an epoch that is not higher than the one it knows.
 * - S3: a hub is followed only when the fleet's table knows it, and under the key that is there.
 */
import type { NodeId } from "#base";
import { type Failure, refused } from "#base";
import type { FleetNode } from "./directory.ts";
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
export type HubWord = { readonly epoch: number; readonly hub: NodeId };

/** @returns the hub that is to be followed, and its epoch; undefined when the one that is known is still right (S2, S3). */
export function hubToFollow(
  knownEpoch: number,
  words: readonly HubWord[],
  nodes: readonly FleetNode[],
): { readonly epoch: number; readonly hub: HubIdentity } | undefined {
  let best: { readonly epoch: number; readonly hub: HubIdentity } | undefined;
  for (const word of words) {
    if (word.epoch <= (best?.epoch ?? knownEpoch)) continue;
    const node = nodes.find(({ id }) => id === word.hub);
    if (node === undefined || node.url === null || node.state === "removed" || node.role === "reader") continue;
    best = { epoch: word.epoch, hub: { id: node.id, name: node.name, url: node.url, publicKey: node.publicKey } };
  }
  return best;
}
