/** Encryption of web push: RFC 8291 (keys), RFC 8188 (aes128gcm), RFC 8292 (VAPID). */
import {
  createCipheriv,
  createECDH,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  sign,
} from "node:crypto";

/** Push services take at most this much of encrypted content (RFC 8030, section 7.2). */
export const MAX_PUSH_BYTES = 4_096;
const SALT_BYTES = 16;
const POINT_BYTES = 65;
const TAG_BYTES = 16;
/** Header: salt, record size, length of the key id, key id; then the content, one byte of padding and the tag. */
export const MAX_PUSH_TEXT_BYTES = MAX_PUSH_BYTES - (SALT_BYTES + 4 + 1 + POINT_BYTES) - 1 - TAG_BYTES;

export type PushKeys = {
  /** The receiver's public key: an uncompressed point on P-256. */
  readonly receiver: Uint8Array;
  readonly secret: Uint8Array;
};

/** What chance decides; given for the example of RFC 8291, Appendix A. */
export type PushChance = { readonly salt: Uint8Array; readonly senderKey: Uint8Array };

/** @returns the body of the request. Throws when the receiver's key is no point on the curve. */
export function encryptPush(
  text: Uint8Array,
  { receiver, secret }: PushKeys,
  { salt, senderKey }: PushChance,
): Buffer<ArrayBuffer> {
  const ecdh = createECDH("prime256v1");
  ecdh.setPrivateKey(senderKey);
  const sender = ecdh.getPublicKey();
  const shared = ecdh.computeSecret(receiver);
  const info = Buffer.concat([Buffer.from("WebPush: info\0"), receiver, sender]);
  const material = hkdf(shared, secret, info, 32);
  const key = hkdf(material, salt, Buffer.from("Content-Encoding: aes128gcm\0"), 16);
  const nonce = hkdf(material, salt, Buffer.from("Content-Encoding: nonce\0"), 12);
  const cipher = createCipheriv("aes-128-gcm", key, nonce);
  // 2 marks the last record (RFC 8188, section 2).
  const sealed = Buffer.concat([
    cipher.update(text),
    cipher.update(Buffer.from([2])),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(MAX_PUSH_BYTES);
  return Buffer.concat([salt, size, Buffer.from([POINT_BYTES]), sender, sealed]);
}

function hkdf(key: Uint8Array, salt: Uint8Array, info: Uint8Array, bytes: number): Buffer {
  return Buffer.from(hkdfSync("sha256", key, salt, info, bytes));
}

/** A fresh private key of P-256 for one message. */
export function makeSenderKey(): Buffer {
  const ecdh = createECDH("prime256v1");
  ecdh.generateKeys();
  return ecdh.getPrivateKey();
}

/** @returns a key for {@link vapidHeader}, as PEM. */
export function makeVapidKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" });
}

/** @returns what a browser is given as `applicationServerKey`. Throws when the text is no key of P-256. */
export function vapidPublicKey(pem: string): string {
  return pointOf(createPublicKey(createPrivateKey(pem))).toString("base64url");
}

/** Push services refuse tokens that hold for more than a day (RFC 8292, section 2). */
const VAPID_SECONDS = 12 * 3_600;

/** @returns the Authorization header for one push service. */
export function vapidHeader(
  pem: string,
  { origin, contact, nowMs }: { readonly origin: string; readonly contact: string; readonly nowMs: number },
): string {
  const key = createPrivateKey(pem);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(nowMs / 1_000) + VAPID_SECONDS;
  const claims = `${part({ typ: "JWT", alg: "ES256" })}.${part({ aud: origin, exp, sub: contact })}`;
  const signature = sign("sha256", Buffer.from(claims), { key, dsaEncoding: "ieee-p1363" });
  return `vapid t=${claims}.${signature.toString("base64url")}, k=${vapidPublicKey(pem)}`;
}

function pointOf(key: KeyObject): Buffer {
  const { x, y } = key.export({ format: "jwk" });
  return Buffer.concat([Buffer.from([4]), Buffer.from(x ?? "", "base64url"), Buffer.from(y ?? "", "base64url")]);
}
