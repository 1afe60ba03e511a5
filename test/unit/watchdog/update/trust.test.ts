import { describe, expect, it } from "vitest";
import { parseRootKeys } from "#watchdog";
import { type CertificateText, certify, signManifest } from "../../../../src/runtime/signing/envelope.ts";
import { makeKey, type PrivateKey, publicText } from "../../../../src/runtime/signing/keys.ts";
import { verifyEd25519 } from "../../../../src/watchdog/update/io/ed25519.ts";
import { parseEnvelope } from "../../../../src/watchdog/update/manifest.ts";
import { checkTrust, keyIdOf, NEW_TRUST, type TrustMemory } from "../../../../src/watchdog/update/trust.ts";
import { manifestOf } from "../../../support/releases.ts";

const NOW_MS = 1_700_000_000_000;
const LATER_MS = NOW_MS + 1_000;
const [root, otherRoot, key, newKey] = [makeKey(), makeKey(), makeKey(), makeKey()];

type Certify = { serial?: number; notAfterMs?: number; revoked?: readonly string[] };
const certificate = (of: PrivateKey, { serial = 1, notAfterMs = LATER_MS, revoked = [] }: Certify = {}, by = root) =>
  certify(by, { publicKey: of.publicKey, notAfterMs, serial, revoked });

function check(
  keys: readonly PrivateKey[],
  certificates: readonly CertificateText[],
  {
    memory = NEW_TRUST,
    roots = [root],
    tamper = false,
  }: { memory?: TrustMemory; roots?: PrivateKey[]; tamper?: boolean } = {},
) {
  const text = signManifest(manifestOf("1.0.0", NOW_MS, "x"), keys, certificates);
  const envelope = parseEnvelope(new TextEncoder().encode(text));
  if (!envelope.ok) throw new Error(envelope.error.message);
  if (tamper) envelope.value.payload[100] = (envelope.value.payload[100] ?? 0) ^ 1;
  return checkTrust(envelope.value, { roots, memory, nowMs: NOW_MS, verify: verifyEd25519 });
}

function reasonOf(checked: ReturnType<typeof check>): string {
  return checked.signer.ok ? `signed by ${checked.signer.value.id}` : checked.signer.error.reason;
}

describe("a signed manifest", () => {
  it("is trusted through a certificate of a known root", () => {
    expect(reasonOf(check([key], [certificate(key)]))).toBe(`signed by ${key.id}`);
  });

  it("is trusted when one of two signatures is good (T5)", () => {
    expect(reasonOf(check([newKey, key], [certificate(key)]))).toBe(`signed by ${key.id}`);
  });

  const forged = certificate(key, {}, otherRoot);
  const refusals: readonly (readonly [string, string, () => ReturnType<typeof check>])[] = [
    ["without any root", "no_roots", () => check([key], [certificate(key)], { roots: [] })],
    ["without a signature", "signature_missing", () => check([], [certificate(key)])],
    ["changed after it was signed", "signature_wrong", () => check([key], [certificate(key)], { tamper: true })],
    ["without the certificate of its key", "key_unknown", () => check([key], [])],
    ["certified by a root that is not known (T1)", "key_unknown", () => check([key], [forged])],
    [
      "whose certificate names a known root but is signed by another (T1)",
      "key_unknown",
      () => check([key], [{ ...forged, root: root.id }]),
    ],
    ["signed by the root itself", "key_unknown", () => check([root], [certificate(root)])],
    [
      "whose certificate has expired (T4)",
      "key_expired",
      () => check([key], [certificate(key, { notAfterMs: NOW_MS })]),
    ],
    [
      "whose key another certificate of the same manifest revokes (T2)",
      "key_revoked",
      () => check([key], [certificate(key), certificate(newKey, { serial: 2, revoked: [key.id] })]),
    ],
    [
      "whose key was revoked by an expired certificate (T2)",
      "key_revoked",
      () => check([key], [certificate(key), certificate(newKey, { notAfterMs: 1, revoked: [key.id] })]),
    ],
    [
      "whose key was revoked before (T2)",
      "key_revoked",
      () => check([key], [certificate(key)], { memory: { serials: {}, revoked: [key.id] } }),
    ],
    [
      "with an older certificate than was seen of its key (T3)",
      "key_unknown",
      () => check([key], [certificate(key, { serial: 4 })], { memory: { serials: { [key.id]: 5 }, revoked: [] } }),
    ],
  ];
  it.each(refusals)("is refused %s: %s", (_what, reason, act) => {
    expect(reasonOf(act())).toBe(reason);
  });

  it("is not revoked by a certificate that no known root signed", () => {
    const hostile = certificate(newKey, { revoked: [key.id] }, otherRoot);

    const { memory, signer } = check([key], [certificate(key), hostile]);

    expect(signer.ok).toBe(true);
    expect(memory.revoked).toEqual([]);
  });

  it("teaches revocations and serials even when it is refused itself, and nothing is ever forgotten (T2, T3)", () => {
    const before: TrustMemory = { serials: { [key.id]: 9 }, revoked: ["a".repeat(32)] };

    const { memory, signer } = check([key], [certificate(key), certificate(newKey, { serial: 3, revoked: [key.id] })], {
      memory: before,
    });

    expect(signer.ok).toBe(false);
    expect(memory.revoked).toEqual([key.id, "a".repeat(32)].sort());
    expect(memory.serials).toEqual({ [key.id]: 9, [newKey.id]: 3 });
  });

  it("rotates: the new key signs under the same root while the old one is withdrawn", () => {
    const { memory, signer } = check([newKey], [certificate(newKey, { serial: 2, revoked: [key.id] })]);

    expect(signer.ok && signer.value.id).toBe(newKey.id);
    expect(reasonOf(check([key], [certificate(key)], { memory }))).toBe("key_revoked");
  });
});

describe("a root key", () => {
  it("is 32 bytes in base64, and is named by its own bytes", () => {
    const parsed = parseRootKeys([publicText(root.publicKey)]);

    expect(parsed).toEqual({ ok: true, value: [{ id: keyIdOf(root.publicKey), publicKey: root.publicKey }] });
  });

  it.each(["", "x", "AAAA", "A".repeat(43), "not base64 at all, but as long as one !!"])("is not %j", (text) => {
    expect(parseRootKeys([text])).toEqual({ ok: false, error: text });
  });
});
