/** What a fleet keeps of its nodes, and a node of its fleet: ports of the store. */
import type { JsonObject, NodeId, Result } from "#base";
import type { Promotion } from "./succession.ts";
import type { HubIdentity, JoinToken, LeaseClass } from "./trust/join-token.ts";
import type { KeyChange } from "./trust/key-change.ts";
import type { NodeKey } from "./trust/keys.ts";
import type { FleetRole } from "./trust/roles.ts";
import type { KnownNode } from "./trust/verify-request.ts";
import type { Voters } from "./voters.ts";

/** A row of the fleet's table of nodes. Removed ones stay, so that their keys stay known as removed. */
export type FleetNode = KnownNode & {
  /** Where the others reach it; null while it can only call. */
  readonly url: string | null;
  readonly version: string;
  /** The newest level that it speaks, as it said last. */
  readonly featureLevel: number;
  readonly leaseClass: LeaseClass;
  readonly joinedAtMs: number;
  readonly seenAtMs: number;
  /** What it said of itself last: offer, capacity, load. */
  readonly announced: JsonObject;
};

export type NodeState = FleetNode["state"];

/** Who writes, since when. */
export type HubTerm = {
  readonly epoch: number;
  readonly node: NodeId;
  readonly url: string;
  readonly atMs: number;
  readonly why: string;
};

/** The shared tables. Reads are of what is durable and answer at once; writes answer when they are durable. */
export interface NodeDirectory {
  find(id: NodeId): FleetNode | undefined;
  /** Every node, by name; removed ones too. */
  all(): readonly FleetNode[];
  /** The newest term; undefined before the first node joined. */
  hub(): HubTerm | undefined;
  /** Adds a node, or replaces what is known of it. `conflict` when its key is that of another node. */
  put(node: FleetNode): Promise<Result<void>>;
  /** @returns whether there is such a node. */
  setState(id: NodeId, state: NodeState): Promise<Result<boolean>>;
  /** @returns false when the node's key is not `from` any more. */
  setKey(id: NodeId, from: string, to: string): Promise<Result<boolean>>;
  /** Notes that a node was heard of, and what it said. @returns whether there is such a node. */
  setSeen(
    id: NodeId,
    seen: {
      readonly atMs: number;
      readonly version: string;
      readonly featureLevel: number;
      readonly announced: JsonObject;
    },
  ): Promise<Result<boolean>>;
  /** The feature level that the fleet has reached; undefined before the first one was kept. */
  level(): number | undefined;
  /** Keeps a level that is higher than the one kept. @returns whether it was. */
  raiseLevel(level: number): Promise<Result<boolean>>;
  /** Whether a node is the hub, or was it at any time. */
  hasLed(id: NodeId): boolean;
  /** Changes nothing when the epoch has a term already. */
  putHub(term: HubTerm): Promise<Result<void>>;
  /** As the hub published them last; undefined before it ever did. */
  voters(): Voters | undefined;
  /** @returns false, and changes nothing, when the version that is there is not `before` (0: none). */
  putVoters(voters: Voters, before: number): Promise<Result<boolean>>;
}

/** Invitations, on the host that made them. Durable when a call returns. */
export interface JoinTokens {
  put(token: JoinToken): Result<void>;
  find(id: string): Result<JoinToken | undefined>;
  /** Newest first. */
  all(): Result<readonly JoinToken[]>;
  /** Counts one use by a node under a key; the same again counts nothing. @returns false when no use is left. */
  use(id: string, node: NodeId, publicKey: string): Result<boolean>;
  hasUsed(id: string, node: NodeId, publicKey: string): Result<boolean>;
  /** @returns whether there was such a token. */
  remove(id: string): Result<boolean>;
  /** Removes those that had expired by then. @returns how many. */
  removeExpired(atMs: number): Result<number>;
}

/** That this node is part of a fleet whose hub is another node. Written by `drover join`, read at each start. */
export type Membership = {
  readonly fleet: string;
  readonly role: FleetRole;
  readonly name: string;
  /** Where the others reach this node; null while it can only call. */
  readonly url: string | null;
  readonly leaseClass: LeaseClass;
  readonly hub: HubIdentity;
  readonly epoch: number;
  readonly joinedAtMs: number;
  /** The fleet.db that this node had is to be moved aside, because tasks in it had not ended. */
  readonly setAside: boolean;
};

export type NotedRole = "solo" | "configured" | "hub";

/** What only this host knows. Durable when a call returns; a copy of the state folder has none of it. */
export interface NodeSecrets {
  /** Makes the key when there is none. */
  key(): Result<NodeKey>;
  /** The key that is to take the place of the present one, made when there is none; it survives a crash in between. */
  nextKey(): Result<NodeKey>;
  /** Puts the next key in the place of the present one and keeps how that came about. */
  adoptNextKey(change: KeyChange): Result<void>;
  /** Oldest first; those that others may not have seen yet. */
  keyChanges(): Result<readonly KeyChange[]>;
  membership(): Result<Membership | undefined>;
  setMembership(membership: Membership | undefined): Result<void>;
  /** Whether this node is a hub, in whatever way it became one. */
  isHub(): Result<boolean>;
  /** @param role `configured` only as long as its configuration says so; `hub` since it invited nodes, or was promoted */
  noteRole(role: NotedRole): Result<void>;
  /** This node takes the hub's place with its next start. */
  beginPromotion(promotion: Promotion): Result<void>;
  /** This node, a hub, becomes a member with its next start; what it had is moved to `folder`. */
  beginStepDown(membership: Membership, folder: string): Result<void>;
}
