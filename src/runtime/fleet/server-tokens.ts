/** By what a hub is known to its own libSQL server: an Ed25519 key of this hub alone, and short-lived tokens signed with it. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeDurably } from "../state-folder.ts";

/** Read and write, or read alone: what a replica gets. */
export type ServerAccess = "rw" | "ro";

/** A token lies in no file; if one is seen it opens nothing for long. A replica that is opened anew gets another one. */
export const TOKEN_LIFE_MS = 10 * 60_000;

/** JSON web token (RFC 7519) with EdDSA (RFC 8037), in the form that sqld reads: `a` is the access, `exp` in seconds. */
export function serverToken(key: KeyObject, access: ServerAccess, expiresAtMs: number): string {
  const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
  const content = `${encoded({ alg: "EdDSA", typ: "JWT" })}.${encoded({ a: access, exp: Math.floor(expiresAtMs / 1_000) })}`;
  return `${content}.${sign(null, Buffer.from(content), key).toString("base64url")}`;
}

/** @returns the key of this hub, made at its first start, and the file that its server checks tokens by. */
export function ensureServerKey(folder: string): { readonly key: KeyObject; readonly publicFile: string } {
  const privateFile = join(folder, "server-key.pem");
  const publicFile = join(folder, "server-key.pub.pem");
  if (!existsSync(privateFile)) {
    writeDurably(privateFile, generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }));
  }
  const key = createPrivateKey(readFileSync(privateFile));
  const publicText = createPublicKey(key).export({ type: "spki", format: "pem" });
  // Anew when it is not the other half: whoever replaced it would be let in, and we would not.
  if (!existsSync(publicFile) || readFileSync(publicFile, "utf8") !== publicText) writeDurably(publicFile, publicText);
  return { key, publicFile };
}
