import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** HMAC-SHA256 (RFC 2104) of the parts one after the other, in hexadecimal. */
export function hmacSha256(secret: string, ...parts: readonly (string | Uint8Array)[]): string {
  const hmac = createHmac("sha256", secret);
  for (const part of parts) hmac.update(part);
  return hmac.digest("hex");
}

/** SHA-256 in hexadecimal. */
export function sha256(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Whether two texts are the same, in time that depends on neither: their digests are compared, which are of one length. */
export function isSameSecret(given: string, expected: string): boolean {
  return timingSafeEqual(createHash("sha256").update(given).digest(), createHash("sha256").update(expected).digest());
}
