/**
 * What a node signs of a request, and the hub of an answer. Pure.
 *
 * - S1: the text names the fleet, the method, the whole target, the body, an instant, a nonce and the hub's session, each on
 *   a line of its own and none able to hold a line break; so no signature counts for anything but the one request.
 * - S2: an answer's signature names the nonce of its request, so no answer counts for another request.
 */
import type { NodeId, Random } from "#base";
import { encodeBase64url } from "./base64url.ts";
import type { Cryptography } from "./keys.ts";

export const NODE_HEADER = "x-drover-node";
export const TIME_HEADER = "x-drover-time";
export const NONCE_HEADER = "x-drover-nonce";
export const SESSION_HEADER = "x-drover-session";
export const SIGNATURE_HEADER = "x-drover-signature";
/** In the query of requests that name the highest epoch that their node knows nowhere else. */
export const EPOCH_QUERY = "epoch";
/** On answers: how the key of the node that answers came to be the one it has. */
export const KEY_CHANGES_HEADER = "x-drover-key-changes";

export type SignedParts = {
  readonly fleet: string;
  readonly method: string;
  /** Path with its query, as it stands in the request line. */
  readonly target: string;
  readonly bodySha256: string;
  readonly timeMs: number;
  readonly nonce: string;
  readonly session: string;
};

export function requestText(parts: SignedParts): string {
  const { fleet, method, target, bodySha256, timeMs, nonce, session } = parts;
  return ["drover-request-v1", fleet, method, target, bodySha256, String(timeMs), nonce, session].join("\n");
}

export function answerText(nonce: string, status: number, bodySha256: string): string {
  return ["drover-answer-v1", nonce, String(status), bodySha256].join("\n");
}

export type Signer = { readonly fleet: string; readonly node: NodeId; readonly privateKey: string };

export type RequestToSign = {
  readonly method: string;
  readonly target: string;
  readonly body: Uint8Array | string;
  /** The hub's time, as the node believes it to be. */
  readonly timeMs: number;
  readonly nonce: string;
  /** "" before the hub has told it; the refusal tells it. */
  readonly session: string;
};

/** @returns the headers that prove who sends the request. */
export function signRequest(
  request: RequestToSign,
  signer: Signer,
  cryptography: Cryptography,
): Record<string, string> {
  const { body, ...parts } = request;
  const text = requestText({ ...parts, fleet: signer.fleet, bodySha256: cryptography.sha256(body) });
  return {
    [NODE_HEADER]: signer.node,
    [TIME_HEADER]: String(request.timeMs),
    [NONCE_HEADER]: request.nonce,
    [SESSION_HEADER]: request.session,
    [SIGNATURE_HEADER]: cryptography.sign(signer.privateKey, text),
  };
}

export function signAnswer(
  answer: { readonly nonce: string; readonly status: number; readonly body: Uint8Array | string },
  privateKey: string,
  cryptography: Cryptography,
): string {
  return cryptography.sign(privateKey, answerText(answer.nonce, answer.status, cryptography.sha256(answer.body)));
}

export function verifyAnswer(
  answer: { readonly nonce: string; readonly status: number; readonly body: Uint8Array | string },
  signature: string,
  publicKey: string,
  cryptography: Cryptography,
): boolean {
  return cryptography.verify(
    publicKey,
    answerText(answer.nonce, answer.status, cryptography.sha256(answer.body)),
    signature,
  );
}

const NONCE_BYTES = 16;
/** The first bytes of each nonce are the same for the life of a process: by them two processes with one key are told apart. */
const INSTANCE_BYTES = 6;
export const NONCE_PATTERN = /^[A-Za-z0-9_-]{22}$/;
const INSTANCE_CHARS = (INSTANCE_BYTES * 8) / 6;

/** Makes the nonces of one process: 48 bits that name the process, and 80 of chance. */
export function nonceMaker(random: Random): () => string {
  const instance = random.bytes(INSTANCE_BYTES);
  return () => {
    const nonce = new Uint8Array(NONCE_BYTES);
    nonce.set(instance);
    nonce.set(random.bytes(NONCE_BYTES - INSTANCE_BYTES), INSTANCE_BYTES);
    return encodeBase64url(nonce);
  };
}

export function instanceOf(nonce: string): string {
  return nonce.slice(0, INSTANCE_CHARS);
}
