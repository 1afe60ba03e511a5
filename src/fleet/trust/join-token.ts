/**
 * Invitations. `TOKEN@URL` is what a person carries from the hub to a new node. Pure.
 *
 * - J1: the secret of a token never travels: the node proves that it has it, over its own key, name and address. Who listens
 *   learns nothing to join with, and who alters a word of the request breaks the proof.
 * - J2: the token names the fingerprint of the hub's key; an answer under another key is not believed.
 * - J3: a token is used once per use that it was given; the same node repeating its request uses nothing.
 */
import { canonicalJson, err, type NodeId, ok, type Random, type Result, refused } from "#base";
import { type Cryptography, FINGERPRINT_CHARS } from "./keys.ts";
import type { FleetRole } from "./roles.ts";

export type LeaseClass = "strict" | "hold";

/** As it is kept on the hub. */
export type JoinToken = {
  readonly id: string;
  /** SHA-256 of the secret: the key of the proofs. */
  readonly secretHash: string;
  readonly role: FleetRole;
  readonly usesLeft: number;
  readonly expiresAtMs: number;
  readonly createdAtMs: number;
};

/** As a person has it. */
export type TokenText = { readonly id: string; readonly secret: string; readonly fingerprint: string };

/** What a node says of itself when it joins. */
export type Candidate = {
  readonly id: NodeId;
  readonly name: string;
  readonly publicKey: string;
  readonly url: string | null;
  readonly version: string;
  /** The newest level that it speaks. */
  readonly featureLevel: number;
  /** The oldest level of a fleet that it works in; a release that does not say works in any. */
  readonly oldestFeatureLevel?: number;
  readonly leaseClass: LeaseClass;
};

export type JoinRequest = {
  /** The id of the token. */
  readonly token: string;
  readonly proof: string;
  readonly nonce: string;
  readonly node: Candidate;
};

export type HubIdentity = {
  readonly id: NodeId;
  readonly name: string;
  readonly url: string;
  readonly publicKey: string;
};

/** What the hub answers, under its signature. */
export type JoinAnswer = {
  readonly fleet: string;
  readonly hub: HubIdentity;
  readonly role: FleetRole;
  readonly epoch: number;
};

/** No letters that are taken for digits; no underscore, which separates. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const ID_CHARS = 10;
/** 160 bits. */
const SECRET_CHARS = 32;
const PATTERN = new RegExp(
  `^drv_([${ALPHABET}]{${ID_CHARS}})_([${ALPHABET}]{${SECRET_CHARS}})_([0-9a-f]{${FINGERPRINT_CHARS}})$`,
);
const MAX_URL_CHARS = 2_048;
export const MAX_TOKEN_USES = 1_000;
/** A token for a person who types it today; a longer one is a password. */
export const DEFAULT_TOKEN_TTL_MS = 3_600_000;
export const MAX_TOKEN_TTL_MS = 30 * 86_400_000;

export type TokenWish = { readonly role: FleetRole; readonly uses: number; readonly ttlMs: number };

/** @returns the token to keep, and the text to show once. */
export function makeToken(
  wish: TokenWish,
  fingerprint: string,
  tools: { readonly nowMs: number; readonly random: Random; readonly cryptography: Cryptography },
): { readonly token: JoinToken; readonly text: string } {
  const id = letters(tools.random, ID_CHARS);
  const secret = letters(tools.random, SECRET_CHARS);
  const token: JoinToken = {
    id,
    secretHash: tools.cryptography.sha256(secret),
    role: wish.role,
    usesLeft: wish.uses,
    expiresAtMs: tools.nowMs + wish.ttlMs,
    createdAtMs: tools.nowMs,
  };
  return { token, text: `drv_${id}_${secret}_${fingerprint}` };
}

/** Reads `TOKEN@URL`. */
export function readInvitation(text: string): Result<{ readonly token: TokenText; readonly url: string }> {
  const trimmed = text.trim();
  const cut = trimmed.indexOf("@");
  const [, id, secret, fingerprint] = PATTERN.exec(cut < 0 ? trimmed : trimmed.slice(0, cut)) ?? [];
  if (id === undefined || secret === undefined || fingerprint === undefined) {
    return err(
      refused("invalid", "this is no token, or not all of it", "Copy the whole line that drover token create printed"),
    );
  }
  const url = cut < 0 ? undefined : hubUrl(trimmed.slice(cut + 1));
  if (url === undefined) {
    const remedy = "Give it as TOKEN@URL, such as drv_…@http://hub.example:7433";
    return err(refused("invalid", "the token does not say where the hub is", remedy));
  }
  return ok({ token: { id, secret, fingerprint }, url });
}

/** @returns the address of a node without a slash at its end; undefined when it is none that a node may have. */
export function hubUrl(text: string): string | undefined {
  const url = text.length <= MAX_URL_CHARS ? URL.parse(text) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) return undefined;
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") return undefined;
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

/** @returns the request of a node that has the token. */
export function joinRequest(token: TokenText, node: Candidate, nonce: string, cryptography: Cryptography): JoinRequest {
  const proof = proofOf(cryptography.sha256(token.secret), { token: token.id, nonce, node }, cryptography);
  return { token: token.id, proof, nonce, node };
}

function proofOf(secretHash: string, claim: Omit<JoinRequest, "proof">, cryptography: Cryptography): string {
  return cryptography.hmac(secretHash, `drover-join-v1\n${canonicalJson(claim)}`);
}

/**
 * Decides about a request to join, before any use is counted. One that does not prove the secret learns nothing: not even
 * whether the token exists.
 * @param hasUsed whether this very node, under this very key, has used the token before
 */
export function judgeJoin(
  request: JoinRequest,
  token: JoinToken | undefined,
  facts: { readonly nowMs: number; readonly hasUsed: boolean; readonly cryptography: Cryptography },
): Result<FleetRole> {
  const { proof, ...claim } = request;
  if (token === undefined || !facts.cryptography.isEqual(proof, proofOf(token.secretHash, claim, facts.cryptography))) {
    const remedy = "Make another one on the hub with: drover token create";
    return err(refused("invalid", "the token is not valid: it was revoked, mistyped, or is of another fleet", remedy));
  }
  if (facts.nowMs >= token.expiresAtMs) {
    return err(refused("invalid", "the token has expired", "Make another one on the hub with: drover token create"));
  }
  if (token.usesLeft <= 0 && !facts.hasUsed) {
    const remedy = "Make another one on the hub with: drover token create [--uses N]";
    return err(refused("invalid", "the token was used as often as it may be", remedy));
  }
  return ok(token.role);
}

function letters(random: Random, count: number): string {
  return [...random.bytes(count)].map((byte) => ALPHABET.charAt(byte & 31)).join("");
}
