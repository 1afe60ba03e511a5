/** A node's place in a fleet, put together: what its API shows and does of it. */
import { type Clock, type Logger, type NodeId, ok, type Random, type Result } from "#base";
import { type FleetAdministration, HubAdministration, type HubParts } from "./administration.ts";
import type { FleetNode, HubTerm, JoinTokens, Membership, NodeDirectory, NodeSecrets } from "./directory.ts";
import { Enrolment, type HubLink } from "./enrolment.ts";
import { FIRST_FEATURE_LEVEL } from "./feature-level.ts";
import { askToJoin } from "./io/ask-to-join.ts";
import { HubClient } from "./io/hub-client.ts";
import { FleetOrders } from "./orders.ts";
import { RemoteAdministration } from "./remote-administration.ts";
import { RequestGate } from "./trust/gate.ts";
import type { HubIdentity } from "./trust/join-token.ts";
import type { Cryptography, NodeKey } from "./trust/keys.ts";
import type { FleetRole } from "./trust/roles.ts";
import { nonceMaker } from "./trust/signing.ts";

export type FleetParts = {
  readonly self: HubParts["self"];
  /** Of this node's own database: what its fleet is called when it is the hub. */
  readonly uuid: string;
  readonly address: HubParts["address"];
  readonly epoch: () => number;
  readonly nodes: NodeDirectory;
  readonly tokens: JoinTokens;
  /** Of a node that joined a fleet, where its way to the hub was made before. */
  readonly client?: HubClient;
  /** That of this client. */
  readonly nonce?: () => string;
  readonly secrets: NodeSecrets;
  readonly openTasks: () => Promise<Result<number>>;
  readonly running: HubParts["running"];
  /** The libSQL server of a hub. */
  readonly replica: (role: FleetRole) => { readonly url: string; readonly token: string } | undefined;
  /** PEM of the authorities that https hubs are checked against. */
  readonly ca: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly cryptography: Cryptography;
};

/** As it was when this process began; what is joined or left later takes effect with the next one. */
export type Fleet = {
  readonly gate: RequestGate;
  readonly orders: FleetOrders;
  readonly administration: FleetAdministration;
  readonly hub: HubAdministration | undefined;
  readonly enrolment: Enrolment;
  /** Of a node that joined a fleet: the way to its hub. */
  readonly client: HubClient | undefined;
  readonly membership: Membership | undefined;
  readonly standing: () => {
    readonly role: "solo" | "hub" | FleetRole;
    readonly fleet: string | null;
    readonly epoch: number;
    readonly hub: HubIdentity | null;
    readonly isRestartDue: boolean;
    /** At which the fleet works; of a node that is alone, what it speaks. */
    readonly featureLevel: number;
  };
  readonly nodes: () => readonly FleetNode[];
  /** Since when the hub is the hub, as far as the database shown here says. */
  readonly term: () => HubTerm | undefined;
  readonly replica: FleetParts["replica"];
  readonly onRemoved: (listener: (id: NodeId) => void) => () => void;
};

/** How long the hub is waited for when this node leaves or changes its key. */
const LINK_DEADLINE_MS = 20_000;

