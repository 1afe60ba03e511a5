/** Whether releases can be taken and which one runs: keys, expiry, a swap under way, and what became of the last one. */
import { existsSync, lstatSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "#cli";
import {
  type HistoryRow,
  type Journal,
  parseCertificate,
  parseEnvelope,
  parseManifest,
  parseRootKeys,
  readHistory,
  readJournal,
} from "#watchdog";
import { compiledRootKeys } from "../root-keys.ts";
import { finding } from "./finding.ts";
import { readOptional } from "./proc.ts";

export type ReleaseFacts = {
  /** Compiled in and configured; or which one is none. */
  readonly roots:
    | { readonly kind: "known"; readonly count: number }
    | { readonly kind: "bad"; readonly reason: string };
  /** The release that `current` leads to; null without one. */
  readonly current: {
    readonly version: string;
    readonly isThere: boolean;
    /** Of its manifest and of the certificate that it was signed under; null where it has none. */
    readonly expiresAtMs: number | null;
    readonly certificateExpiresAtMs: number | null;
  } | null;
  readonly journal: Journal | "damaged" | null;
  readonly last: HistoryRow | null;
  readonly isWatched: boolean;
  readonly nowMs: number;
};

/** A publisher who renews in time has published a release under the new certificate by then. */
const SOON_MS = 30 * 24 * 3_600_000;
const day = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10);

export function releaseFindings(facts: ReleaseFacts): readonly Finding[] {
  return [...keyFindings(facts), ...swapFindings(facts)];
}

function keyFindings({ roots, current, nowMs }: ReleaseFacts): readonly Finding[] {
  if (roots.kind === "bad") {
    const remedy = "Correct update.public_keys: each is 32 bytes in base64, as build/sign.ts keys writes them";
    return [finding("signature keys", "fail", roots.reason, remedy)];
  }
  if (roots.count === 0) {
    const detail = "no root is compiled in and none is configured, so no release can be checked and none is taken";
    const remedy = "Set update.public_keys to the publisher's root.pub, or install an executable of the publisher";
    return [finding("signature keys", "warn", detail, remedy)];
  }
  const certificateMs = current?.certificateExpiresAtMs ?? null;
  if (certificateMs !== null && certificateMs < nowMs + SOON_MS) {
    const detail = `the certificate that the current release was signed under ends on ${day(certificateMs)}`;
    return [
      finding("signature keys", "warn", detail, "Take a release that was signed under a newer one: drover update"),
    ];
  }
  const manifestMs = current?.expiresAtMs ?? null;
  if (manifestMs !== null && manifestMs < nowMs) {
    const detail = `the manifest of the current release expired on ${day(manifestMs)}: there should be a newer one`;
    return [finding("signature keys", "warn", detail, "Take it: drover update")];
  }
  return [finding("signature keys", "ok", `${roots.count} known`)];
}

function swapFindings({ current, journal, last, isWatched }: ReleaseFacts): readonly Finding[] {
  if (journal === "damaged") {
    const detail = "releases/journal.json cannot be understood; the next start sets it aside";
    return [finding("releases", "warn", detail, "Start again, then look at what runs: drover releases")];
  }
  if (journal !== null) {
    const detail = `a swap to ${journal.version} is under way: ${journal.step}`;
    return isWatched
      ? [finding("releases", "warn", detail, "Follow it: drover releases")]
      : [finding("releases", "warn", `${detail}; it was interrupted`, "The next start ends it: drover up")];
  }
  if (current !== null && !current.isThere) {
    const detail = `release ${current.version}, which is to run, is missing; the next start takes another`;
    return [
      finding("releases", "fail", detail, "Go back with: drover rollback, or install another: drover update FILE"),
    ];
  }
  if (last !== null && (last.result === "rolledBack" || last.result === "abandoned")) {
    const word = last.result === "rolledBack" ? "was rolled back" : "was abandoned before it ran";
    const detail = `the last try, release ${last.version ?? "?"}, ${word}: ${last.reason ?? "no reason is known"}`;
    return [finding("releases", "warn", detail, "When the cause is gone: drover update --again")];
  }
  return [finding("releases", "ok", current === null ? "this executable runs" : `${current.version} is current`)];
}

/** Kept to its newest rows by the watchdog; this is far above what it lets it grow to. */
const MAX_HISTORY_BYTES = 64 * 1024 * 1024;

export function lookAtReleases(
  stateDir: string,
  configuredKeys: readonly string[],
  now: { readonly nowMs: number; readonly isWatched: boolean },
): ReleaseFacts {
  const folder = join(stateDir, "releases");
  const journal = readOptional(join(folder, "journal.json"));
  const historyPath = join(folder, "history.ndjson");
  const size = existsSync(historyPath) ? lstatSync(historyPath).size : 0;
  const history = size > 0 && size <= MAX_HISTORY_BYTES ? readHistory(readFileSync(historyPath, "utf8")) : [];
  return {
    roots: rootsOf(configuredKeys),
    current: currentIn(folder),
    journal: journal === undefined ? null : (readJournal(journal) ?? "damaged"),
    last: history.at(-1) ?? null,
    ...now,
  };
}

function rootsOf(configuredKeys: readonly string[]): ReleaseFacts["roots"] {
  const compiled = compiledRootKeys();
  if (!compiled.ok) return { kind: "bad", reason: compiled.error.message };
  const configured = parseRootKeys(configuredKeys);
  return configured.ok
    ? { kind: "known", count: compiled.value.length + configured.value.length }
    : { kind: "bad", reason: `update.public_keys: ${configured.error} is no key` };
}

function currentIn(folder: string): ReleaseFacts["current"] {
  const link = join(folder, "current");
  if (lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return null;
  const version = readlinkSync(link);
  const isThere = existsSync(join(folder, version, "drover"));
  const path = join(folder, version, "manifest.json");
  const envelope = existsSync(path) ? parseEnvelope(readFileSync(path)) : undefined;
  if (envelope?.ok !== true) return { version, isThere, expiresAtMs: null, certificateExpiresAtMs: null };
  const { payload, signatures, certificates } = envelope.value;
  const manifest = parseManifest(payload);
  const ends = certificates
    .flatMap((signed) => parseCertificate(signed.payload) ?? [])
    .filter(({ id }) => signatures.some(({ key }) => key === id))
    .map(({ notAfterMs }) => notAfterMs);
  return {
    version,
    isThere,
    expiresAtMs: manifest.ok ? manifest.value.expiresAtMs : null,
    certificateExpiresAtMs: ends.length === 0 ? null : Math.max(...ends),
  };
}
