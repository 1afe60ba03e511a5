/** Who the hub is, when that changes while this node runs: it takes the hub's place, or follows another one. */
import { join } from "node:path";
import { type Clock, err, type JsonValue, type Logger, type NodeId, ok, type Result } from "#base";
import {
  type Fleet,
  type FleetNode,
  HubClient,
  type HubIdentity,
  type HubWord,
  hubToFollow,
  type Membership,
  type NodeKey,
  obstacleToPromotion,
} from "#fleet";
import type { Stores } from "#store";
import type { MemberParts } from "./open-node-stores.ts";
import { peersOf } from "./peers.ts";

/** A node that is there answers at once. */
const ASK_MS = 3_000;
/** How long a hub may be silent before the others are asked for a new one. */
const SILENCE_MS = 30_000;
const LOOK_MS = 5_000;
/** A hub asks whether it still is one. */
const DOUBT_MS = 60_000;
const TELL_AGAIN_MS = 10_000;
export const PROMOTED = "promoted";

export type Asker = {
  readonly fleet: string;
  readonly node: NodeId;
  readonly key: NodeKey;
  readonly clock: Clock;
  readonly nonce: () => string;
  readonly ca?: string | undefined;
};

/** One signed request to one node, whatever it is. */
function ask(
  peer: HubIdentity,
  { ca, key, ...asker }: Asker,
  path: string,
  body?: JsonValue,
): Promise<Result<JsonValue>> {
  const client = new HubClient({
    ...asker,
    key: () => key,
    hub: peer,
    peers: () => [],
    ...(ca === undefined ? {} : { ca }),
  });
  return client.request(body === undefined ? "GET" : "POST", path, body, { deadlineMs: ASK_MS });
}

/** Asks every other node that can be reached. @returns what those said that answered */
export async function askPeers(nodes: readonly FleetNode[], asker: Asker): Promise<readonly HubWord[]> {
  const peers = peersOf(nodes).filter(({ id }) => id !== asker.node);
  const answers = await Promise.all(
    peers.map(async (peer): Promise<HubWord | undefined> => {
      const answer = await ask(peer, asker, "/api/fleet/hub");
      if (!answer.ok) return undefined;
      // `as`: signed by a node of the fleet; each field is looked at.
      const { epoch, hub } = answer.value as {
        readonly epoch?: unknown;
        readonly hub?: { readonly id?: unknown } | null;
      };
      if (typeof epoch !== "number") return undefined;
      // `as`: only compared with ids that are known.
      return { epoch, hub: typeof hub?.id === "string" ? (hub.id as NodeId) : peer.id };
    }),
  );
  return answers.filter((word) => word !== undefined);
}

/** @returns the place of a former hub under the one that has taken over. */
export function membershipUnder(
  { epoch, hub }: { readonly epoch: number; readonly hub: HubIdentity },
  fleet: string,
  self: FleetNode,
  nowMs: number,
): Membership {
  const { role, name, url, leaseClass } = self;
  return { fleet, role, name, url, leaseClass, hub, epoch, joinedAtMs: nowMs, setAside: false };
}

export type SuccessionParts = {
  readonly fleet: Fleet;
  readonly stores: Stores;
  readonly stateDir: string;
  readonly member: MemberParts | undefined;
  /** Whether this node writes for others. */
  readonly isHub: boolean;
  /** Whether the hub answers this node. */
  readonly isReaching: () => boolean;
  readonly uuid: string;
  /** Where the others reach this node, if that was configured. */
  readonly configuredUrl: string;
  readonly ca: string | undefined;
  readonly nonce: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly restart: () => void;
};

export class Succession {
  readonly #parts: SuccessionParts;
  readonly #told = new Set<NodeId>();
  #isSuperseded = false;
  #silentSinceMs: number | undefined;
  #stop = false;
  #timer: { cancel(): void } | undefined;

  constructor(parts: SuccessionParts) {
    this.#parts = parts;
  }

  /** A hub of a higher epoch is known: this one answers nobody any more. */
  get isSuperseded(): boolean {
    return this.#isSuperseded;
  }

  start(): void {
    const { isHub, member } = this.#parts;
    if (isHub) this.#later(0, () => this.#tellOthers(), TELL_AGAIN_MS);
    if (isHub) this.#doubtLater();
    if (member !== undefined) this.#later(LOOK_MS, () => this.#lookForHub(), LOOK_MS);
  }

  stop(): void {
    this.#stop = true;
    this.#timer?.cancel();
    this.#doubt?.cancel();
  }

  /** Notes that this node takes the hub's place; it does so with its next start. */
  async promote(wish: { readonly isHubOff: boolean; readonly isForced: boolean }): Promise<Result<{ epoch: number }>> {
    const { fleet, stores, clock, configuredUrl, logger } = this.#parts;
    const { membership, client } = fleet;
    const url = configuredUrl === "" ? (membership?.url ?? null) : configuredUrl.replace(/\/+$/, "");
    const asked = { ...wish, role: membership?.role, url };
    const early = obstacleToPromotion({ ...asked, doesHubAnswer: false });
    if (early !== undefined || url === null)
      return err(early ?? { kind: "refused", code: "conflict", message: "no url" });
    const answer = await client?.request("GET", "/api/fleet/hub", undefined, { deadlineMs: ASK_MS });
    const late = obstacleToPromotion({ ...asked, doesHubAnswer: answer?.ok === true });
    if (late !== undefined) return err(late);
    const epoch = fleet.standing().epoch + 1;
    const noted = stores.secrets.beginPromotion({
      epoch,
      node: stores.nodeId,
      url,
      atMs: clock.nowMs(),
      why: PROMOTED,
    });
    if (!noted.ok) return noted;
    logger.warn("this node becomes the hub of its fleet", { epoch, url });
    return ok({ epoch });
  }