export function openFleet(parts: FleetParts): Result<Fleet> {
  const { secrets, nodes, clock, random, cryptography, self } = parts;
  const membership = secrets.membership();
  if (!membership.ok) return membership;
  const joined = membership.value;
  const key = joined === undefined ? undefined : secrets.key();
  if (key?.ok === false) return key;
  // One for the whole process: by what its nonces begin with, the hub tells it from a copy of it.
  const nonce = parts.nonce ?? nonceMaker(random);
  const removed = new Set<(id: NodeId) => void>();
  const gate = new RequestGate({
    fleet: () => joined?.fleet ?? parts.uuid,
    key: () => valueOr(secrets.key(), undefined),
    keyChanges: () => valueOr(secrets.keyChanges(), []),
    find: (id) => nodes.find(id),
    clock,
    random,
    cryptography,
  });
  const orders = new FleetOrders(gate.session);
  const connect = (to: Membership, keyNow: () => NodeKey, onHub: (hub: HubIdentity) => void): HubClient =>
    new HubClient({
      fleet: to.fleet,
      node: self.id,
      key: keyNow,
      hub: to.hub,
      peers: () => peersOf(nodes.all()),
      clock,
      nonce,
      onHub,
      ...(parts.ca === undefined ? {} : { ca: parts.ca }),
    });
  const client =
    joined === undefined || key === undefined
      ? undefined
      : (parts.client ?? connect(joined, lastGood(secrets, key.value), keepHub(parts)));
  const onRemoved = (id: NodeId): void => tell(removed, id);
  const level = levelFor(parts, joined);
  const own = new HubAdministration({ ...parts, fleet: parts.uuid, level, gate, orders, onRemoved });
  const hub = client === undefined ? own : undefined;
  const administration = client === undefined ? own : new RemoteAdministration(client);
  const enrolment = new Enrolment({
    ...parts,
    link: linkTo(connect, parts),
    changeOwnKey: async (change) => (hub === undefined ? ok(undefined) : hub.changeKey(self.id, change)),
  });
  return ok({
    gate,
    orders,
    hub,
    administration,
    enrolment,
    client,
    membership: joined,
    standing: () => ({
      role: joined?.role ?? (valueOr(secrets.isHub(), false) ? "hub" : "solo"),
      fleet: joined?.fleet ?? (valueOr(secrets.isHub(), false) ? parts.uuid : null),
      epoch: parts.epoch(),
      hub: client?.hub ?? null,
      isRestartDue: valueOr(secrets.membership(), joined)?.joinedAtMs !== joined?.joinedAtMs,
      featureLevel: level(),
    }),
    nodes: () => nodes.all(),
    term: () => nodes.hub(),
    replica: parts.replica,
    onRemoved: (listener) => {
      removed.add(listener);
      return () => removed.delete(listener);
    },
  });
}

function tell(listeners: ReadonlySet<(id: NodeId) => void>, id: NodeId): void {
  for (const listener of listeners) listener(id);
}

/** A node that is alone works at what it speaks. */
function levelFor({ secrets, nodes, self }: FleetParts, joined: Membership | undefined): () => number {
  return () => {
    const isAlone = joined === undefined && !valueOr(secrets.isHub(), false);
    return isAlone ? self.featureLevel : (nodes.level() ?? FIRST_FEATURE_LEVEL);
  };
}

function valueOr<T, D>(result: Result<T>, fallback: D): T | D {
  return result.ok ? result.value : fallback;
}

/** The present key; when it cannot be read at the moment, the one that was read last. */
function lastGood(secrets: NodeSecrets, first: NodeKey): () => NodeKey {
  let last = first;
  return () => {
    last = valueOr(secrets.key(), last);
    return last;
  };
}

function peersOf(all: readonly FleetNode[]): readonly HubIdentity[] {
  return all.flatMap(({ id, name, url, publicKey, state }) =>
    url === null || state === "removed" ? [] : [{ id, name, url, publicKey }],
  );
}

/** Whom this node asks is kept, so that the next start asks the same one. */
function keepHub({ secrets, logger }: FleetParts): (hub: HubIdentity) => void {
  return (hub) => {
    const membership = valueOr(secrets.membership(), undefined);
    if (membership === undefined) return;
    const kept = secrets.setMembership({ ...membership, hub });
    logger.info("the hub of the fleet has changed", { hub: hub.name, url: hub.url });
    if (!kept.ok) logger.error("the new hub could not be noted", { why: kept.error.message });
  };
}

function linkTo(
  connect: (to: Membership, key: () => NodeKey, onHub: (hub: HubIdentity) => void) => HubClient,
  parts: FleetParts,
): HubLink {
  const limits = { deadlineMs: LINK_DEADLINE_MS };
  const asNow = async (
    to: Membership,
    path: string,
    body: Parameters<HubClient["request"]>[2],
  ): Promise<Result<unknown>> => {
    const key = parts.secrets.key();
    if (!key.ok) return key;
    return connect(to, () => key.value, keepHub(parts)).request("POST", path, body, limits);
  };
  return {
    askToJoin: (url, token, request) => askToJoin(url, token, request, parts.ca === undefined ? {} : { ca: parts.ca }),
    leave: (to) => asNow(to, "/api/fleet/departed", undefined),
    changeKey: (to, change) => asNow(to, "/api/fleet/key", { ...change }),
    knowsKey: async (to, key) =>
      (await connect(to, () => key, keepHub(parts)).request("GET", "/api/fleet/hub", undefined, limits)).ok,
  };
}
