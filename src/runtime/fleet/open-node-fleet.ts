/** This process's place in a fleet, over its databases and its configuration. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { err, type Logger, ok, type Result, refused } from "#base";
import { cryptography, FEATURE_LEVEL, type Fleet, openFleet } from "#fleet";
import type { Queue } from "#queue";
import type { Stores } from "#store";
import type { Config } from "../config/settings.ts";
import { realClock, realRandom } from "../real-clock.ts";
import { version } from "../version.ts";

export type NodeFleetParts = {
  readonly config: Config;
  readonly stores: Stores;
  readonly queue: Queue;
  readonly logger: Logger;
  /** The name of this node. */
  readonly name: string;
  /** The port that it listens on, once it is known: the configured one may be "any". */
  readonly port: () => number;
};

export function openNodeFleet(parts: NodeFleetParts): Result<Fleet> {
  const { config, stores, queue, logger } = parts;
  const ca = readAuthorities(config["fleet.ca_file"]);
  if (!ca.ok) return ca;
  return openFleet({
    self: { id: stores.nodeId, name: parts.name, version, featureLevel: FEATURE_LEVEL },
    uuid: stores.identity.uuid,
    address: () => hubAddress(config["fleet.url"], config["http.host"], parts.port(), hostname()),
    epoch: () => stores.identity.epoch,
    nodes: stores.fleetNodes,
    tokens: stores.joinTokens,
    secrets: stores.secrets,
    openTasks: () => openTasks(queue),
    replica: () => undefined,
    ca: ca.value,
    clock: realClock,
    random: realRandom(),
    logger,
    cryptography,
  });
}

function readAuthorities(path: string): Result<string | undefined> {
  if (path === "") return ok(undefined);
  try {
    return ok(readFileSync(path, "utf8"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return err(refused("invalid", `cannot read fleet.ca_file: ${reason}`, "Name a PEM file that this user can read"));
  }
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