  /** Another node says, under its own signature, that it is the hub now. @returns whether it is followed */
  hear(signer: NodeId, claim: { readonly epoch: number; readonly url: string }): Result<{ accepted: boolean }> {
    const nodes = this.#parts.stores.fleetNodes.all();
    const named = nodes.map((node) => (node.id === signer ? { ...node, url: claim.url } : node));
    const found = hubToFollow(this.#epoch(), [{ epoch: claim.epoch, hub: signer }], named);
    if (found === undefined) return ok({ accepted: false });
    const done = this.#follow(found);
    return done.ok ? ok({ accepted: true }) : done;
  }

  #epoch(): number {
    return this.#parts.fleet.standing().epoch;
  }

  #follow(found: { readonly epoch: number; readonly hub: HubIdentity }): Result<void> {
    const { fleet, stores, member, logger, clock, stateDir, uuid, restart, isHub } = this.#parts;
    logger.warn("another node is the hub of the fleet now", {
      hub: found.hub.name,
      url: found.hub.url,
      epoch: found.epoch,
    });
    if (isHub) {
      const self = stores.fleetNodes.find(stores.nodeId);
      if (self === undefined) return ok(undefined);
      const nowMs = clock.nowMs();
      const folder = quarantineFolder(stateDir, nowMs);
      const noted = stores.secrets.beginStepDown(membershipUnder(found, uuid, self, nowMs), folder);
      if (!noted.ok) return noted;
      this.#isSuperseded = true;
      restart();
      return ok(undefined);
    }
    const present = stores.secrets.membership();
    if (!present.ok) return present;
    if (present.value === undefined || member === undefined) return ok(undefined);
    const kept = stores.secrets.setMembership({ ...present.value, hub: found.hub, epoch: found.epoch });
    if (!kept.ok) return kept;
    fleet.client?.follow(found.hub);
    member.replica.renew("the fleet has another hub");
    return ok(undefined);
  }

  async #lookForHub(): Promise<void> {
    const { isReaching, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (isReaching()) this.#silentSinceMs = undefined;
    else this.#silentSinceMs ??= nowMs;
    if (this.#silentSinceMs === undefined || nowMs - this.#silentSinceMs < SILENCE_MS) return;
    this.#silentSinceMs = nowMs;
    await this.#askAround();
  }

  async #askAround(): Promise<void> {
    const asker = this.#asker();
    if (asker === undefined) return;
    const nodes = this.#parts.stores.fleetNodes.all();
    const found = hubToFollow(this.#epoch(), await askPeers(nodes, asker), nodes);
    if (found !== undefined && found.hub.id !== asker.node && !this.#stop) this.#follow(found);
  }

  async #tellOthers(): Promise<void> {
    const { stores, logger } = this.#parts;
    const term = stores.fleetNodes.hub();
    const asker = this.#asker();
    if (term?.node !== stores.nodeId || term.why !== PROMOTED || asker === undefined) return;
    const peers = peersOf(stores.fleetNodes.all()).filter(({ id }) => id !== asker.node && !this.#told.has(id));
    await Promise.all(
      peers.map(async (peer) => {
        const answer = await ask(peer, asker, "/api/fleet/promoted", { epoch: this.#epoch(), url: term.url });
        if (!answer.ok) return;
        this.#told.add(peer.id);
        logger.info("a node was told who the hub is", { node: peer.name });
      }),
    );
  }

  #asker(): Asker | undefined {
    const { stores, uuid, clock, nonce, ca, fleet } = this.#parts;
    const key = stores.secrets.key();
    if (!key.ok) return undefined;
    return { fleet: fleet.membership?.fleet ?? uuid, node: stores.nodeId, key: key.value, clock, nonce, ca };
  }

  #doubt: { cancel(): void } | undefined;
  #doubtLater(): void {
    this.#doubt = this.#parts.clock.after(DOUBT_MS, () => {
      void this.#askAround().finally(() => {
        if (!this.#stop) this.#doubtLater();
      });
    });
  }

  #later(delayMs: number, act: () => Promise<void>, againMs: number): void {
    this.#timer = this.#parts.clock.after(delayMs, () => {
      void act()
        .catch((cause: unknown) => this.#parts.logger.error("who the hub is was not settled", { cause: String(cause) }))
        .finally(() => {
          if (!this.#stop) this.#later(againMs, act, againMs);
        });
    });
  }
}

export function quarantineFolder(stateDir: string, nowMs: number): string {
  return join(stateDir, "quarantine", new Date(nowMs).toISOString().replaceAll(/[-:.]/g, ""));
}
