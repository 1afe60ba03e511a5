/**
 * Keys, certificates and signed releases (docs/operations/releases.md).
 *   bun build/sign.ts keys DIR [--days 400]
 *       root.key, root.pub, signing.key, signing.pub, signing.cert. Take root.key offline afterwards.
 *   bun build/sign.ts certify --root root.key --public signing.pub --out FILE [--days 400] [--serial N]
 *   bun build/sign.ts revoke --root root.key --public signing.pub --out FILE --revoke ID [--revoke ID …] [--days 400]
 *       A new certificate of the key that stays in use; it carries the ids of those that are withdrawn.
 *   bun build/sign.ts release DIST_DIR OUT_DIR --key signing.key --certificate signing.cert --channel stable
 *       [--version V] [--minimum V] [--expires-days 90]
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { type CertificateText, certify, signManifest } from "../src/runtime/signing/envelope.ts";
import { makeKey, publicText, readPrivateKey, readPublicKey, writeKey } from "../src/runtime/signing/keys.ts";
import { FLEET_MIGRATIONS } from "../src/store/migrations/fleet.ts";
import { NODE_MIGRATIONS } from "../src/store/migrations/node.ts";
import { KEY_ID, type Manifest, parseEnvelope } from "../src/watchdog/update/manifest.ts";
import { keyIdOf, parseCertificate } from "../src/watchdog/update/trust.ts";
import { parseVersion, type Version } from "../src/watchdog/update/version.ts";
import { sourceVersion } from "./revision.ts";
import { builtExecutables, writeReleaseFiles, writeReleaseManifest } from "./signing/release-folder.ts";

const DAY_MS = 24 * 60 * 60_000;
/** A signing key is renewed once a year, with a month to spare. */
const CERTIFICATE_DAYS = 400;
/** A release older than this is not installed any more: whoever offers it hides newer ones. */
const RELEASE_DAYS = 90;

const root = dirname(import.meta.dir);

const options = {
  root: { type: "string" },
  public: { type: "string" },
  out: { type: "string" },
  key: { type: "string", multiple: true },
  certificate: { type: "string", multiple: true },
  revoke: { type: "string", multiple: true },
  channel: { type: "string" },
  version: { type: "string" },
  minimum: { type: "string" },
  days: { type: "string" },
  serial: { type: "string" },
  "expires-days": { type: "string" },
} as const;
type Options = ReturnType<
  typeof parseArgs<{ readonly options: typeof options; readonly allowPositionals: true }>
>["values"];

function main(args: readonly string[]): void {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const [command, ...places] = positionals;
  switch (command) {
    case "keys":
      return keys(needed(places[0], "keys DIR"), values);
    case "certify":
      return certificate(values, []);
    case "revoke": {
      const ids = values.revoke ?? [];
      if (ids.length === 0 || ids.some((id) => !KEY_ID.test(id))) throw new Error("give the ids of keys with --revoke");
      return certificate(values, ids);
    }
    case "release":
      return release(
        needed(places[0], "release DIST_DIR OUT_DIR"),
        needed(places[1], "release DIST_DIR OUT_DIR"),
        values,
      );
    case undefined:
    default:
      throw new Error(`expected keys, certify, revoke or release, not ${command ?? "nothing"}`);
  }
}

function keys(folder: string, values: Options): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const [rootKey, signingKey] = [makeKey(), makeKey()];
  writeKey(join(folder, "root.key"), rootKey);
  writeKey(join(folder, "signing.key"), signingKey);
  const order = { publicKey: signingKey.publicKey, ...validity(values), revoked: [] };
  writeCertificate(join(folder, "signing.cert"), certify(rootKey, order));
  console.log(`root key ${rootKey.id}: ${publicText(rootKey.publicKey)}`);
  console.log(`signing key ${signingKey.id}, certified until ${new Date(order.notAfterMs).toISOString()}`);
  console.log(`Take ${join(folder, "root.key")} offline now. Build with --root-key ${join(folder, "root.pub")}`);
}

