/** Ten kinds of bad release, each a real executable, and what must become of it while clients go on asking. */
import {
  closeSync,
  copyFileSync,
  openSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../../support/wait-until.ts";
import { type Release, type ReleaseShop, readManifest } from "./release-shop.ts";
import type { Swapping } from "./swapping.ts";

type Kind = {
  readonly name: string;
  readonly make: (version: string, parts: BadParts) => Release;
  readonly result: "refused" | "rolledBack";
  readonly reason: RegExp;
  /** Nothing is believed of a manifest whose signature is wrong, its version included. */
  readonly isNameless?: true;
  /** It served before it crashed: connections that it had accepted are cut, and no watchdog can prevent that. */
  readonly cuts?: true;
};

export type BadParts = {
  readonly shop: ReleaseShop;
  /** Compiled from faulty-release-main.ts. */
  readonly faulty: string;
  /** Release A, which ran before. */
  readonly old: Release;
};

export type BadReport = {
  readonly kind: string;
  readonly result: string;
  readonly reason: string | null;
  readonly answered: number;
  /** Requests without their answer, and those of them that the bad release itself had accepted and cut. */
  readonly failures: Readonly<Record<string, number>>;
  readonly tookMs: number;
  readonly maxMs: number;
  /** What is not as it must be. */
  readonly faults: readonly string[];
};

/** Offset of `e_machine` in an ELF header, and the number of AArch64 and of x86-64 there. */
const MACHINE_AT = 18;
const [AARCH64, X86_64] = [183, 62];
/** What a client sees of a connection that the process at its other end took with it. */
const CUT = new Set(["ECONNRESET", "EPIPE", "closed before the answer"]);

const misbehaving = (version: string, { shop, faulty }: BadParts): Release => shop.release(version, faulty);

export const BAD_KINDS: readonly Kind[] = [
  {
    name: "bad-signature",
    make: (version, parts) => withChangedSignature(misbehaving(version, parts)),
    result: "refused",
    reason: /signature of key .* does not fit/,
    isNameless: true,
  },
  {
    name: "truncated",
    make: (version, parts) =>
      withOwnFile(misbehaving(version, parts), parts, (path, bytes) => truncateSync(path, bytes / 2)),
    result: "refused",
    reason: /ends after \d+ of \d+ bytes/,
  },
  {
    name: "wrong-architecture",
    make: (version, { shop, faulty }) => {
      const foreign = `${faulty}-foreign`;
      copyFileSync(faulty, foreign);
      const machine = process.arch === "arm64" ? X86_64 : AARCH64;
      const descriptor = openSync(foreign, "r+");
      writeSync(descriptor, new Uint8Array([machine, 0]), 0, 2, MACHINE_AT);
      closeSync(descriptor);
      return shop.release(version, foreign);
    },
    result: "refused",
    reason: /ELF machine/,
  },
  { name: "exits", make: misbehaving, result: "rolledBack", reason: /not ready: it ended with exit code 3/ },
  { name: "killed", make: misbehaving, result: "rolledBack", reason: /not ready: .*SIGKILL/ },
  { name: "hangs", make: misbehaving, result: "rolledBack", reason: /not ready after \d+ ms/ },
  { name: "slow", make: misbehaving, result: "rolledBack", reason: /not ready after \d+ ms/ },
  {
    name: "crashes",
    make: misbehaving,
    result: "rolledBack",
    reason: /on probation: it was started \d times/,
    cuts: true,
  },
  { name: "fails", make: misbehaving, result: "rolledBack", reason: /on probation: it failed \d+ of \d+ requests/ },
  { name: "replay", make: (_version, { old }) => old, result: "refused", reason: /is older than/ },
];

/** Tries all kinds one after another on a node that runs `running`, newer than the old release of `parts`. */
export async function tryBadReleases(
  swapping: Swapping,
  running: Release,
  parts: BadParts,
  said: (report: BadReport) => void,
): Promise<readonly BadReport[]> {
  const reports: BadReport[] = [];
  for (const [index, kind] of BAD_KINDS.entries()) {
    const release = kind.make(`9.0.${index}-${kind.name}`, parts);
    const report = await tryBad(swapping, running, kind, release);
    said(report);
    reports.push(report);
  }
  return reports;
}

async function tryBad(swapping: Swapping, running: Release, kind: Kind, release: Release): Promise<BadReport> {
  const before = swapping.link;
  const load = swapping.load();
  const beganMs = performance.now();
  const row = await swapping.attempt({ from: release.folder });
  const tookMs = performance.now() - beganMs;
  const answeredSoFar = load.answered;
  await waitUntil("the old release answers", () => load.answered > answeredSoFar);
  const { current } = await swapping.releases();
  const { version } = await swapping.watchdog();
  const { answered, failures, maxMs } = await load.stop();
  const faults: string[] = [];
  const expect = (isSo: boolean, otherwise: string): void => {
    if (!isSo) faults.push(otherwise);
  };
  expect(row.version === (kind.isNameless === true ? null : release.version), `the newest row is of ${row.version}`);
  expect(row.result === kind.result, `it was ${row.result} instead of ${kind.result}`);
  expect(kind.reason.test(row.reason ?? ""), `the reason is ${row.reason}`);
  expect(swapping.link === before && before === running.version, `current led to ${before}, then to ${swapping.link}`);
  expect(current === running.version && version === running.version, `${current} runs below watchdog ${version}`);
  for (const [failure, count] of Object.entries(failures)) {
    expect(kind.cuts === true && CUT.has(failure), `${count} requests failed: ${failure}`);
  }
  return { kind: kind.name, result: row.result, reason: row.reason, answered, failures, tookMs, maxMs, faults };
}

function withChangedSignature(release: Release): Release {
  const manifest = readManifest(release.folder);
  // `as`: the form in which it was signed.
  const [first] = manifest["signatures"] as readonly { readonly key: string; readonly signature: string }[];
  const bytes = Buffer.from(first?.signature ?? "", "base64");
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  const signatures = [{ key: first?.key, signature: bytes.toString("base64") }];
  writeFileSync(join(release.folder, "manifest.json"), JSON.stringify({ ...manifest, signatures }));
  return release;
}

/** The release's file is a link to the executable that others share: it gets its own, and that is changed. */
function withOwnFile(
  release: Release,
  { shop, faulty }: BadParts,
  change: (path: string, bytes: number) => void,
): Release {
  const path = join(release.folder, `drover-${shop.target}`);
  unlinkSync(path);
  copyFileSync(faulty, path);
  change(path, statSync(path).size);
  return release;
}
