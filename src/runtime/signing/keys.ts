/** Ed25519 keys as files: the private half as PEM (PKCS #8) for its owner alone, the public half as one line of base64. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { decodeBase64, keyIdOf, SPKI_PREFIX } from "#watchdog";

const RAW_KEY_BYTES = 32;
/** What stands before the 32 bytes of a private Ed25519 key in PKCS #8 (RFC 8410, section 7). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

export type PrivateKey = {
  readonly id: string;
  readonly publicKey: Uint8Array;
  readonly sign: (bytes: Uint8Array) => Uint8Array;
  /** PKCS #8 in PEM. */
  readonly pem: string;
};

export function makeKey(): PrivateKey {
  return privateKeyOf(generateKeyPairSync("ed25519").privateKey);
}

/** @throws when the file exists: to overwrite a key is to lose it. */
export function writeKey(path: string, key: PrivateKey): void {
  writeFileSync(path, key.pem, { mode: 0o600, flag: "wx" });
  writeFileSync(`${path.replace(/\.key$/, "")}.pub`, `${publicText(key.publicKey)}\n`, { mode: 0o644, flag: "wx" });
}

/** Reads PEM, or 32 bytes in base64. */
export function readPrivateKey(path: string): PrivateKey {
  return parsePrivateKey(readFileSync(path, "utf8"), path);
}

/** @param path names its file to people */
export function parsePrivateKey(text: string, path: string): PrivateKey {
  const raw = decodeBase64(text.trim());
  if (raw?.length === RAW_KEY_BYTES) {
    return privateKeyOf(createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, raw]), format: "der", type: "pkcs8" }));
  }
  const key = createPrivateKey(text);
  if (key.asymmetricKeyType !== "ed25519") throw new Error(`${path} holds a key of another kind than Ed25519`);
  return privateKeyOf(key);
}

/** Reads PEM, or 32 bytes in base64. @returns the 32 bytes. */
export function readPublicKey(path: string): Uint8Array {
  const text = readFileSync(path, "utf8");
  if (text.includes("PRIVATE KEY")) throw new Error(`${path} is a private key; give the public one beside it (.pub)`);
  const raw = decodeBase64(text.trim());
  if (raw?.length === RAW_KEY_BYTES) return raw;
  const key = text.includes("-----BEGIN") ? createPublicKey(text) : undefined;
  if (key?.asymmetricKeyType !== "ed25519")
    throw new Error(`${path} holds no Ed25519 public key (PEM, or 32 bytes in base64)`);
  return rawPublicKey(key);
}

export function publicText(publicKey: Uint8Array): string {
  return Buffer.from(publicKey).toString("base64");
}

function privateKeyOf(key: KeyObject): PrivateKey {
  const publicKey = rawPublicKey(createPublicKey(key));
  return {
    id: keyIdOf(publicKey),
    publicKey,
    sign: (bytes) => sign(null, bytes, key),
    pem: key.export({ format: "pem", type: "pkcs8" }),
  };
}

function rawPublicKey(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: "der", type: "spki" }).subarray(SPKI_PREFIX.length));
}
