/**
 * Endpoints that other nodes, or programs beside a server of models, announce. They are kept apart from those that
 * people named. Rules, cited by the tests:
 *
 * - N1: what is announced counts until its lease ends, unless it is said again before.
 * - N2: an announcement never changes what a person said of a server; its figures of the host count all the same.
 * - N3: an announced endpoint whose lease ended is gone, and comes back when it is announced again.
 */
import { err, type Failure, ok, type Result, refused } from "#base";
import type { AnnouncedGpu, Endpoint } from "./endpoint.ts";
import type { EndpointSpec } from "./endpoint-spec.ts";

/** Three announcements of a script that says it every twenty seconds may be lost. */
export const DEFAULT_LEASE_MS = 60_000;
export const LEASE_BOUNDS_MS = { least: 5_000, most: 600_000 } as const;
/** Cards of one host; the largest have sixteen. */
const MAX_GPUS = 64;

/** The host under an announced endpoint; null: not said. */
export type AnnouncedHost = {
  readonly gpus: readonly AnnouncedGpu[] | null;
  /** Name of the processor. */
  readonly cpu: string | null;
  readonly ramBytes: number | null;
  readonly freeRamBytes: number | null;
};

export type AnnouncedEndpoint = {
  readonly spec: Omit<EndpointSpec, "origin" | "apiKeyFile" | "vramBytes">;
  /** Who announces it. */
  readonly node: string;
  readonly leaseMs: number;
  readonly host: AnnouncedHost;
};

/** @returns why an announcement cannot be taken. */
export function checkAnnouncement(
  { leaseMs, host }: AnnouncedEndpoint,
  { isLocal, url }: Endpoint,
): Result<void, Failure> {
  if (isLocal) {
    const remedy = "Announce the address under which this node reaches it";
    return err(refused("invalid", `endpoint ${url} is on this node's own host, whose figures it reads itself`, remedy));
  }
  const { least, most } = LEASE_BOUNDS_MS;
  if (!(leaseMs >= least && leaseMs <= most)) {
    return err(refused("invalid", `the lease of an announcement must be ${least} to ${most} ms`));
  }
  const { gpus, ramBytes, freeRamBytes } = host;
  if (gpus !== null && gpus.length > MAX_GPUS) return err(refused("limit", `a host has at most ${MAX_GPUS} cards`));
  const isMore = (free: number | null, all: number | null): boolean => free !== null && all !== null && free > all;
  if (
    isMore(freeRamBytes, ramBytes) ||
    gpus?.some(({ freeVramBytes, vramBytes }) => isMore(freeVramBytes, vramBytes))
  ) {
    return err(refused("invalid", "more memory is free than there is"));
  }
  return ok(undefined);
}
