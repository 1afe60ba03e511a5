/** The databases of a node, by what it is in a fleet. */
import { join } from "node:path";
import {
  type Clock,
  type Failure,
  FLEET_FILE,
  InvariantBroken,
  type Logger,
  ok,
  type Random,
  type Result,
} from "#base";
import { type DurableText, HubClient, nonceMaker, type Outbox } from "#fleet";
import {
  type CrashPoint,
  openMemberStores,
  openStores,
  type PrimaryOptions,
  type Replica,
  type Stores,
  seedServerFolder,
  setFormerReplicaAside,
} from "#store";
import type { Config } from "../config/settings.ts";
import { readAuthToken } from "./auth-token.ts";
import { readAuthorities } from "./authorities.ts";
import { peersOf } from "./peers.ts";
import type { NodeFleet } from "./start-fleet.ts";

export type NodeStoresParts = {
  readonly config: Config;
  readonly stateDir: string;
  readonly place: NodeFleet;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly crashPoint: (label: CrashPoint) => void;
  /** The server has other data than this node: only a new start helps. */
  readonly onDiverged: () => void;
  /** On a hub: why it must not acknowledge anything now. */
  readonly withhold: () => Failure | undefined;
};

/** What a node that follows a hub has beside its databases. */
export type MemberParts = {
  readonly client: HubClient;
  readonly nonce: () => string;
  readonly outbox: Outbox;
  readonly leases: DurableText;
  readonly replica: Replica;
};

export type NodeStores = { readonly stores: Stores; readonly member: MemberParts | undefined };

/** Lays the node's database where the server of a hub finds it at its first start. */
export function seedFor(stateDir: string, clock: Clock): (databaseFolder: string) => Result<unknown> {
  return (databaseFolder) => seedServerFolder(join(stateDir, FLEET_FILE), databaseFolder, clock.nowMs());
}

export async function openNodeStores(parts: NodeStoresParts): Promise<Result<NodeStores>> {
  const { config, stateDir, place, clock, random, logger, crashPoint } = parts;
  const backupDir = config["store.backup.dir"];
  const options = { clock, logger, random, crashPoint, ...(backupDir === "" ? {} : { backupFolder: backupDir }) };
  if (place.role.kind === "member") return openAsMember(parts, options);
  const former = setFormerReplicaAside(stateDir, clock.nowMs());
  if (!former.ok) return former;
  const primary = place.role.kind === "hub" ? primaryOf(parts) : undefined;
  const { withhold } = parts;
  const stores = await openStores(stateDir, {
    ...options,
    withhold,
    ...(primary === undefined ? {} : { primary }),
  });
  return stores.ok ? ok({ stores: stores.value, member: undefined }) : stores;
}

/** The highest epoch that a node has heard of; what its replica shows may be older. */
export function knownEpoch(secrets: Stores["secrets"], shown: number): number {
  const membership = secrets.membership();
  return Math.max(shown, membership.ok ? (membership.value?.epoch ?? 0) : 0);
}

function primaryOf({ place, logger, onDiverged }: NodeStoresParts): PrimaryOptions | undefined {
  const diverged: PrimaryOptions["onDiverged"] = (failure) => {
    logger.error("the server has other data than this hub; the node starts anew", { why: failure.message });
    onDiverged();
  };
  const { server, role } = place;
  if (server !== null) {
    const urlNow = (): string | null => server.url;
    return { url: urlNow() ?? "http://127.0.0.1:1", urlNow, authToken: () => server.token("rw"), onDiverged: diverged };
  }
  if (role.kind !== "hub" || role.store.kind !== "other") return undefined;
  const { url, tokenFile } = role.store;
  const authToken = (): string | undefined => {
    const token = tokenFile === null ? undefined : readAuthToken(tokenFile);
    return token?.ok === true ? token.value : undefined;
  };
  return { url, authToken, onDiverged: diverged };
}

async function openAsMember(
  { config, stateDir, clock, random, logger }: NodeStoresParts,
  options: Omit<Parameters<typeof openMemberStores>[1], "connect">,
): Promise<Result<NodeStores>> {
  const ca = readAuthorities(config["fleet.ca_file"]);
  if (!ca.ok) return ca;
  let client: HubClient | undefined;
  let shown = (): number => 0;
  const nonce = nonceMaker(random);
  const opened = await openMemberStores(stateDir, {
    ...options,
    connect: ({ id, membership, secrets, nodes }) => {
      const first = secrets.key();
      if (!first.ok) return first;
      client = new HubClient({
        fleet: membership.fleet,
        node: id,
        key: () => {
          const now = secrets.key();
          return now.ok ? now.value : first.value;
        },
        hub: membership.hub,
        epoch: () => knownEpoch(secrets, shown()),
        peers: () => peersOf(nodes()?.all() ?? []),
        clock,
        nonce,
        onHub: (hub) => {
          logger.info("the hub of the fleet has changed", { hub: hub.name, url: hub.url });
          const present = secrets.membership();
          const kept = secrets.setMembership({ ...((present.ok ? present.value : undefined) ?? membership), hub });
          if (!kept.ok) logger.error("the new hub could not be noted", { why: kept.error.message });
        },
        ...(ca.value === undefined ? {} : { ca: ca.value }),
      });
      return ok({ carry: client.carry.bind(client) });
    },
  });
  if (!opened.ok) return opened;
  const { replica, outbox, leases } = opened.value;
  shown = () => replica.position().epoch;
  if (client === undefined) throw new InvariantBroken("a member is connected before its replica is opened");
  return ok({ stores: opened.value, member: { client, nonce, outbox, leases, replica } });
}
