import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { REFUSAL_REASONS } from "#watchdog";
import { manifestPayload } from "../../../../src/runtime/signing/envelope.ts";
import { type AcceptanceFacts, acceptRelease } from "../../../../src/watchdog/update/acceptance.ts";
import { decodeBase64, encodeBase64 } from "../../../../src/watchdog/update/base64.ts";
import { checkExecutable } from "../../../../src/watchdog/update/executable.ts";
import type { HistoryRow } from "../../../../src/watchdog/update/history.ts";
import { type Manifest, parseEnvelope, parseManifest } from "../../../../src/watchdog/update/manifest.ts";
import { refuse } from "../../../../src/watchdog/update/refusal.ts";
import { FIRST_RETRY_MS, MAX_RETRY_MS, refuseEarlyRetry } from "../../../../src/watchdog/update/retry-delay.ts";
import { manifestOf, TARGET, v } from "../../../support/releases.ts";

const NOW_MS = 1_700_000_000_000;
const FACTS: AcceptanceFacts = {
  nowMs: NOW_MS,
  target: TARGET,
  floor: v("1.0.0"),
  current: v("1.5.0"),
  channel: null,
  pinned: null,
  schema: { fleet: 2, node: 1 },
  mayBeOlder: false,
};
const manifest = (version: string, change: Partial<Manifest> = {}): Manifest =>
  manifestOf(version, NOW_MS, "content", { manifest: change });
const schema = (min: number, max: number): Manifest["schema"] => ({ fleet: { min, max }, node: { min: 0, max: 9 } });

describe("a signed release", () => {
  const taken: readonly (readonly [string, Manifest, Partial<AcceptanceFacts>])[] = [
    ["newer than what runs", manifest("1.5.1"), {}],
    ["of the channel and the version that are wanted", manifest("2.0.0"), { channel: "stable", pinned: v("2.0.0") }],
    ["older, when that is wanted", manifest("1.4.0"), { mayBeOlder: true }],
    ["on the floor", manifest("1.0.0"), { mayBeOlder: true }],
    ["the first on this node", manifest("0.1.0"), { current: null, floor: null, schema: { fleet: null, node: null } }],
  ];
  it.each(taken)("is taken: %s", (_what, release, change) => {
    expect(acceptRelease(release, { ...FACTS, ...change })).toMatchObject({ ok: true, value: { target: TARGET } });
  });

  const refused: readonly (readonly [string, string, Manifest, Partial<AcceptanceFacts>])[] = [
    ["expired", "manifest_expired", manifest("2.0.0", { expiresAtMs: NOW_MS }), {}],
    ["without a file for this machine", "target_wrong", manifest("2.0.0"), { target: "linux-arm64" }],
    ["that forbids itself", "malformed", manifest("2.0.0", { minimumVersion: v("2.0.1") }), {}],
    ["older than what runs", "replay", manifest("1.4.9"), {}],
    ["that runs already", "replay", manifest("1.5.0"), { mayBeOlder: true }],
    ["below the floor", "below_floor", manifest("0.9.0"), { mayBeOlder: true }],
    ["of another channel", "channel_wrong", manifest("2.0.0"), { channel: "beta" }],
    ["that is not the pinned one", "not_pinned", manifest("2.0.0"), { pinned: v("1.6.0") }],
    ["that cannot open a database so new", "schema_too_old", manifest("2.0.0", { schema: schema(0, 1) }), {}],
    ["that cannot open a database so old", "schema_too_old", manifest("2.0.0", { schema: schema(3, 9) }), {}],
  ];
  it.each(refused)("is refused: %s (%s)", (_what, reason, release, change) => {
    expect(acceptRelease(release, { ...FACTS, ...change })).toMatchObject({ ok: false, error: { reason } });
  });
});

describe("a manifest", () => {
  it("is read as it was written", () => {
    const written = manifestOf("1.2.3-beta.1", NOW_MS, "content", { gzip: true });

    expect(parseManifest(manifestPayload(written))).toEqual({ ok: true, value: written });
  });

  const fields = (change: Readonly<Record<string, unknown>>): Uint8Array => {
    // `as`: the payload is an object, as manifestPayload has just written it.
    const whole = JSON.parse(new TextDecoder().decode(manifestPayload(manifest("1.0.0")))) as Record<string, unknown>;
    return new TextEncoder().encode(JSON.stringify({ ...whole, ...change }));
  };
  const file = { target: TARGET, file: "drover", bytes: 1, sha256: "0".repeat(64) };
  it.each([
    ["another product", { name: "other" }, "name"],
    ["a version that is none", { version: "1.0" }, "version is not a semantic version"],
    ["a path as a file", { files: [{ ...file, file: "../drover" }] }, "files.0.file"],
    ["an absolute path as a file", { files: [{ ...file, file: "/etc/passwd" }] }, "files.0.file"],
    ["a hidden file", { files: [{ ...file, file: ".profile" }] }, "files.0.file"],
    ["a path as a packed file", { files: [{ ...file, gzip: { ...file, file: "a/b" } }] }, "files.0.gzip.file"],
    ["a file without a size", { files: [{ ...file, bytes: 0 }] }, "files.0.bytes"],
    ["a file over the limit", { files: [{ ...file, bytes: 2 ** 31 }] }, "files.0.bytes"],
    ["half a byte", { files: [{ ...file, bytes: 1.5 }] }, "files.0.bytes"],
    ["a hash that is none", { files: [{ ...file, sha256: "0".repeat(63) }] }, "files.0.sha256"],
    ["files that are no list", { files: file }, "files is not a list"],
    ["an instant out of range", { expiresAtMs: 1e17 }, "expiresAtMs"],
    ["a range the wrong way round", { schema: { fleet: [2, 1], node: [0, 1] } }, "schema.fleet"],
    ["no range", { schema: { fleet: [1], node: [0, 1] } }, "schema.fleet"],
  ])("with %s is refused, and the field is named", (_what, change, said) => {
    const parsed = parseManifest(fields(change));

    expect(parsed).toMatchObject({ ok: false, error: { reason: "malformed" } });
    expect(parsed.ok ? "" : parsed.error.message).toContain(said);
  });

  it("may say more than this version knows", () => {
    expect(parseManifest(fields({ notes: "https://example.org" })).ok).toBe(true);
  });

  it("never makes its reader throw, whatever the bytes are", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => new TextEncoder().encode(text)),
        ),
        (bytes) => {
          expect(parseManifest(bytes).ok).toBe(false);
          expect(parseEnvelope(bytes).ok).toBe(false);
        },
      ),
    );
  });
});

