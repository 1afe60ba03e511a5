/** Makes the folder that any static file server can offer: executables, packed and plain, manifest and SHA256SUMS. */
import { createHash, createPublicKey } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { CertificateText } from "../../src/runtime/signing/envelope.ts";
import type { PrivateKey } from "../../src/runtime/signing/keys.ts";
import type { Manifest, ReleaseFile, StoredFile } from "../../src/watchdog/update/manifest.ts";
import { hostTarget, type Target, targets } from "../targets.ts";

export type BuiltExecutable = { readonly target: string; readonly path: string; readonly exeSuffix: string };

/** What `build/main.ts` left in `dist`: one folder for each target, and the host's own without one. */
export function builtExecutables(dist: string): readonly BuiltExecutable[] {
  const named = targets.map((target) => builtAt(target, join(dist, target.name, `drover${target.exeSuffix}`)));
  const host = hostTarget();
  const own = host === undefined ? [] : [builtAt(host, join(dist, `drover${host.exeSuffix}`))];
  const found = [...named, ...own].filter(({ path }) => existsSync(path));
  return found.filter(({ target }, index) => found.findIndex((other) => other.target === target) === index);
}

function builtAt(target: Target, path: string): BuiltExecutable {
  return { target: target.name, path, exeSuffix: target.exeSuffix };
}

/**
 * Puts the executables into `folder`, which must be empty or missing.
 * @returns what the manifest says of them.
 */
export function writeReleaseFiles(folder: string, executables: readonly BuiltExecutable[]): readonly ReleaseFile[] {
  mkdirSync(folder, { recursive: true });
  if (readdirSync(folder).length > 0) throw new Error(`${folder} is not empty; name a new folder for each release`);
  return executables.map(({ target, path, exeSuffix }) => {
    const file = `drover-${target}${exeSuffix}`;
    copyFileSync(path, join(folder, file));
    const content = readFileSync(path);
    const packed = gzipSync(content, { level: 9 });
    writeFileSync(join(folder, `${file}.gz`), packed);
    return { target, ...stored(file, content), gzip: stored(`${file}.gz`, packed) };
  });
}

function stored(file: string, content: Uint8Array): StoredFile {
  return { file, bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") };
}

/**
 * Nodes read the manifest alone. The rest is for install.sh, which has nothing but openssl and sha256sum to check with:
 * a list of sums that names the manifest too, its signature, and the key with what a root says of it.
 * @param text of the manifest, signed.
 */
export function writeReleaseManifest(
  folder: string,
  manifest: Manifest,
  text: string,
  { key, certificate }: { readonly key: PrivateKey; readonly certificate: CertificateText },
): void {
  const named = manifest.files.flatMap((file) => (file.gzip === null ? [file] : [file, file.gzip]));
  const sums = [...named, stored("manifest.json", Buffer.from(text))];
  const lines = sums.map(({ sha256, file }) => `${sha256}  ${file}\n`);
  const list = Buffer.from(lines.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join(""));
  writeFileSync(join(folder, "SHA256SUMS"), list);
  writeFileSync(join(folder, "SHA256SUMS.sig"), key.sign(list));
  writeFileSync(join(folder, "signing-key.pem"), createPublicKey(key.pem).export({ type: "spki", format: "pem" }));
  writeFileSync(join(folder, "signing-key.cert"), `${JSON.stringify(certificate)}\n`);
  // Last: a folder with a manifest is whole.
  writeFileSync(join(folder, "manifest.json"), text);
}
