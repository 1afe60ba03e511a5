/**
 * The signature of webhooks that drover sends, and takes from senders of kind `generic`:
 * `Drover-Signature: t=SECONDS,v1=HEX`, where HEX is HMAC-SHA256 of `SECONDS.BODY`. The instant is part of what is signed,
 * so that a recorded request is of use for the tolerance alone.
 */
import { hmacSha256, isSameSecret } from "./io/hmac.ts";

export const SIGNATURE_HEADER = "drover-signature";
export const DELIVERY_HEADER = "drover-delivery";
export const EVENT_HEADER = "drover-event";

/** Signatures looked at in one header: an old and a new secret while one replaces the other, and some room. */
const MAX_SIGNATURES = 5;

/** @returns the header's value. */
export function signBody(secret: string, body: string | Uint8Array, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1_000);
  return `t=${seconds},v1=${hmacSha256(secret, `${seconds}.`, body)}`;
}

export type SignatureVerdict = "good" | "bad" | "expired";

/**
 * @param secrets any of them may have signed
 * @returns `expired` only for what was signed well, at another time than now
 */
export function checkSignature(
  header: string,
  body: Uint8Array,
  secrets: readonly string[],
  { nowMs, toleranceMs }: { readonly nowMs: number; readonly toleranceMs: number },
): SignatureVerdict {
  const fields = header.split(",", MAX_SIGNATURES + 1).map((field) => field.trim());
  const seconds = fields.find((field) => /^t=\d{1,12}$/.test(field))?.slice(2);
  if (seconds === undefined) return "bad";
  const given = fields.filter((field) => /^v1=[0-9a-f]{64}$/.test(field)).map((field) => field.slice(3));
  if (!isSignedBy(given, secrets, (secret) => hmacSha256(secret, `${seconds}.`, body))) return "bad";
  return Math.abs(nowMs - Number(seconds) * 1_000) <= toleranceMs ? "good" : "expired";
}

/** Looks at every pair, so that how long it takes says nothing of which one fits. */
export function isSignedBy(
  given: readonly string[],
  secrets: readonly string[],
  sign: (secret: string) => string,
): boolean {
  let isGood = false;
  for (const secret of secrets) {
    const expected = sign(secret);
    for (const one of given) isGood = isSameSecret(one, expected) || isGood;
  }
  return isGood;
}