describe("base64", () => {
  it("gives back what was written, and knows one text for each value", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes);
      }),
    );

    expect(decodeBase64("AB==")).toBeUndefined();
    expect(decodeBase64("AA=\n")).toBeUndefined();
  });
});

describe("a refusal", () => {
  it.each(REFUSAL_REASONS)("for %s says what to do", (reason) => {
    const { remedy = "", message, code } = refuse(reason, "found");

    expect({ message, hasCode: code.length > 0 }).toEqual({ message: "found", hasCode: true });
    expect(remedy.length).toBeGreaterThan(20);
  });
});

describe("the header of an executable", () => {
  const header = (change: Readonly<Record<number, number>> = {}): Uint8Array => {
    const bytes = new Uint8Array(20);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    bytes[16] = 3;
    bytes[18] = 62;
    for (const [at, value] of Object.entries(change)) bytes[Number(at)] = value;
    return bytes;
  };
  const cases: readonly (readonly [string, Uint8Array, string, string | undefined])[] = [
    ["x64 on x64", header(), "linux-x64", undefined],
    ["x64, not position independent", header({ 16: 2 }), "linux-x64-musl", undefined],
    ["arm64 on arm64", header({ 18: 183 }), "linux-arm64", undefined],
    ["anything on another system", new Uint8Array(), "darwin-arm64", undefined],
    ["x64 on arm64", header(), "linux-arm64", "target_wrong"],
    ["arm64 on x64", header({ 18: 183 }), "linux-x64", "target_wrong"],
    ["a script", new TextEncoder().encode("#!/bin/sh\nexit 0; # long enough"), "linux-x64", "not_executable"],
    ["an empty file", new Uint8Array(), "linux-x64", "not_executable"],
    ["32 bits", header({ 4: 1 }), "linux-x64", "not_executable"],
    ["an object file", header({ 16: 1 }), "linux-x64", "not_executable"],
  ];
  it.each(cases)("%s", (_what, bytes, target, reason) => {
    expect(checkExecutable(bytes, target)?.reason).toBe(reason);
  });
});

describe("a version that failed", () => {
  const row = (endedAtMs: number, result: HistoryRow["result"], change: Partial<HistoryRow> = {}): HistoryRow => ({
    id: `${endedAtMs}`,
    kind: "update",
    version: v("2.0.0"),
    from: v("1.0.0"),
    askedBy: "a test",
    startedAtMs: endedAtMs,
    endedAtMs,
    result,
    reason: "it ended with 1",
    steps: [],
    checks: [],
    ...change,
  });
  const waits = (rows: readonly HistoryRow[], nowMs: number): boolean =>
    refuseEarlyRetry(v("2.0.0"), rows, nowMs) !== undefined;

  it("waits twice as long after each failure, to a day at most", () => {
    const rows: HistoryRow[] = [];
    for (let failures = 1; failures <= 12; failures += 1) {
      rows.push(row(NOW_MS, failures % 2 === 0 ? "rolledBack" : "abandoned"));
      const waitMs = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), MAX_RETRY_MS);

      expect(waits(rows, NOW_MS + waitMs - 1)).toBe(true);
      expect(waits(rows, NOW_MS + waitMs)).toBe(false);
    }
  });

  it("waits for its own failures alone", () => {
    const others = [
      row(NOW_MS, "rolledBack", { version: v("1.9.0") }),
      row(NOW_MS, "rolledBack", { kind: "rollback" }),
    ];

    expect(waits(others, NOW_MS)).toBe(false);
    expect(waits([row(NOW_MS, "refused")], NOW_MS)).toBe(false);
    expect(waits([row(NOW_MS - 1, "rolledBack"), row(NOW_MS, "committed")], NOW_MS)).toBe(false);
  });

  it("does not wait for a failure that the clock puts into the future", () => {
    expect(waits([row(NOW_MS + 1, "rolledBack")], NOW_MS)).toBe(false);
  });
});
