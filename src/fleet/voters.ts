/**
 * Who decides about the hub of a fleet without a person, and how that changes. Pure.
 *
 * - M1: a set differs from the one before it by one node at the most, unless neither can elect. So any majority of the one
 *   has a node in common with any majority of the other.
 * - M2: a set that can elect is followed by another one only when a majority of it has shown, to a hub of the present
 *   epoch, that it has it. So at any moment two sets at the most can elect, and those follow each other.
 * - M3: a node becomes a voter only after it has shown the present epoch's database to the hub under its own address.
 * - M4: after a set that could elect, one that cannot binds the hub to its lease until a majority of it has it.
 */
import type { NodeId } from "#base";
import type { FleetNode } from "./directory.ts";

export const FAILOVER_MODES = ["manual", "automatic"] as const;
export type FailoverMode = (typeof FAILOVER_MODES)[number];

/** With two, whoever is cut off cannot tell that from the death of the other one. */
export const MIN_VOTERS = 3;

/** Of two sets the one of the higher epoch is newer, within an epoch the one of the higher version. */
export type VotersName = { readonly epoch: number; readonly version: number };

/** As the hub publishes it in the fleet's database. */
export type Voters = VotersName & {
  readonly mode: FailoverMode;
  /** What a hub is lent, and how long it has to be silent before another one is elected. */
  readonly leaseMs: number;
  readonly nodes: readonly NodeId[];
  /** The set before this one could elect, and may still be believed by some (M4). */
  readonly isHandover: boolean;
};

export function canElect(voters: Voters | undefined): voters is Voters {
  return voters !== undefined && voters.mode === "automatic" && voters.nodes.length >= MIN_VOTERS;
}

/** Whether a hub with these voters acknowledges only under a lease. */
export function bindsHub(voters: Voters | undefined): voters is Voters {
  return voters?.isHandover === true || canElect(voters);
}

export function majority({ nodes }: Pick<Voters, "nodes">): number {
  return Math.floor(nodes.length / 2) + 1;
}

/** @returns below 0 when `a` is older; null is older than any. */
export function compareVoters(a: VotersName | null, b: VotersName | null): number {
  if (a === null || b === null) return (a === null ? 0 : 1) - (b === null ? 0 : 1);
  return a.epoch - b.epoch || a.version - b.version;
}

export function newerVoters(a: Voters | undefined, b: Voters | undefined): Voters | undefined {
  return compareVoters(a ?? null, b ?? null) < 0 ? b : a;
}

/** The hub, and each member that says where it is reached. A cordoned one may vote: it only takes no work. */
export function eligibleVoters(nodes: readonly FleetNode[], hub: NodeId): readonly NodeId[] {
  return nodes
    .filter(({ id, url, role, state }) => id === hub || (url !== null && role !== "reader" && state !== "removed"))
    .map(({ id }) => id);
}

export type VotersFacts = {
  readonly hub: NodeId;
  readonly epoch: number;
  readonly wish: Pick<Voters, "mode" | "leaseMs">;
  readonly eligible: readonly NodeId[];
  /** Whether a node, the hub itself too, will not forget the present set and the database of the present epoch. */
  readonly hasPresent: (node: NodeId) => boolean;
  /** Whether a node has shown this hub that it has the database of the present epoch. */
  readonly hasDatabase: (node: NodeId) => boolean;
};

/** Heard of from others, newer than the one in the database of an elected hub: it is to be in there too, with a name above both. */
export function adoptedVoters(heard: Voters, inDatabase: Voters | undefined, epoch: number): Voters {
  const isHandover = heard.isHandover || canElect(inDatabase);
  const version = Math.max(heard.version, inDatabase?.version ?? 0) + 1;
  return settled({ ...heard, epoch, version, isHandover });
}

/** @returns the set that is to be published next; undefined while nothing is to be changed, or it may not be yet. */
export function nextVoters(present: Voters | undefined, facts: VotersFacts): Voters | undefined {
  const { hub, epoch, wish } = facts;
  if (present === undefined) {
    return wish.mode === "manual" ? undefined : ownVoters(facts, 1);
  }
  const isKnown = present.nodes.filter(facts.hasPresent).length >= majority(present);
  if (bindsHub(present) && !isKnown) return undefined;
  const next = { ...present, epoch, version: present.version + 1, isHandover: canElect(present) };
  if (wish.mode !== present.mode && wish.mode === "automatic") return { ...ownVoters(facts, next.version) };
  if (wish.mode !== present.mode || wish.leaseMs !== present.leaseMs) return settled({ ...next, ...wish });
  const gone = present.nodes.find((node) => node !== hub && !facts.eligible.includes(node));
  if (gone !== undefined) return settled({ ...next, nodes: present.nodes.filter((node) => node !== gone) });
  if (present.mode === "automatic") {
    const come = facts.eligible.find(
      (node) => !present.nodes.includes(node) && (node === hub || facts.hasDatabase(node)),
    );
    if (come !== undefined) return settled({ ...next, nodes: [...present.nodes, come] });
  }
  return present.isHandover && isKnown ? { ...next, isHandover: false } : undefined;
}

/** A set of the hub alone: the first one, and where a person has decided that the others have no say. */
export function ownVoters({ hub, epoch, wish }: Pick<VotersFacts, "hub" | "epoch" | "wish">, version: number): Voters {
  return { epoch, version, ...wish, nodes: [hub], isHandover: false };
}

/** One that can elect binds the hub by itself. */
function settled(voters: Voters): Voters {
  return canElect(voters) ? { ...voters, isHandover: false } : voters;
}
