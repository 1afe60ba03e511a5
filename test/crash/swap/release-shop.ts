/** Keys, executables and signed release folders, all real: what a publisher makes, and what an attacker makes of it. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { linkSync, mkdirSync, openSync, readFileSync, readSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { hostTarget } from "../../../build/targets.ts";
import { certify, signManifest } from "../../../src/runtime/signing/envelope.ts";
import { makeKey, publicText } from "../../../src/runtime/signing/keys.ts";
import { BINARY } from "../../support/binary-node.ts";
import { v } from "../../support/releases.ts";

const DAY_MS = 24 * 3_600_000;
const ROOT = dirname(dirname(dirname(import.meta.dirname)));
const BUILD_LIMIT_MS = 120_000;
const READ_BYTES = 4 * 1024 * 1024;

export type Release = { readonly version: string; readonly folder: string };

export class ReleaseShop {
  readonly #folder: string;
  readonly #root = makeKey();
  readonly #key = makeKey();
  readonly #certificate;
  readonly #sums = new Map<string, { readonly bytes: number; readonly sha256: string }>();
  readonly target: string;

  constructor(folder: string) {
    const host = hostTarget();
    if (host === undefined) throw new Error(`drover is not built for ${process.platform} ${process.arch}`);
    this.target = host.name;
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    const order = {
      publicKey: this.#key.publicKey,
      notAfterMs: Date.now() + DAY_MS,
      serial: Math.floor(Date.now() / 1_000),
      revoked: [],
    };
    this.#certificate = certify(this.#root, order);
  }

  /** Whom nodes are told to trust. */
  get publicKey(): string {
    return publicText(this.#root.publicKey);
  }

  /** This source, as another version. @returns the path of the executable. */
  build(version: string): string {
    const out = join(this.#folder, `built-${version}`);
    const args = [join(ROOT, "build", "main.ts"), "--version", version, "--out", out, "--without-selftest"];
    const done = spawnSync(process.execPath, args, { encoding: "utf8", timeout: BUILD_LIMIT_MS });
    if (done.status !== 0) throw new Error(`version ${version} could not be built: ${done.stderr}`);
    return join(out, "drover");
  }

  /** A release that is what the manifest says. @param executable on the same file system. */
  release(version: string, executable: string): Release {
    const folder = join(this.#folder, `release-${version}`);
    const file = `drover-${this.target}`;
    mkdirSync(folder);
    linkSync(executable, join(folder, file));
    const createdAtMs = Date.now();
    const manifest = {
      version: v(version),
      channel: "stable",
      createdAtMs,
      expiresAtMs: createdAtMs + DAY_MS,
      minimumVersion: v("0.0.0"),
      schema: { fleet: { min: 0, max: 1_000 }, node: { min: 0, max: 1_000 } },
      files: [{ target: this.target, file, ...this.#sumOf(executable), gzip: null }],
    };
    writeFileSync(join(folder, "manifest.json"), signManifest(manifest, [this.#key], [this.#certificate]));
    return { version, folder };
  }

  #sumOf(path: string): { readonly bytes: number; readonly sha256: string } {
    const known = this.#sums.get(path);
    if (known !== undefined) return known;
    const [hash, descriptor, chunk] = [createHash("sha256"), openSync(path, "r"), new Uint8Array(READ_BYTES)];
    for (let read = readSync(descriptor, chunk); read > 0; read = readSync(descriptor, chunk)) {
      hash.update(chunk.subarray(0, read));
    }
    const sum = { bytes: statSync(path).size, sha256: hash.digest("hex") };
    this.#sums.set(path, sum);
    return sum;
  }
}

/** Compiles faulty-release-main.ts. @param slowMs how late the kind that is slow begins to work. */
export async function buildFaulty(outfile: string, slowMs: number): Promise<string> {
  const built = await Bun.build({
    entrypoints: [join(import.meta.dirname, "faulty-release-main.ts")],
    target: "bun",
    define: { REAL_EXECUTABLE: JSON.stringify(BINARY), SLOW_MS: String(slowMs) },
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
    throw: false,
  });
  if (!built.success) throw new Error(built.logs.map(String).join("\n"));
  return outfile;
}

/** @returns what `drover --version` of the executable under test says, without its commit. */
export function versionUnderTest(): string {
  const said = spawnSync(BINARY, ["--version"], { encoding: "utf8" }).stdout;
  const version = /\d+\.\d+\.\d+\S*/.exec(said)?.[0];
  if (version === undefined) throw new Error(`${BINARY} says no version: ${said}`);
  return version;
}

export function readManifest(folder: string): Record<string, unknown> {
  // `as`: written above.
  return JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as Record<string, unknown>;
}
