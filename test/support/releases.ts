/** Releases for tests: small scripts as executables, signed by keys made here, in folders as `build/sign.ts` makes them. */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { present } from "#base";
import { type ExecutableCheck, parseVersion, type RootKey, type Version } from "#watchdog";
import { type CertificateText, certify, signManifest } from "../../src/runtime/signing/envelope.ts";
import { makeKey, type PrivateKey } from "../../src/runtime/signing/keys.ts";
import type { Manifest } from "../../src/watchdog/update/manifest.ts";

export const TARGET = "linux-x64";
const DAY_MS = 24 * 60 * 60_000;

export const v = (text: string): Version => present(parseVersion(text), `${text} is a version`);

/** Tests run releases that are scripts. */
export const anyExecutable: ExecutableCheck = () => undefined;

/** A root, a signing key, and what the root says of it. */
export type Publisher = {
  readonly root: PrivateKey;
  readonly key: PrivateKey;
  readonly certificate: CertificateText;
  readonly roots: readonly RootKey[];
};

export function makePublisher(nowMs: number): Publisher {
  const [root, key] = [makeKey(), makeKey()];
  const order = { publicKey: key.publicKey, notAfterMs: nowMs + 400 * DAY_MS, serial: 1, revoked: [] };
  return { root, key, certificate: certify(root, order), roots: [{ id: root.id, publicKey: root.publicKey }] };
}

/** A program that says which release it is. */
export function scriptOf(version: string): string {
  return `#!/bin/sh\necho ${version}\n`;
}

export type ReleaseOptions = {
  readonly content?: string;
  readonly gzip?: boolean;
  readonly manifest?: Partial<Manifest>;
  readonly keys?: readonly PrivateKey[];
  readonly certificates?: readonly CertificateText[];
};

/** What a manifest says of one file, `drover-TARGET`. */
export function manifestOf(version: string, nowMs: number, content: string, options: ReleaseOptions = {}): Manifest {
  const packed = gzipSync(content);
  const file = `drover-${TARGET}`;
  return {
    version: v(version),
    channel: "stable",
    createdAtMs: nowMs,
    expiresAtMs: nowMs + 90 * DAY_MS,
    minimumVersion: v("0.0.1"),
    schema: { fleet: { min: 0, max: 9 }, node: { min: 0, max: 9 } },
    files: [
      {
        target: TARGET,
        ...stored(file, content),
        gzip: options.gzip === true ? stored(`${file}.gz`, packed) : null,
      },
    ],
    ...options.manifest,
  };
}

/** Writes a release folder. @returns its path. */
export function writeRelease(
  parent: string,
  version: string,
  nowMs: number,
  publisher: Publisher,
  options: ReleaseOptions = {},
): string {
  const folder = join(parent, `release-${version}`);
  mkdirSync(folder, { recursive: true });
  const content = options.content ?? scriptOf(version);
  const manifest = manifestOf(version, nowMs, content, options);
  if (options.gzip === true) writeFileSync(join(folder, `drover-${TARGET}.gz`), gzipSync(content));
  else writeFileSync(join(folder, `drover-${TARGET}`), content);
  const text = signManifest(manifest, options.keys ?? [publisher.key], options.certificates ?? [publisher.certificate]);
  writeFileSync(join(folder, "manifest.json"), text);
  return folder;
}

function stored(file: string, content: string | Uint8Array): { file: string; bytes: number; sha256: string } {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { file, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}
