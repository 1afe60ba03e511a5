/**
 * Whether a request comes from the node that it names. Pure but for the memory it is given.
 *
 * - V1: a request counts only under a good signature of a key that the fleet knows and has not removed.
 * - V2: it counts once: its nonce is remembered for as long as its instant would be taken, within one session of the hub;
 *   a request of another session is refused, so nothing need be remembered over a restart.
 * - V3: "now" is the hub's time at the start of its session plus what its monotonic clock has counted since. No jump of a
 *   wall clock, here or there, makes an old request young again.
 * - V4: of two processes with the same key the one that came last counts; the other one is told.
 */
import { type NodeId, parseNodeId } from "#base";
import type { Cryptography } from "./keys.ts";
import type { ReplayCache } from "./replay-cache.ts";
import type { FleetRole } from "./roles.ts";
import {
  instanceOf,
  NODE_HEADER,
  NONCE_HEADER,
  NONCE_PATTERN,
  requestText,
  SESSION_HEADER,
  SIGNATURE_HEADER,
  TIME_HEADER,
} from "./signing.ts";
import type { TwinWatch } from "./twin-watch.ts";

/**
 * How far the instant of a request may lie from the hub's time. Nodes learn the hub's time from the hub, so this is only what
 * a request may spend on its way.
 */
export const MAX_SKEW_MS = 30_000;

/** A node as a request of it is judged. */
export type KnownNode = {
  readonly id: NodeId;
  readonly name: string;
  readonly role: FleetRole;
  readonly publicKey: string;
  readonly state: "active" | "cordoned" | "removed";
};

export type RequestClaims = {
  readonly node: NodeId;
  readonly timeMs: number;
  readonly nonce: string;
  readonly session: string;
  readonly signature: string;
};

export type SignedRequest = {
  readonly method: string;
  readonly target: string;
  readonly bodySha256: string;
  readonly claims: RequestClaims;
};

export type TrustRefusal =
  /** The headers are not those of a signed request. */
  | "malformed"
  | "unknown_node"
  | "removed"
  /** Something was altered, or it was signed for another fleet or with another key. */
  | "bad_signature"
  | "session_changed"
  | "clock_skew"
  | "replayed"
  /** The node asks more often than can be remembered. */
  | "too_many"
  /** Another process uses the same key: a copied state folder. */
  | "twin";

export type TrustFacts = {
  readonly fleet: string;
  readonly session: string;
  /** See V3. */
  readonly nowMs: number;
  readonly find: (id: NodeId) => KnownNode | undefined;
  readonly replays: ReplayCache;
  readonly twins: TwinWatch;
  readonly cryptography: Cryptography;
};

export type Verdict =
  | { readonly ok: true; readonly node: KnownNode }
  | { readonly ok: false; readonly why: TrustRefusal; readonly node: KnownNode | undefined };

/** @returns what the headers say, or undefined when they do not have the form. */
export function readClaims(header: (name: string) => string | undefined): RequestClaims | undefined {
  const node = parseNodeId(header(NODE_HEADER) ?? "");
  const time = header(TIME_HEADER) ?? "";
  const nonce = header(NONCE_HEADER) ?? "";
  const session = header(SESSION_HEADER) ?? "";
  const signature = header(SIGNATURE_HEADER) ?? "";
  if (node === undefined || !/^[1-9]\d{0,14}$/.test(time) || !NONCE_PATTERN.test(nonce)) return undefined;
  if (!/^[A-Za-z0-9_-]{0,64}$/.test(session) || !/^[A-Za-z0-9_-]{86}$/.test(signature)) return undefined;
  return { node, timeMs: Number(time), nonce, session, signature };
}

export function verifyRequest(request: SignedRequest, facts: TrustFacts): Verdict {
  const { claims } = request;
  const node = facts.find(claims.node);
  if (node === undefined) return { ok: false, why: "unknown_node", node };
  const text = requestText({ ...request, ...claims, fleet: facts.fleet });
  if (!facts.cryptography.verify(node.publicKey, text, claims.signature)) {
    return { ok: false, why: "bad_signature", node };
  }
  const why = whyNotNow(claims, node, facts);
  return why === undefined ? { ok: true, node } : { ok: false, why, node };
}

/** What speaks against a request that its node did sign. */
function whyNotNow(claims: RequestClaims, node: KnownNode, facts: TrustFacts): TrustRefusal | undefined {
  if (node.state === "removed") return "removed";
  if (claims.session !== facts.session) return "session_changed";
  if (Math.abs(claims.timeMs - facts.nowMs) > MAX_SKEW_MS) return "clock_skew";
  const verdict = facts.replays.take(node.id, claims.nonce, claims.timeMs + MAX_SKEW_MS, facts.nowMs);
  if (verdict === "replayed") return "replayed";
  if (verdict === "full") return "too_many";
  return facts.twins.isRetired(node.id, instanceOf(claims.nonce)) ? "twin" : undefined;
}
