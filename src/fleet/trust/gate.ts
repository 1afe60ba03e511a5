/** Where requests of nodes are let in: one per process, with the memory that the rules need. */
import type { Clock, NodeId, Random } from "#base";
import { encodeBase64url } from "./base64url.ts";
import { type KeyChange, writeKeyChanges } from "./key-change.ts";
import type { Cryptography, NodeKey } from "./keys.ts";
import { ReplayCache } from "./replay-cache.ts";
import { KEY_CHANGES_HEADER, SIGNATURE_HEADER, signAnswer } from "./signing.ts";
import { TwinWatch } from "./twin-watch.ts";
import {
  type KnownNode,
  type RequestClaims,
  readClaims,
  type TrustRefusal,
  type Verdict,
  verifyRequest,
} from "./verify-request.ts";

export type GateParts = {
  /** The fleet that this node belongs to. */
  readonly fleet: () => string;
  /** The key of this node, under which it answers; undefined when it cannot be read: answers are not believed then. */
  readonly key: () => NodeKey | undefined;
  readonly keyChanges: () => readonly KeyChange[];
  /** Answers at once, and knows a removal as soon as it is durable. */
  readonly find: (id: NodeId) => KnownNode | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly cryptography: Cryptography;
};

const SESSION_BYTES = 16;

export class RequestGate {
  /** Names this process; see V2 in verify-request.ts. */
  readonly session: string;
  readonly #parts: GateParts;
  readonly #replays = new ReplayCache();
  readonly #twins = new TwinWatch();
  readonly #began: { readonly wallMs: number; readonly monotonicMs: number };

  constructor(parts: GateParts) {
    this.#parts = parts;
    this.session = encodeBase64url(parts.random.bytes(SESSION_BYTES));
    this.#began = { wallMs: parts.clock.nowMs(), monotonicMs: parts.clock.monotonicMs() };
  }

  /** See V3 in verify-request.ts. */
  nowMs(): number {
    return Math.round(this.#began.wallMs + this.#parts.clock.monotonicMs() - this.#began.monotonicMs);
  }

  /** What can be said before the body is read, so that strangers cannot have it read. */
  open(
    header: (name: string) => string | undefined,
  ): { readonly ok: true; readonly claims: RequestClaims } | { readonly ok: false; readonly why: TrustRefusal } {
    const claims = readClaims(header);
    if (claims === undefined) return { ok: false, why: "malformed" };
    return this.#parts.find(claims.node) === undefined ? { ok: false, why: "unknown_node" } : { ok: true, claims };
  }

  check(request: {
    readonly method: string;
    readonly target: string;
    readonly body: Uint8Array;
    readonly claims: RequestClaims;
  }): Verdict {
    const { cryptography, fleet, find } = this.#parts;
    const { body, ...rest } = request;
    return verifyRequest(
      { ...rest, bodySha256: cryptography.sha256(body) },
      {
        fleet: fleet(),
        session: this.session,
        nowMs: this.nowMs(),
        find,
        replays: this.#replays,
        twins: this.#twins,
        cryptography,
      },
    );
  }

  /** @returns the headers under which an answer is believed. */
  answerHeaders(nonce: string, status: number, body: Uint8Array): Record<string, string> {
    const { key, keyChanges, cryptography } = this.#parts;
    const present = key();
    if (present === undefined) return {};
    const changes = keyChanges();
    return {
      [SIGNATURE_HEADER]: signAnswer({ nonce, status, body }, present.privateKey, cryptography),
      ...(changes.length === 0 ? {} : { [KEY_CHANGES_HEADER]: writeKeyChanges(changes) }),
    };
  }

  /** Whether a node may go on with what it was let in for. */
  isWelcome(id: NodeId): boolean {
    const node = this.#parts.find(id);
    return node !== undefined && node.state !== "removed";
  }

  /** Forgets what was remembered of a node that was removed. */
  drop(id: NodeId): void {
    this.#replays.drop(id);
    this.#twins.drop(id);
  }
}

const TEXTS: Readonly<Record<TrustRefusal, { readonly message: string; readonly remedy: string }>> = {
  malformed: {
    message: "the request is not signed as one of a node",
    remedy: "Send it with the headers that sign it, or with the bearer token where the path takes it",
  },
  unknown_node: {
    message: "this fleet does not know the node that signed the request",
    remedy: "Join it again: drover token create on the hub, drover join TOKEN@URL on the node",
  },
  removed: {
    message: "the node was removed from this fleet",
    remedy: "Join it again: drover token create on the hub, drover join TOKEN@URL on the node",
  },
  bad_signature: {
    message: "the signature does not fit the request, the node's key or this fleet",
    remedy: "Look for something on the way that changes requests; if there is nothing, join the node again",
  },
  session_changed: { message: "the hub was started anew", remedy: "Sign the request for its present session" },
  clock_skew: { message: "the request is too old or too new", remedy: "Sign it by the hub's time, which is told here" },
  replayed: { message: "the request was received before", remedy: "Sign each request with a nonce of its own" },
  too_many: {
    message: "the node sends more requests than the hub can tell apart",
    remedy: "Send fewer, with more in each",
  },
  twin: {
    message: "another drover uses the same node key: the state folder of this node was copied and both run",
    remedy: "Stop one of the two; give the copy a state folder of its own and join it with a new token",
  },
};

/** @returns what a person is told. */
export function refusalText(why: TrustRefusal): { readonly message: string; readonly remedy: string } {
  return TEXTS[why];
}
