// @ts-check
/**
 * From a fresh clone to a running script, on a machine that has only Node.js and npm:
 *   node build/bootstrap.mjs SCRIPT [ARGUMENT…]
 * 1. makes sure the pinned Bun is here (version in package.json, content in bun.lock),
 * 2. makes sure node_modules is what bun.lock says,
 * 3. runs the script of package.json with that Bun, and ends as it ended.
 * When everything is in place, steps 1 and 2 cost a few milliseconds and need no network.
 *
 * WHY not `npm install`: the project has one lockfile, bun.lock, which npm cannot read; and npm may refuse the install
 * script that Bun's npm package needs.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runsOnMusl } from "./host-libc.mjs";
import { ensurePackageFile, npm, PackageUnavailable } from "./npm-package.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const exe = process.platform === "win32" ? ".exe" : "";
const installedBun = join(root, "node_modules", "bun", "bin", "bun.exe"); // named .exe on every platform

class BootstrapFailed extends Error {}

/** @returns {string} */
function pinnedVersion() {
  const manifest = /** @type {{ devDependencies?: Record<string, string> }} */ (
    JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  );
  const version = manifest.devDependencies?.["bun"];
  if (version === undefined || !/^\d+\.\d+\.\d+$/.test(version)) {
    throw new BootstrapFailed("package.json must pin devDependencies.bun to one exact version");
  }
  return version;
}

/** Packages that may hold a Bun for this machine, best first. @returns {readonly string[]} */
function hostPackages() {
  const cpu = process.arch === "arm64" ? "aarch64" : process.arch;
  if (process.platform === "linux") {
    const libc = runsOnMusl() ? "-musl" : "";
    // The plain x64 build may need a newer processor than this one; the baseline build is the fallback.
    const names = cpu === "x64" ? [`${cpu}${libc}`, `${cpu}${libc}-baseline`] : [`${cpu}${libc}`];
    return names.map((name) => `@oven/bun-linux-${name}`);
  }
  const system = process.platform === "win32" ? "windows" : process.platform;
  return cpu === "x64"
    ? [`@oven/bun-${system}-x64`, `@oven/bun-${system}-x64-baseline`]
    : [`@oven/bun-${system}-${cpu}`];
}

/** @param {string} bun @param {string} version */
function answersAs(bun, version) {
  if (!existsSync(bun)) return false;
  const asked = spawnSync(bun, ["--version"], { encoding: "utf8" });
  return asked.status === 0 && asked.stdout.trim() === version;
}

/** @param {string} version @returns {string} path of a Bun that runs on this machine */
function ensureBun(version) {
  if (answersAs(installedBun, version)) return installedBun;
  /** @type {string[]} */
  const tried = [];
  for (const name of hostPackages()) {
    const bun = join(root, ".cache", "packages", `${name.replace("@oven/", "")}-${version}`, `bun${exe}`);
    if (!existsSync(bun)) console.log(`bootstrap: fetching ${name}@${version} with npm`);
    ensurePackageFile({ root, name, version, file: `bin/bun${exe}`, target: bun, mode: 0o755 });
    if (answersAs(bun, version)) return bun;
    tried.push(name);
  }
  throw new BootstrapFailed(
    `Bun ${version} does not run on this machine (${process.platform} ${process.arch}); tried ${tried.join(", ")}. ` +
      "Supported are Linux (glibc and musl), macOS and Windows on x64 and arm64.",
  );
}

/** @param {string} bun @param {string} version */
function ensureModules(bun, version) {
  const stamp = join(root, "node_modules", ".bun-lock-digest");
  const digest = createHash("sha256");
  for (const name of ["bun.lock", "package.json"]) digest.update(readFileSync(join(root, name)));
  const wanted = digest.update(version).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;

  console.log("bootstrap: installing the dependencies that bun.lock names");
  rmSync(stamp, { force: true });
  // Bun reads only part of npm's configuration; the registry is the part that decides whether it can install at all.
  const registry = npm(["config", "get", "registry"], root);
  const env = { ...process.env };
  if (registry.ok && registry.stdout.trim() !== "") env["NPM_CONFIG_REGISTRY"] ??= registry.stdout.trim();
  const installed = spawnSync(bun, ["install", "--frozen-lockfile"], { cwd: root, stdio: "inherit", env });
  if (installed.status !== 0) {
    throw new BootstrapFailed(
      "the dependencies could not be installed; the lines above say why.\n" +
        "  What to do: for a network error, check the registry (`npm config get registry`, `npm ping`) and run this again;\n" +
        "  for a lockfile error, package.json and bun.lock disagree: run `bun install` and commit both.",
    );
  }
  // Bun's own npm package is an empty shell until its install script ran, and scripts may be off on this machine.
  if (!answersAs(installedBun, version)) {
    rmSync(installedBun, { force: true });
    copyFileSync(bun, installedBun);
  }
  writeFileSync(stamp, wanted);
}

/** @param {string} bun @param {readonly string[]} args */
function run(bun, args) {
  const path = [join(root, "node_modules", ".bin"), process.env["PATH"] ?? ""].join(delimiter);
  const child = spawn(bun, ["run", "--silent", ...args], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PATH: path },
  });
  /** @type {readonly NodeJS.Signals[]} */
  const passedOn = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of passedOn) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the whole group already; a second one would look like "stop at once".
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on("error", (error) => fail(error.message));
  child.on("exit", (code, signal) => {
    // The convention of shells: 128 + signal number.
    process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
  });
}

/** @param {string} message */
function fail(message) {
  console.error(`bootstrap: ${message}`);
  process.exitCode = 1;
}

try {
  const args = process.argv.slice(2);
  if (args.length === 0) throw new BootstrapFailed("usage: node build/bootstrap.mjs SCRIPT [ARGUMENT…]");
  const version = pinnedVersion();
  const bun = ensureBun(version);
  ensureModules(bun, version);
  run(installedBun, args);
} catch (error) {
  if (!(error instanceof BootstrapFailed || error instanceof PackageUnavailable)) throw error;
  fail(error.message);
}
