/**
 * The manifest of a release: an envelope with the signed bytes, their signatures, and the certificates of the keys
 * that signed. The payload is read only after its signature was checked. `build/sign.ts` writes both.
 */
import { err, ok, type Result } from "#base";
import { FieldReader } from "./field-reader.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { parseVersion, type Version } from "./version.ts";

/** A manifest with every target and some certificates takes a few kilobytes. */
export const MAX_MANIFEST_BYTES = 256 * 1024;
/** The executable is some 110 MB; this leaves room to grow, and none for an endless download. */
export const MAX_RELEASE_BYTES = 1024 * 1024 * 1024;
/** More signers of one release than there are people who make releases. */
export const MAX_SIGNATURES = 8;
export const MAX_CERTIFICATES = 16;
/** Eight targets are built today. */
const MAX_FILES = 64;
const MAX_SCHEMA = 1_000_000;
/** The last instant that a Date can hold. */
export const MAX_INSTANT_MS = 8_640_000_000_000_000;
export const KEY_ID = /^[0-9a-f]{32}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const SHA256 = /^[0-9a-f]{64}$/;
const ANY = /^[\s\S]*$/;
const MAX_NAME_CHARS = 128;
const SIGNATURE_BYTES = 64;

export type Signature = { readonly key: string; readonly signature: Uint8Array };
export type SignedCertificate = { readonly payload: Uint8Array; readonly root: string; readonly signature: Uint8Array };
export type Envelope = {
  readonly payload: Uint8Array;
  readonly signatures: readonly Signature[];
  readonly certificates: readonly SignedCertificate[];
};

/** A file as it lies beside the manifest. */
export type StoredFile = { readonly file: string; readonly bytes: number; readonly sha256: string };
export type ReleaseFile = StoredFile & { readonly target: string; readonly gzip: StoredFile | null };
/** Lowest and highest number of migrations that a release can open a database with. */
export type SchemaRange = { readonly min: number; readonly max: number };

export type Manifest = {
  readonly version: Version;
  readonly channel: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** No older version may run once this release has passed its probation. */
  readonly minimumVersion: Version;
  readonly schema: { readonly fleet: SchemaRange; readonly node: SchemaRange };
  readonly files: readonly ReleaseFile[];
};

/** Reads `manifest.json`, at most {@link MAX_MANIFEST_BYTES} of it. Says nothing about trust. */
export function parseEnvelope(bytes: Uint8Array): Result<Envelope, Refusal> {
  if (bytes.length > MAX_MANIFEST_BYTES)
    return err(refuse("malformed", `manifest.json is over ${MAX_MANIFEST_BYTES} bytes`));
  const reader = FieldReader.ofJson(new TextDecoder().decode(bytes));
  reader.integer("format", 1, 1);
  const envelope: Envelope = {
    payload: reader.base64("payload", MAX_MANIFEST_BYTES),
    signatures: reader
      .objects("signatures", MAX_SIGNATURES)
      .map((each) => ({ key: each.text("key", KEY_ID, 32), signature: each.base64("signature", SIGNATURE_BYTES) })),
    certificates: reader.objects("certificates", MAX_CERTIFICATES).map((each) => ({
      payload: each.base64("payload", MAX_MANIFEST_BYTES),
      root: each.text("root", KEY_ID, 32),
      signature: each.base64("signature", SIGNATURE_BYTES),
    })),
  };
  return reader.fault === undefined ? ok(envelope) : err(refuse("malformed", `manifest.json: ${reader.fault}`));
}

/** Reads the signed bytes of an envelope. */
export function parseManifest(payload: Uint8Array): Result<Manifest, Refusal> {
  const reader = FieldReader.ofJson(new TextDecoder().decode(payload));
  reader.text("name", /^drover$/, 6);
  const schema = reader.object("schema");
  const manifest: Manifest = {
    version: readVersion(reader, "version"),
    channel: reader.text("channel", NAME, MAX_NAME_CHARS),
    createdAtMs: reader.integer("createdAtMs", 0, MAX_INSTANT_MS),
    expiresAtMs: reader.integer("expiresAtMs", 0, MAX_INSTANT_MS),
    minimumVersion: readVersion(reader, "minimumVersion"),
    schema: { fleet: readRange(schema, "fleet"), node: readRange(schema, "node") },
    files: reader.objects("files", MAX_FILES).map((each) => ({
      target: each.text("target", NAME, MAX_NAME_CHARS),
      ...readStoredFile(each),
      gzip: each.has("gzip") ? readStoredFile(each.object("gzip")) : null,
    })),
  };
  if (reader.fault !== undefined) return err(refuse("malformed", `the manifest's payload: ${reader.fault}`));
  return ok(manifest);
}

/** @returns the version under `name`; a fault is remembered by the reader, and the value then means nothing. */
export function readVersion(reader: FieldReader, name: string): Version {
  const text = reader.text(name, ANY, MAX_NAME_CHARS);
  const version = parseVersion(text);
  if (version === undefined)
    reader.complain(name, `is not a semantic version (such as 1.2.3 or 1.2.3-beta.1): ${text}`);
  return version ?? (text as Version); // `as`: never used, the reader has a fault
}

function readRange(reader: FieldReader, name: string): SchemaRange {
  const [min, max] = reader.range(name, MAX_SCHEMA);
  return { min, max };
}

/** A name, never a path: what is written stays in its folder, and what is fetched lies beside the manifest. */
function readStoredFile(reader: FieldReader): StoredFile {
  return {
    file: reader.text("file", NAME, MAX_NAME_CHARS),
    bytes: reader.integer("bytes", 1, MAX_RELEASE_BYTES),
    sha256: reader.text("sha256", SHA256, 64),
  };
}
