/** This process's place in a fleet, over its databases and its configuration. */
import { hostname } from "node:os";
import { type Logger, ok, type Result } from "#base";
import { cryptography, type Fleet, OWN_LEVELS, openFleet, runningOn } from "#fleet";
import type { Queue } from "#queue";
import type { Stores } from "#store";
import type { Config } from "../config/settings.ts";
import { realClock, realRandom } from "../real-clock.ts";
import { version } from "../version.ts";
import { readAuthToken } from "./auth-token.ts";
import { readAuthorities } from "./authorities.ts";
import { knownEpoch, type NodeStores } from "./open-node-stores.ts";
import type { NodeFleet } from "./start-fleet.ts";

export type NodeFleetParts = {
  readonly config: Config;
  readonly stores: Stores;
  readonly member: NodeStores["member"];
  readonly place: NodeFleet;
  readonly queue: Queue;
  readonly logger: Logger;
  /** The name of this node. */
  readonly name: string;
  /** The port that it listens on, once it is known: the configured one may be "any". */
  readonly port: () => number;
};

export function openNodeFleet(parts: NodeFleetParts): Result<Fleet> {
  const { config, stores, member, place, queue, logger } = parts;
  const ca = readAuthorities(config["fleet.ca_file"]);
  if (!ca.ok) return ca;
  return openFleet({
    self: {
      id: stores.nodeId,
      name: parts.name,
      version,
      featureLevel: OWN_LEVELS.newest,
      oldestFeatureLevel: OWN_LEVELS.oldest,
    },
    uuid: stores.identity.uuid,
    address: () => hubAddress(config["fleet.url"], config["http.host"], parts.port(), hostname()),
    epoch: () =>
      member === undefined ? stores.identity.epoch : knownEpoch(stores.secrets, member.replica.position().epoch),
    ...(member === undefined ? {} : { client: member.client, nonce: member.nonce }),
    nodes: stores.fleetNodes,
    tokens: stores.joinTokens,
    secrets: stores.secrets,
    openTasks: () => openTasks(queue),
    running: (node) => runningOn(queue.store, node),
    replica: () => serverOf(place),
    ca: ca.value,
    clock: realClock,
    random: realRandom(),
    logger,
    cryptography,
  });
}

/** Replicas read, whatever role their nodes have. */
function serverOf({ server, role }: NodeFleet): { readonly url: string; readonly token: string } | undefined {
  if (server !== null) return server.url === null ? undefined : { url: server.url, token: server.token("ro") };
  if (role.kind !== "hub" || role.store.kind !== "other") return undefined;
  const token = role.store.tokenFile === null ? ok("") : readAuthToken(role.store.tokenFile);
  return token.ok ? { url: role.store.url, token: token.value } : undefined;
}

async function openTasks(queue: Queue): Promise<Result<number>> {
  const lanes = await queue.store.lanes();
  if (!lanes.ok) return lanes;
  return ok(lanes.value.reduce((sum, { counts }) => sum + counts.waiting + counts.ready + counts.running, 0));
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/;

/** @returns where nodes on other hosts reach this one, and what is in their way if something is known to be. */
export function hubAddress(
  configured: string,
  host: string,
  port: number,
  ownName: string,
): { readonly url: string; readonly warning: string | null } {
  const isLoopback = LOOPBACK.test(host);
  const isEverywhere = host === "0.0.0.0" || host === "::";
  const own = isEverywhere ? ownName : host;
  const url =
    configured === "" ? `http://${own.includes(":") ? `[${own}]` : own}:${port}` : configured.replace(/\/+$/, "");
  if (!isLoopback) return { url, warning: null };
  const where =
    configured === ""
      ? "so nodes on other hosts cannot reach it"
      : "so something on this host must pass on what comes to fleet.url";
  return {
    url,
    warning: `this node listens on ${host} alone, ${where}; set http.host to 0.0.0.0 or to an address of this host`,
  };
}
