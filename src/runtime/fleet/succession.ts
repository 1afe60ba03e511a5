/** Who the hub is, when that changes while this node runs: it takes the hub's place, or follows another one. */
import { join } from "node:path";
import { type Clock, err, type Failure, type Logger, type NodeId, ok, type Result, refused, retryable } from "#base";
import {
  type FetchFrom,
  type Fleet,
  type FleetNode,
  type FoundHub,
  type HubIdentity,
  hubToFollow,
  type KnownHub,
  type Membership,
  nextEpoch,
  OWN_LEVELS,
  obstacleToPromotion,
} from "#fleet";
import type { Replica, Stores } from "#store";
import { type Asker, ask, askPeers } from "./ask-peers.ts";
import { peersOf } from "./peers.ts";

/** How long a hub may be silent before the others are asked for a new one. */
const SILENCE_MS = 30_000;
const LOOK_MS = 5_000;
/** A hub asks whether it still is one. */
const DOUBT_MS = 60_000;
const TELL_AGAIN_MS = 10_000;
/** A hub that is there answers at once. */
const HUB_ANSWERS_MS = 3_000;
export const PROMOTED = "promoted";
export const ELECTED = "elected";

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
  readonly fleet: Pick<Fleet, "standing" | "membership" | "client">;
  readonly stores: Pick<Stores, "nodeId" | "fleetNodes" | "secrets">;
  readonly stateDir: string;
  readonly member: { readonly replica: Pick<Replica, "renew"> } | undefined;
  /** Whether this node writes for others. */
  readonly isHub: boolean;
  /** Whether the hub answers this node. */
  readonly isReaching: () => boolean;
  /** On a hub that lacks its lease: lets it go on without the other voters. Undefined where it needs nobody's leave. */
  readonly goOnAlone: () => Promise<Result<unknown>> | undefined;
  /** From then on this node's queue takes nothing but reports. */
  readonly standDown: (why: Failure) => void;
  readonly uuid: string;
  /** Where the others reach this node, if that was configured. */
  readonly configuredUrl: string;
  readonly ca: string | undefined;
  readonly nonce: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly restart: () => void;
  /** Instead of the network. */
  readonly fetch?: FetchFrom;
};

export class Succession {
  readonly #parts: SuccessionParts;
  readonly #told = new Set<NodeId>();
  #isSuperseded = false;
  /** What is left to do is noted, and the next start does it. */
  #isLeaving = false;
  #silentSinceMs: number | undefined;
  #stop = false;
  readonly #timers = new Map<string, { cancel(): void }>();

  constructor(parts: SuccessionParts) {
    this.#parts = parts;
  }

  /** A higher epoch has begun: this hub answers nobody any more. */
  get isSuperseded(): boolean {
    return this.#isSuperseded;
  }

  start(): void {
    const { isHub, member } = this.#parts;
    if (isHub) this.#repeat("tell the others", 0, () => this.#tellOthers(), TELL_AGAIN_MS);
    if (isHub) this.#repeat("ask whether this is the hub still", DOUBT_MS, () => this.#askAround(), DOUBT_MS);
    if (member !== undefined) this.#repeat("look for a hub", LOOK_MS, () => this.#lookForHub(), LOOK_MS);
  }

