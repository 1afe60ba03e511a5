/** Writes what `src/watchdog/update` reads: certificates and signed manifests. */
import { encodeBase64, keyIdOf, type Manifest } from "#watchdog";
import type { PrivateKey } from "./keys.ts";

/** A certificate as it stands in a manifest, and alone in a file. */
export type CertificateText = { readonly payload: string; readonly root: string; readonly signature: string };

export type CertificateOrder = {
  readonly publicKey: Uint8Array;
  readonly notAfterMs: number;
  readonly serial: number;
  /** Ids of keys that this root withdraws for ever. */
  readonly revoked: readonly string[];
};

export function certify(
  root: PrivateKey,
  { publicKey, notAfterMs, serial, revoked }: CertificateOrder,
): CertificateText {
  const id = keyIdOf(publicKey);
  const payload = bytesOf({ id, publicKey: encodeBase64(publicKey), notAfterMs, serial, revoked });
  return { payload: encodeBase64(payload), root: root.id, signature: encodeBase64(root.sign(payload)) };
}

/** @returns the text of `manifest.json`. */
export function signManifest(
  manifest: Manifest,
  keys: readonly PrivateKey[],
  certificates: readonly CertificateText[],
): string {
  return signPayload(manifestPayload(manifest), keys, certificates);
}

export function signPayload(
  payload: Uint8Array,
  keys: readonly PrivateKey[],
  certificates: readonly CertificateText[],
): string {
  const signatures = keys.map((key) => ({ key: key.id, signature: encodeBase64(key.sign(payload)) }));
  return `${JSON.stringify({ format: 1, payload: encodeBase64(payload), signatures, certificates }, null, 2)}\n`;
}

export function manifestPayload({ schema, files, ...manifest }: Manifest): Uint8Array {
  const range = ({ min, max }: Manifest["schema"]["fleet"]): readonly [number, number] => [min, max];
  return bytesOf({
    name: "drover",
    ...manifest,
    schema: { fleet: range(schema.fleet), node: range(schema.node) },
    files: files.map(({ gzip, ...file }) => (gzip === null ? file : { ...file, gzip })),
  });
}

function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
