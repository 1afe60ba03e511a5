import { createPublicKey, verify } from "node:crypto";
import type { Verify } from "../trust.ts";

/** What stands before the 32 bytes of an Ed25519 key in SubjectPublicKeyInfo (RFC 8410, section 4). */
export const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

export const verifyEd25519: Verify = (publicKey, bytes, signature) => {
  try {
    const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: "der", type: "spki" });
    return verify(null, bytes, key, signature);
  } catch {
    return false; // No key or no signature: it proves nothing, which is what false says.
  }
};
