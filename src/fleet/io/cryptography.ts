import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify,
} from "node:crypto";
import { decodeBase64url } from "../trust/base64url.ts";
import type { Cryptography } from "../trust/keys.ts";

/** Parsing a key costs as much as using it; a fleet has at most some thousands of keys, and the oldest makes room. */
const MAX_PARSED_KEYS = 4_096;

class ParsedKeys {
  readonly #keys = new Map<string, KeyObject>();

  get(text: string, parse: (text: string) => KeyObject): KeyObject {
    const known = this.#keys.get(text);
    if (known !== undefined) return known;
    const made = parse(text);
    for (const oldest of this.#keys.keys()) {
      if (this.#keys.size < MAX_PARSED_KEYS) break;
      this.#keys.delete(oldest);
    }
    this.#keys.set(text, made);
    return made;
  }
}

const publicKeys = new ParsedKeys();
const privateKeys = new ParsedKeys();

/** The platform's own: node:crypto. */
export const cryptography: Cryptography = {
  makeKey: () => {
    const pair = generateKeyPairSync("ed25519");
    return {
      publicKey: pair.publicKey.export({ format: "der", type: "spki" }).toString("base64url"),
      privateKey: pair.privateKey.export({ format: "der", type: "pkcs8" }).toString("base64url"),
    };
  },
  sign: (privateKey, text) => {
    const key = privateKeys.get(privateKey, (der) =>
      createPrivateKey({ key: Buffer.from(der, "base64url"), format: "der", type: "pkcs8" }),
    );
    return sign(null, Buffer.from(text), key).toString("base64url");
  },
  verify: (publicKey, text, signature) => {
    const bytes = decodeBase64url(signature);
    if (bytes === undefined) return false;
    try {
      const key = publicKeys.get(publicKey, (der) =>
        createPublicKey({ key: Buffer.from(der, "base64url"), format: "der", type: "spki" }),
      );
      return key.asymmetricKeyType === "ed25519" && verify(null, Buffer.from(text), key, bytes);
    } catch {
      return false; // No key or no signature: it proves nothing, which is what false says.
    }
  },
  sha256: (bytes) => createHash("sha256").update(bytes).digest("hex"),
  hmac: (secret, text) => createHmac("sha256", secret).update(text).digest("hex"),
  isEqual: (a, b) => {
    const [left, right] = [Buffer.from(a), Buffer.from(b)];
    return left.length === right.length && timingSafeEqual(left, right);
  },
};