  stop(): void {
    this.#stop = true;
    for (const timer of this.#timers.values()) timer.cancel();
  }

  /** Notes that this node takes the hub's place; it does so with its next start. */
  async promote(wish: { readonly isHubOff: boolean; readonly isForced: boolean }): Promise<Result<{ epoch: number }>> {
    const { fleet } = this.#parts;
    const { membership, client } = fleet;
    if (this.#parts.isHub && wish.isHubOff && wish.isForced) {
      const alone = await this.#parts.goOnAlone();
      if (alone !== undefined) return alone.ok ? ok({ epoch: this.#known().epoch }) : alone;
    }
    const url = this.#ownUrl();
    const levels = { levels: OWN_LEVELS, fleetLevel: fleet.standing().featureLevel };
    const asked = { ...wish, ...levels, role: membership?.role, url };
    const early = obstacleToPromotion({ ...asked, doesHubAnswer: false });
    if (early !== undefined || url === null) return err(early ?? refused("conflict", "no url"));
    const answer = await client?.request("GET", "/api/fleet/hub", undefined, { deadlineMs: HUB_ANSWERS_MS });
    const late = obstacleToPromotion({ ...asked, doesHubAnswer: answer?.ok === true });
    if (late !== undefined) return err(late);
    const epoch = nextEpoch(this.#known().epoch, this.#parts.stores.nodeId);
    const noted = this.#notePromotion(epoch, url, PROMOTED);
    return noted.ok ? ok({ epoch }) : noted;
  }

  /** The voters have elected this node: it is the hub of this epoch from its next start on, which it asks for. */
  takePlace(epoch: number): Result<void> {
    const url = this.#ownUrl();
    if (url === null) return err(refused("conflict", "this node has no address for the others"));
    const noted = this.#notePromotion(epoch, url, ELECTED);
    if (noted.ok) this.#parts.restart();
    return noted;
  }

  /** Others know of a hub of a higher epoch. */
  look(): void {
    this.#repeat("ask who the hub is", 0, () => this.#askAround(), DOUBT_MS);
  }

  #ownUrl(): string | null {
    const { configuredUrl, fleet } = this.#parts;
    return configuredUrl === "" ? (fleet.membership?.url ?? null) : configuredUrl.replace(/\/+$/, "");
  }

  #notePromotion(epoch: number, url: string, why: string): Result<void> {
    const { stores, clock, logger } = this.#parts;
    const noted = stores.secrets.beginPromotion({ epoch, node: stores.nodeId, url, atMs: clock.nowMs(), why });
    if (noted.ok) logger.warn("this node becomes the hub of its fleet", { epoch, url, why });
    return noted;
  }

  /** Another node says, under its own signature, that it is the hub now. @returns whether it is followed */
  hear(signer: NodeId, claim: { readonly epoch: number; readonly url: string }): Result<{ accepted: boolean }> {
    const nodes = this.#parts.stores.fleetNodes.all();
    const named = nodes.map((node) => (node.id === signer ? { ...node, url: claim.url } : node));
    const found = hubToFollow(this.#known(), [{ epoch: claim.epoch, hub: signer, by: signer }], named);
    if (found === undefined || found.hub.id === this.#parts.stores.nodeId) return ok({ accepted: false });
    const done = this.#follow(found);
    return done.ok ? ok({ accepted: true }) : done;
  }

  /**
   * A node's signed request says that it knows this epoch. A hub of a lower one answers nobody from then on, and looks
   * for the other one until it has found it.
   */
  outrun(epoch: number): void {
    const { isHub, logger } = this.#parts;
    if (!isHub || this.#isSuperseded || epoch <= this.#known().epoch) return;
    logger.warn("a node knows a higher epoch: this hub was superseded", { epoch, own: this.#known().epoch });
    this.#standDown();
    this.#repeat("look for the new hub", 0, () => this.#askAround(), LOOK_MS);
  }

  #known(): KnownHub {
    const { epoch, hub } = this.#parts.fleet.standing();
    return { epoch, hub: hub?.id ?? this.#parts.stores.nodeId };
  }

  #standDown(): void {
    this.#isSuperseded = true;
    this.#parts.standDown(
      retryable(
        "unavailable",
        "another node is the hub of this fleet now, and this one becomes its member",
        "Repeat it in a moment, with the same idempotency key, or ask the new hub",
      ),
    );
  }

  #follow(found: FoundHub): Result<void> {
    const { fleet, stores, member, logger, clock, stateDir, uuid, restart, isHub } = this.#parts;
    const { name: hub, url } = found.hub;
    if (this.#isLeaving) return ok(undefined);
    logger.warn("another node is the hub of the fleet now", { hub, url, epoch: found.epoch });
    if (isHub) {
      const self = stores.fleetNodes.find(stores.nodeId);
      if (self === undefined) return ok(undefined);
      // Before anything else: what is accepted after the decision is what the new hub would have to be sent.
      this.#standDown();
      const nowMs = clock.nowMs();
      const folder = quarantineFolder(stateDir, nowMs);
      const noted = stores.secrets.beginStepDown(membershipUnder(found, uuid, self, nowMs), folder);
      if (!noted.ok) return noted;
      this.#isLeaving = true;
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
    const words = await askPeers(nodes, asker);
    const found = hubToFollow(this.#known(), words, nodes);
    if (found === undefined || this.#stop) return;
    if (found.hub.id !== asker.node) this.#follow(found);
    // The others follow this very node, under an epoch that it has forgotten: its next start takes a new one.
    else if (this.#parts.isHub) this.#parts.restart();
  }

  async #tellOthers(): Promise<void> {
    const { stores, logger } = this.#parts;
    const term = stores.fleetNodes.hub();
    const asker = this.#asker();
    if (this.#isSuperseded || term?.node !== stores.nodeId || asker === undefined) return;
    if (term.why !== PROMOTED && term.why !== ELECTED) return;
    const peers = peersOf(stores.fleetNodes.all()).filter(({ id }) => id !== asker.node && !this.#told.has(id));
    await Promise.all(
      peers.map(async (peer) => {
        const claim = { epoch: this.#known().epoch, url: term.url };
        const answer = await ask(peer, asker, "/api/fleet/promoted", claim);
        if (!answer.ok) {
          logger.debug("a node could not be told who the hub is", { node: peer.name, why: answer.error.message });
          return;
        }
        this.#told.add(peer.id);
        logger.info("a node was told who the hub is", { node: peer.name });
      }),
    );
  }

  #asker(): Asker | undefined {
    const { stores, uuid, clock, nonce, ca, fleet, fetch } = this.#parts;
    const key = stores.secrets.key();
    if (!key.ok) return undefined;
    return { fleet: fleet.membership?.fleet ?? uuid, node: stores.nodeId, key: key.value, clock, nonce, ca, fetch };
  }

  /** One after the other, however long each takes; what is repeated under the same name before ends. */
  #repeat(what: string, delayMs: number, act: () => Promise<void>, everyMs: number): void {
    const { clock, logger } = this.#parts;
    this.#timers.get(what)?.cancel();
    const timer = clock.after(delayMs, () => {
      void act()
        .catch((cause: unknown) => logger.error(`failed by a bug: ${what}`, { cause: String(cause) }))
        .finally(() => {
          if (!this.#stop) this.#repeat(what, everyMs, act, everyMs);
        });
    });
    this.#timers.set(what, timer);
  }
}

export function quarantineFolder(stateDir: string, nowMs: number): string {
  return join(stateDir, "quarantine", new Date(nowMs).toISOString().replaceAll(/[-:.]/g, ""));
}
