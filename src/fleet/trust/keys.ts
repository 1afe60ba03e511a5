/** Keys of nodes, and the arithmetic that is done with them: a port, because the arithmetic is the platform's. */
import { decodeBase64url } from "./base64url.ts";

/** Ed25519. Both parts are DER in base64url: SubjectPublicKeyInfo and PKCS #8 (RFC 8410). The private one stays on its host. */
export type NodeKey = { readonly publicKey: string; readonly privateKey: string };

/** Without effect and without state; synchronous. */
export interface Cryptography {
  makeKey(): NodeKey;
  /** @returns the signature (RFC 8032) in base64url. */
  sign(privateKey: string, text: string): string;
  /** False for whatever is no key or no signature: it proves nothing. */
  verify(publicKey: string, text: string, signature: string): boolean;
  /** Lower-case hexadecimal. */
  sha256(bytes: Uint8Array | string): string;
  /** HMAC-SHA256 (RFC 2104) in lower-case hexadecimal. */
  hmac(secret: string, text: string): string;
  /** Compares in time that does not depend on how much is equal. */
  isEqual(a: string, b: string): boolean;
}

/** What stands before the 32 bytes of an Ed25519 key in SubjectPublicKeyInfo (RFC 8410, section 4). */
const SPKI_PREFIX = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const SPKI_BYTES = 44;

/** @returns whether the text has the one form that the public key of a node has. */
export function isPublicKey(text: string): boolean {
  const bytes = text.length <= 64 ? decodeBase64url(text) : undefined;
  return bytes?.length === SPKI_BYTES && SPKI_PREFIX.every((byte, index) => bytes[index] === byte);
}

/** Characters of a fingerprint: 128 bits, so that nobody finds another key with the same one. */
export const FINGERPRINT_CHARS = 32;

/** @returns what a token carries of the hub's key. */
export function fingerprintOf(publicKey: string, cryptography: Cryptography): string {
  return cryptography.sha256(publicKey).slice(0, FINGERPRINT_CHARS);
}
