/**
 * Whether a release comes from somebody whom the roots trust: root → certificate → signing key → payload.
 *
 * - T1: a certificate counts only if a known root signed exactly its bytes.
 * - T2: a key that any counted certificate ever revoked signs nothing, on this node for ever: what was revoked is
 *   remembered, and the memory only grows. A revocation outlives the expiry of the certificate that carries it.
 * - T3: of one key only the certificate with the highest serial counts, here or remembered; an older one is refused.
 * - T4: a signature counts only until its key's certificate expires.
 * - T5: one good signature is enough; without one, the reason is that of the signature which came nearest.
 */
import { err, ok, type Result } from "#base";
import { decodeBase64 } from "./base64.ts";
import { FieldReader } from "./field-reader.ts";
import { type Envelope, KEY_ID, MAX_INSTANT_MS, type Signature, type SignedCertificate } from "./manifest.ts";
import { type Refusal, type RefusalReason, refuse } from "./refusal.ts";

const PUBLIC_KEY_BYTES = 32;
/** A publisher who revoked more keys than this makes a new root. */
const MAX_REVOKED = 256;
const MAX_SERIAL = Number.MAX_SAFE_INTEGER;

/** An Ed25519 public key that is trusted by itself. */
export type RootKey = { readonly id: string; readonly publicKey: Uint8Array };

/** What a root says of a signing key. */
export type Certificate = {
  readonly id: string;
  readonly publicKey: Uint8Array;
  readonly notAfterMs: number;
  readonly serial: number;
  readonly revoked: readonly string[];
};

/** What was learned from certificates seen so far; kept beside the releases. */
export type TrustMemory = {
  /** Highest serial seen of each key. */
  readonly serials: Readonly<Record<string, number>>;
  readonly revoked: readonly string[];
};
export const NEW_TRUST: TrustMemory = { serials: {}, revoked: [] };

/** Checks an Ed25519 signature (RFC 8032). False for keys and signatures that are none. */
export type Verify = (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => boolean;

export type TrustFacts = {
  readonly roots: readonly RootKey[];
  readonly memory: TrustMemory;
  readonly nowMs: number;
  readonly verify: Verify;
};

/** The name of a key: the first half of the key itself, so that a name cannot be given to another key. */
export function keyIdOf(publicKey: Uint8Array): string {
  return [...publicKey.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Reads public keys of roots, each 32 bytes in base64. @returns the text that is none as the error. */
export function parseRootKeys(texts: readonly string[]): Result<readonly RootKey[], string> {
  const roots: RootKey[] = [];
  for (const text of texts) {
    const publicKey = decodeBase64(text.trim());
    if (publicKey?.length !== PUBLIC_KEY_BYTES) return err(text);
    roots.push({ id: keyIdOf(publicKey), publicKey });
  }
  return ok(roots);
}

/** @returns whose signature counts, and what is to be remembered from now on, also when none does. */
export function checkTrust(
  envelope: Envelope,
  facts: TrustFacts,
): { readonly memory: TrustMemory; readonly signer: Result<Certificate, Refusal> } {
  if (facts.roots.length === 0) {
    return {
      memory: facts.memory,
      signer: err(refuse("no_roots", "this drover knows no root key, so it can check no release")),
    };
  }
  const certificates = envelope.certificates.flatMap((signed) => countedCertificate(signed, facts));
  const memory = remember(facts.memory, certificates);
  const verdicts = envelope.signatures.map((signature) => judge(signature, envelope, certificates, memory, facts));
  return { memory, signer: best(verdicts) };
}

/** T1; also refuses that a root certifies a root, which would make one signature mean two things. */
function countedCertificate(signed: SignedCertificate, facts: TrustFacts): readonly Certificate[] {
  const root = facts.roots.find(({ id }) => id === signed.root);
  if (root === undefined || !facts.verify(root.publicKey, signed.payload, signed.signature)) return [];
  const certificate = parseCertificate(signed.payload);
  if (certificate === undefined || facts.roots.some(({ id }) => id === certificate.id)) return [];
  return [certificate];
}

/** @returns undefined when the bytes are no certificate, or name the key by another name than its own. */
export function parseCertificate(payload: Uint8Array): Certificate | undefined {
  const reader = FieldReader.ofJson(new TextDecoder().decode(payload));
  const certificate: Certificate = {
    id: reader.text("id", KEY_ID, 32),
    publicKey: reader.base64("publicKey", PUBLIC_KEY_BYTES),
    notAfterMs: reader.integer("notAfterMs", 0, MAX_INSTANT_MS),
    serial: reader.integer("serial", 0, MAX_SERIAL),
    revoked: reader.has("revoked") ? reader.texts("revoked", KEY_ID, 32, MAX_REVOKED) : [],
  };
  if (certificate.publicKey.length !== PUBLIC_KEY_BYTES || keyIdOf(certificate.publicKey) !== certificate.id)
    return undefined;
  return reader.fault === undefined ? certificate : undefined;
}

/** T2, T3. */
function remember(memory: TrustMemory, certificates: readonly Certificate[]): TrustMemory {
  const serials: Record<string, number> = { ...memory.serials };
  for (const { id, serial } of certificates) serials[id] = Math.max(serials[id] ?? 0, serial);
  const revoked = [...new Set([...memory.revoked, ...certificates.flatMap((each) => each.revoked)])].sort();
  return { serials, revoked };
}

function judge(
  { key, signature }: Signature,
  envelope: Envelope,
  certificates: readonly Certificate[],
  memory: TrustMemory,
  facts: TrustFacts,
): Result<Certificate, Refusal> {
  if (memory.revoked.includes(key)) return err(refuse("key_revoked", `signing key ${key} was revoked`));
  const certificate = certificates.find(({ id, serial }) => id === key && serial === memory.serials[id]);
  if (certificate === undefined) return err(unknownKey(key, certificates, facts));
  if (!facts.verify(certificate.publicKey, envelope.payload, signature)) {
    return err(refuse("signature_wrong", `the signature of key ${key} does not fit the manifest`));
  }
  if (certificate.notAfterMs <= facts.nowMs) {
    return err(refuse("key_expired", `the certificate of key ${key} expired at ${instant(certificate.notAfterMs)}`));
  }
  return ok(certificate);
}

function unknownKey(key: string, certificates: readonly Certificate[], facts: TrustFacts): Refusal {
  const older = certificates.some(({ id }) => id === key);
  const roots = facts.roots.map(({ id }) => id.slice(0, 8)).join(", ");
  return refuse(
    "key_unknown",
    older
      ? `the certificate of key ${key} was replaced by a newer one that this node has seen`
      : `signing key ${key} is certified by none of the roots of this node (${roots})`,
  );
}

/** T5: the later in this list, the nearer to a good signature. */
const NEARNESS: readonly RefusalReason[] = [
  "signature_missing",
  "key_unknown",
  "signature_wrong",
  "key_expired",
  "key_revoked",
];

function best(verdicts: readonly Result<Certificate, Refusal>[]): Result<Certificate, Refusal> {
  let nearest = refuse("signature_missing", "the manifest has no signature");
  for (const verdict of verdicts) {
    if (verdict.ok) return verdict;
    if (NEARNESS.indexOf(verdict.error.reason) > NEARNESS.indexOf(nearest.reason)) nearest = verdict.error;
  }
  return err(nearest);
}

export function instant(atMs: number): string {
  return new Date(atMs).toISOString();
}
