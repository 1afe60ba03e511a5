/** A fleet and its nodes as the API returns them. */
import { z } from "zod";
import { FEATURE_LEVEL, FLEET_ROLES, type FleetNode, levelsSaid, OLDEST_FEATURE_LEVEL, OWN_LEVELS } from "#fleet";
import { failoverSchema, failoverView } from "./failover-view.ts";
import type { NodesView } from "./node-view.ts";
import type { ApiPorts, FleetStanding } from "./ports.ts";
import type { NodeOffer } from "./requirements.ts";

export const roleSchema = z.enum(FLEET_ROLES);

const hubSchema = z.object({ id: z.string(), name: z.string(), url: z.string(), publicKey: z.string() });

export const joinAnswerSchema = z.object({ fleet: z.string(), hub: hubSchema, role: roleSchema, epoch: z.int() });

export const copySchema = z.object({
  state: z.enum(["attached", "stale", "rebuilding"]),
  staleMs: z.int(),
  epoch: z.int(),
  /** How many commits of the hub it shows. */
  seq: z.int(),
});

export const followingSchema = z.object({
  /** Whether the hub answered when it was asked last. */
  hubAnswers: z.boolean(),
  replica: copySchema.shape.state,
  /** How long ago this node was known to show everything that the hub had. */
  staleMs: z.int(),
  /** Commits of the hub that this node shows. */
  seq: z.int(),
  /** What was accepted here and the hub has not answered. */
  outboxWaiting: z.int(),
  /** Why the hub gives this node no work: its release and the fleet's do not fit. */
  unfit: z.object({ message: z.string(), remedy: z.string().optional() }).nullable(),
});

export const durabilitySchema = z.object({
  /** `local`: a change is answered when it is on this node's disk; `replicated`: when other nodes have it too. */
  mode: z.enum(["local", "replicated"]),
  /** How many other nodes must have a change. */
  replicas: z.int().nullable(),
  /** How many follow now; with fewer than `replicas` changes are refused. */
  live: z.int().nullable(),
  /** Commits that so many nodes have. */
  seq: z.int().nullable(),
  /** Why what is configured does not hold. */
  note: z.string().nullable(),
});

export const quarantineCountsSchema = z.object({
  waiting: z.int(),
  accepted: z.int(),
  superseded: z.int(),
  left: z.int(),
  refused: z.int(),
});

export const standingSchema = z.object({
  role: z.enum(["solo", "hub", ...FLEET_ROLES]),
  fleet: z.string().nullable(),
  epoch: z.int(),
  hub: hubSchema.nullable(),
  isRestartDue: z.boolean(),
  /** At which the fleet works: what every node of it understands. */
  featureLevel: z.int(),
  /** Settings of the fleet that this node has not taken up yet: one of an earlier release does with its next start. */
  pendingSettings: z.array(z.string()),
  /** Null where this node follows no hub: then what it shows is what holds. */
  following: followingSchema.nullable(),
  /** What this node had accepted as a hub that was superseded: still to be sent, and what a person has to look at. */
  quarantine: z.object({ folders: z.int(), waiting: z.int(), refused: z.int() }),
  /** Null where this node follows a hub: there the hub decides. */
  durability: durabilitySchema.nullable(),
  /** Null where this node is in no fleet. */
  failover: failoverSchema.nullable(),
});

export const membershipSchema = z.object({
  fleet: z.string(),
  role: roleSchema,
  hub: hubSchema,
  setAside: z.boolean(),
  /** False when the node has no watchdog: a person has to start it again. */
  restarting: z.boolean(),
});

const KEY = "MCowBQYDK2VwAyEA11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

export const exampleJoinRequest = {
  token: "k3v9q2m7xa",
  proof: "c1d5…",
  nonce: "AAECAwQFBgcICQoLDA0ODw",
  node: {
    id: "n_06d3w4q000e7v9w2m5x1y3z6ab",
    name: "gpu1",
    publicKey: KEY,
    url: null,
    version: "1.2.3",
    featureLevel: FEATURE_LEVEL,
    oldestFeatureLevel: OLDEST_FEATURE_LEVEL,
    leaseClass: "strict" as const,
  },
};

export const exampleJoinAnswer = {
  fleet: "6f4c7a0e-5f0e-4c5e-9a5e-0d5a4b1c2d3e",
  hub: { id: "n_06d3w4q000e7v9w2m5x1y3z6ab", name: "hub", url: "http://hub.example:7433", publicKey: KEY },
  role: "member" as const,
  epoch: 1,
};

export const exampleStanding = {
  role: "solo" as const,
  fleet: null,
  epoch: 1,
  hub: null,
  isRestartDue: false,
  featureLevel: FEATURE_LEVEL,
  pendingSettings: [],
  following: null,
  quarantine: { folders: 0, waiting: 0, refused: 0 },
  durability: { mode: "local" as const, replicas: null, live: null, seq: null, note: null },
  failover: null,
};

export function standingView(ports: Pick<ApiPorts, "fleet" | "fleetSettings">): z.output<typeof standingSchema> {
  const { fleet, fleetSettings } = ports;
  const { hub, ...standing } = fleet.standing();
  const following = fleet.following?.() ?? null;
  return {
    ...standing,
    pendingSettings: [...fleetSettings.pending()],
    hub: hub === null ? null : { ...hub },
    following: following === null ? null : { ...following, unfit: following.unfit && { ...following.unfit } },
    durability: fleet.durability?.() ?? null,
    failover: failoverView(ports),
    quarantine: quarantineView(fleet),
  };
}