function certificate(values: Options, revoked: readonly string[]): void {
  const rootKey = readPrivateKey(needed(values.root, "--root FILE"));
  const publicKey = readPublicKey(needed(values.public, "--public FILE"));
  if (revoked.includes(keyIdOf(publicKey)))
    throw new Error("a key that stays in use cannot be revoked; certify another");
  const order = { publicKey, ...validity(values), revoked };
  writeCertificate(needed(values.out, "--out FILE"), certify(rootKey, order));
  console.log(
    `key ${keyIdOf(publicKey)} certified until ${new Date(order.notAfterMs).toISOString()}, serial ${order.serial}`,
  );
  for (const id of revoked) console.log(`key ${id} revoked`);
}

/** The serial is the second of its making unless one is given: it rises by itself. */
function validity(values: Options): { readonly notAfterMs: number; readonly serial: number } {
  return {
    notAfterMs: Date.now() + wholeNumber(values.days, CERTIFICATE_DAYS, "--days") * DAY_MS,
    serial: wholeNumber(values.serial, Math.floor(Date.now() / 1_000), "--serial"),
  };
}

function release(dist: string, out: string, values: Options): void {
  const signers = (values.key ?? []).map(readPrivateKey);
  const certificates = (values.certificate ?? []).map(readCertificate);
  const [key] = signers;
  if (key === undefined || certificates.length === 0) throw new Error("give --key and --certificate");
  for (const { id } of signers) certificateFor(id, certificates);
  const version = versionOf(values.version ?? sourceVersion(root), "--version");
  const executables = builtExecutables(dist);
  if (executables.length === 0) throw new Error(`there is no executable in ${dist}; run \`bun build/main.ts\` first`);
  const createdAtMs = Date.now();
  const manifest: Manifest = {
    version,
    channel: needed(values.channel, "--channel NAME"),
    createdAtMs,
    expiresAtMs: createdAtMs + wholeNumber(values["expires-days"], RELEASE_DAYS, "--expires-days") * DAY_MS,
    minimumVersion: versionOf(values.minimum ?? "0.0.0", "--minimum"),
    schema: {
      fleet: { min: 0, max: FLEET_MIGRATIONS.length },
      node: { min: 0, max: NODE_MIGRATIONS.length },
    },
    files: writeReleaseFiles(out, executables),
  };
  const text = signManifest(manifest, signers, certificates);
  const readable = parseEnvelope(new TextEncoder().encode(text));
  if (!readable.ok) throw new Error(readable.error.message);
  writeReleaseManifest(out, manifest, text, { key, certificate: certificateFor(key.id, certificates) });
  for (const { file, bytes, gzip } of manifest.files) {
    console.log(`${file}: ${(bytes / 1e6).toFixed(1)} MB, packed ${((gzip?.bytes ?? 0) / 1e6).toFixed(1)} MB`);
  }
  console.log(
    `release ${version} (${manifest.channel}) in ${out}, valid until ${new Date(manifest.expiresAtMs).toISOString()}`,
  );
}

function certificateFor(id: string, certificates: readonly CertificateText[]): CertificateText {
  const found = certificates.find((each) => parseCertificate(Buffer.from(each.payload, "base64"))?.id === id);
  if (found === undefined) throw new Error(`none of the certificates is of key ${id}; no node would take this release`);
  return found;
}

function writeCertificate(path: string, text: CertificateText): void {
  writeFileSync(path, `${JSON.stringify(text)}\n`, { flag: "wx" });
}

function readCertificate(path: string): CertificateText {
  // `as`: checked in the next line, as far as a release needs it; the nodes check the rest.
  const text = JSON.parse(readFileSync(path, "utf8")) as CertificateText;
  if (parseCertificate(Buffer.from(text.payload, "base64")) === undefined) throw new Error(`${path} is no certificate`);
  return text;
}

function versionOf(text: string, option: string): Version {
  const version = parseVersion(text);
  if (version === undefined) throw new Error(`${option}: ${text} is no semantic version`);
  return version;
}

function wholeNumber(text: string | undefined, fallback: number, option: string): number {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`${option}: ${text} is no whole number`);
  return value;
}

function needed(value: string | undefined, usage: string): string {
  if (value === undefined) throw new Error(`give ${usage}`);
  return value;
}

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(`sign: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
