/**
 * How often one client may ask. Pure: a token bucket per client and class; who goes on asking after a refusal is told
 * to wait twice as long each time. Token bucket after RFC 2697's idea of a committed rate and a burst.
 */
import type { FleetRole } from "#fleet";

/**
 * - `health`: probes; their own class, so that no flood of bad tokens makes a healthy node look dead.
 * - `anonymous`: everything without a good token.
 * - `join`: who asks to join a fleet; tokens cannot be guessed, and each try costs the hub some arithmetic.
 * - `webhook`: senders of webhooks, which sign instead of carrying the token.
 * - `node`: nodes of the fleet whose request is refused although they signed it.
 * - `node_reader`, `node_member`, `node_operator`: nodes of the fleet by their role, each by its id: several may share an
 *   address.
 * - `read`, `write`, `stream`: with a token, by what is asked.
 */
export type ClientClass = "health" | "anonymous" | "join" | "webhook" | NodeClass | "read" | "write" | "stream";

type NodeClass = "node" | `node_${FleetRole}`;

export type RateLimit = { readonly perSecond: number; readonly burst: number };

/** A script in a tight loop stays below these; a runaway one does not take the node away from everybody else. */
export const DEFAULT_RATE_LIMITS: Readonly<Record<ClientClass, RateLimit>> = {
  health: { perSecond: 100, burst: 200 },
  anonymous: { perSecond: 5, burst: 30 },
  join: { perSecond: 1, burst: 20 },
  webhook: { perSecond: 10, burst: 200 },
  node: { perSecond: 250, burst: 1_000 },
  node_reader: { perSecond: 250, burst: 1_000 },
  node_member: { perSecond: 250, burst: 1_000 },
  node_operator: { perSecond: 250, burst: 1_000 },
  read: { perSecond: 1_000, burst: 2_000 },
  write: { perSecond: 2_000, burst: 4_000 },
  stream: { perSecond: 5, burst: 50 },
};

/** The first wait a refusal asks for, and the longest. */
export const FIRST_BACK_OFF_MS = 1_000;
export const MAX_BACK_OFF_MS = 60_000;
/** Requests that were in flight together count as one refusal: the wait doubles at most once in this time. */
const DOUBLING_EVERY_MS = 1_000;
/** Without a refusal for this long after the wait, the client starts anew. */
export const QUIET_MS = 60_000;

export type Bucket = {
  readonly tokens: number;
  readonly filledAtMs: number;
  /** Refusals in a row that doubled the wait; 0 while in good standing. */
  readonly strikes: number;
  readonly blockedUntilMs: number;
  readonly struckAtMs: number;
};

export type RateDecision =
  | { readonly allowed: true; readonly bucket: Bucket }
  | { readonly allowed: false; readonly bucket: Bucket; readonly retryAfterMs: number };

export function fullBucket(limit: RateLimit, nowMs: number): Bucket {
  return { tokens: limit.burst, filledAtMs: nowMs, strikes: 0, blockedUntilMs: 0, struckAtMs: 0 };
}

/** @param nowMs monotonic */
export function takeToken(bucket: Bucket, limit: RateLimit, nowMs: number): RateDecision {
  const elapsedMs = Math.max(0, nowMs - bucket.filledAtMs);
  const tokens = Math.min(limit.burst, bucket.tokens + (elapsedMs / 1_000) * limit.perSecond);
  const isQuiet = bucket.strikes > 0 && nowMs >= bucket.blockedUntilMs + QUIET_MS;
  const filled: Bucket = { ...bucket, tokens, filledAtMs: nowMs, strikes: isQuiet ? 0 : bucket.strikes };
  const isBlocked = filled.strikes > 0 && nowMs < filled.blockedUntilMs;
  if (!isBlocked && tokens >= 1) return { allowed: true, bucket: { ...filled, tokens: tokens - 1 } };
  if (isBlocked && nowMs - filled.struckAtMs < DOUBLING_EVERY_MS) {
    return { allowed: false, bucket: filled, retryAfterMs: filled.blockedUntilMs - nowMs };
  }
  const retryAfterMs = Math.min(MAX_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** Math.min(filled.strikes, 30));
  const struck: Bucket = {
    ...filled,
    strikes: filled.strikes + 1,
    struckAtMs: nowMs,
    blockedUntilMs: Math.max(filled.blockedUntilMs, nowMs + retryAfterMs),
  };
  return { allowed: false, bucket: struck, retryAfterMs: struck.blockedUntilMs - nowMs };
}

/** Clients remembered at once; the one not seen for longest makes room. */
export const MAX_CLIENTS = 2_048;

/** What holds for a class at this moment. */
export type RateLimits = { readonly of: (clientClass: ClientClass) => RateLimit };

/** Buckets by class and address, in bounded memory. */
export class ClientTable {
  readonly #buckets = new Map<string, Bucket>();
  readonly #limits: RateLimits;
  readonly #maxClients: number;

  constructor(limits: RateLimits, maxClients = MAX_CLIENTS) {
    this.#limits = limits;
    this.#maxClients = maxClients;
  }

  get size(): number {
    return this.#buckets.size;
  }

  take(clientClass: ClientClass, address: string, nowMs: number): RateDecision {
    const name = `${clientClass} ${address}`;
    const limit = this.#limits.of(clientClass);
    const known = this.#buckets.get(name);
    const decision = takeToken(known ?? fullBucket(limit, nowMs), limit, nowMs);
    // Put back at the end: a Map iterates in the order of insertion, so the first is the one longest unseen.
    this.#buckets.delete(name);
    this.#buckets.set(name, decision.bucket);
    if (this.#buckets.size > this.#maxClients) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    return decision;
  }
}
