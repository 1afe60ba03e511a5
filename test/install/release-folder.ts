/** Makes folders of releases as `build/sign` does, with keys of their own. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** Every target a Linux host can be; the stub runs on all of them. */
const TARGETS = ["linux-x64", "linux-x64-baseline", "linux-x64-musl", "linux-arm64", "linux-arm64-musl"];
const DAY_MS = 86_400_000;

/** The keys of a project: an offline root and the key that signs releases. */
export type ReleaseKeys = { readonly root: KeyPair; readonly signing: KeyPair };
type KeyPair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };

export function makeKeys(): ReleaseKeys {
  return { root: generateKeyPairSync("ed25519"), signing: generateKeyPairSync("ed25519") };
}

export const pemOf = (key: KeyObject): string => key.export({ type: "spki", format: "pem" });
/** The 32 bytes behind the 12 that say what they are (RFC 8410, section 4). */
export const bareOf = (key: KeyObject): string =>
  key.export({ type: "spki", format: "der" }).subarray(12).toString("base64");
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

export type ReleaseParts = {
  readonly version: string;
  readonly executable: Uint8Array;
  readonly keys: ReleaseKeys;
  readonly targets?: readonly string[];
  readonly expiresAtMs?: number;
  readonly keyNotAfterMs?: number;
  /** Instead of the key that the root has certified. */
  readonly certifiedKey?: KeyObject;
};

/** Writes a whole release below `folder`. */
export function writeRelease(folder: string, parts: ReleaseParts): void {
  mkdirSync(folder, { recursive: true });
  const nowMs = Date.now();
  const packed = gzipSync(parts.executable);
  const targets = parts.targets ?? TARGETS;
  const payload = {
    name: "drover",
    version: parts.version,
    channel: "stable",
    createdAtMs: nowMs,
    expiresAtMs: parts.expiresAtMs ?? nowMs + DAY_MS,
    minimumVersion: "0.0.0",
    schema: { fleet: [1, 1], node: [1, 1] },
    files: targets.map((target) => ({
      target,
      file: `drover-${target}`,
      bytes: parts.executable.length,
      sha256: sha256(parts.executable),
      gzip: { file: `drover-${target}.gz`, bytes: packed.length, sha256: sha256(packed) },
    })),
  };
  const certificate = certificateOf(parts, nowMs);
  const payloadBytes = Buffer.from(JSON.stringify(payload));
  const manifest = {
    format: 1,
    payload: payloadBytes.toString("base64"),
    signatures: [{ key: "k1", signature: sign(null, payloadBytes, parts.keys.signing.privateKey).toString("base64") }],
    certificates: [certificate],
  };
  const files: Record<string, Uint8Array> = { "manifest.json": Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`) };
  for (const target of targets) {
    files[`drover-${target}`] = parts.executable;
    files[`drover-${target}.gz`] = packed;
  }
  const lines = Object.entries(files).map(([name, bytes]) => `${sha256(bytes)}  ${name}\n`);
  const sums = Buffer.from(lines.join(""));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  writeFileSync(join(folder, "SHA256SUMS"), sums);
  writeFileSync(join(folder, "SHA256SUMS.sig"), sign(null, sums, parts.keys.signing.privateKey));
  writeFileSync(join(folder, "signing-key.pem"), pemOf(parts.keys.signing.publicKey));
  writeFileSync(join(folder, "signing-key.cert"), `${JSON.stringify(certificate)}\n`);
}

function certificateOf(parts: ReleaseParts, nowMs: number): Readonly<Record<string, string>> {
  const certificate = {
    publicKey: bareOf(parts.certifiedKey ?? parts.keys.signing.publicKey),
    id: "k1",
    notAfterMs: parts.keyNotAfterMs ?? nowMs + DAY_MS,
    serial: 1,
  };
  const bytes = Buffer.from(JSON.stringify(certificate));
  return {
    payload: bytes.toString("base64"),
    root: "r1",
    signature: sign(null, bytes, parts.keys.root.privateKey).toString("base64"),
  };
}