/** What cannot be read shows among the conditions of readiness, with the rest of node.db. */
function quarantineView({ quarantine }: ApiPorts["fleet"]): z.output<typeof standingSchema>["quarantine"] {
  const found = quarantine?.folders();
  const folders = found?.ok === true ? found.value : [];
  const isToBeLookedAt = (state: string): number => (state === "foreign" || state === "unreadable" ? 1 : 0);
  return {
    folders: folders.length,
    waiting: folders.reduce((sum, { counts, state }) => sum + counts.waiting + (state === "reading" ? 1 : 0), 0),
    refused: folders.reduce((sum, { counts, state }) => sum + counts.refused + isToBeLookedAt(state), 0),
  };
}

/** A node that was silent for longer than the term of a strict lease holds no such lease any more. */
export const FRESH_MS = 60_000;

/** What a node announces, as far as this version knows it; all of it may be missing. */
const announcedSchema = z.object({
  offer: z
    .object({
      executors: z.array(z.string()),
      labels: z.record(z.string(), z.string()),
      models: z.array(z.string()),
      vramBytes: z.number(),
    })
    .optional()
    .catch(undefined),
  running: z.int().optional().catch(undefined),
  pendingSettings: z.array(z.string()).optional().catch(undefined),
  capacity: z.record(z.string(), z.unknown()).optional().catch(undefined),
  copy: copySchema.optional().catch(undefined),
});

/** @returns every node that was not removed: those of the fleet, and this one where it is in none. */
export function nodesView(ports: ApiPorts): NodesView["nodes"] {
  const standing = ports.fleet.standing();
  const offers = new Map<string, NodeOffer>(ports.offers().map((offer) => [offer.node, offer]));
  const members = ports.fleet.nodes().filter(({ state }) => state !== "removed");
  const known = new Set<string>(members.map(({ id }) => id));
  const alone = [...offers.values()].filter(({ node }) => !known.has(node)).map((offer) => offerView(offer, ports));
  return [...alone, ...members.map((node) => memberView(node, offers.get(node.id), ports, standing))];
}

/** @returns what every node that may get work can carry out, as it said last. */
export function fleetOffers(
  ports: Pick<ApiPorts, "offers" | "clock"> & { readonly fleet: Pick<ApiPorts["fleet"], "nodes"> },
): readonly NodeOffer[] {
  const own = ports.offers();
  const known = new Set<string>(own.map(({ node }) => node));
  const nowMs = ports.clock.nowMs();
  const others = ports.fleet.nodes().flatMap(({ id, name, state, seenAtMs, announced }): readonly NodeOffer[] => {
    if (known.has(id) || state !== "active" || nowMs - seenAtMs > FRESH_MS) return [];
    const said = announcedSchema.safeParse(announced);
    return said.success && said.data.offer !== undefined ? [{ node: id, name, ...said.data.offer }] : [];
  });
  return [...own, ...others];
}

function isVoter(node: string, { fleet }: Pick<ApiPorts, "fleet">): boolean {
  const voters = fleet.failover?.view().voters;
  return voters?.mode === "automatic" && voters.nodes.some((id) => id === node);
}

function offerView({ node, ...offer }: NodeOffer, ports: ApiPorts): NodesView["nodes"][number] {
  const isSelf = node === ports.node.id;
  return {
    id: node,
    name: offer.name,
    isSelf,
    executors: [...offer.executors],
    labels: { ...offer.labels },
    models: [...offer.models],
    vramBytes: offer.vramBytes,
    role: isSelf ? ports.fleet.standing().role : null,
    state: "active",
    version: isSelf ? ports.node.version : null,
    featureLevels: isSelf ? { ...OWN_LEVELS } : null,
    url: null,
    epoch: isSelf ? ports.fleet.standing().epoch : null,
    copy: null,
    isVoter: false,
    seenAtMs: isSelf ? ports.clock.nowMs() : null,
    isFresh: isSelf,
    running: isSelf ? ports.workers().length : null,
    pendingSettings: isSelf ? [...ports.fleetSettings.pending()] : [],
    backOff: null,
    capacity: null,
  };
}

function memberView(
  node: FleetNode,
  offer: NodeOffer | undefined,
  ports: ApiPorts,
  standing: FleetStanding,
): NodesView["nodes"][number] {
  const isSelf = node.id === ports.node.id;
  const announced = announcedSchema.safeParse(node.announced);
  const said = announced.success ? announced.data : {};
  const offered = offer ?? said.offer ?? { executors: [], labels: {}, models: [], vramBytes: 0 };
  const isHub = isSelf ? standing.role === "hub" : standing.hub?.id === node.id;
  const seenAtMs = isSelf ? ports.clock.nowMs() : node.seenAtMs;
  return {
    id: node.id,
    name: node.name,
    isSelf,
    executors: [...offered.executors],
    labels: { ...offered.labels },
    models: [...offered.models],
    vramBytes: offered.vramBytes,
    role: isHub ? "hub" : node.role,
    state: node.state,
    version: isSelf ? ports.node.version : node.version,
    featureLevels: isSelf ? { ...OWN_LEVELS } : { ...levelsSaid(node.announced, node.featureLevel) },
    url: node.url,
    epoch: isHub || isSelf ? standing.epoch : (said.copy?.epoch ?? null),
    copy: isHub ? null : (said.copy ?? null),
    isVoter: isVoter(node.id, ports),
    seenAtMs,
    isFresh: isSelf || ports.clock.nowMs() - seenAtMs <= FRESH_MS,
    running: isSelf ? ports.workers().length : (said.running ?? null),
    pendingSettings: isSelf ? [...ports.fleetSettings.pending()] : (said.pendingSettings ?? []),
    backOff: ports.fleet.backOff?.(node.id) ?? null,
    capacity: said.capacity ?? null,
  };
}
