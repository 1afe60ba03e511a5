/** What a source is built with: its own dependencies and the Bun among them, or the host's. */
import { lstatSync, mkdirSync, readdirSync, realpathSync, statSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { err, ok, type Result, refused } from "#base";

export type Toolchain = {
  /** Folder of the dependencies, without links; null for a source without any. */
  readonly modules: string | null;
  readonly bun: string;
};

/** @param path PATH of this process */
export function findToolchain(source: string, stateDir: string, path: string): Result<Toolchain> {
  const modules = realOrNull(join(source, "node_modules"));
  // Commands get to read it: a link to the state or to / would show them more than dependencies.
  if (modules !== null && (basename(modules) !== "node_modules" || `${stateDir}/`.startsWith(`${modules}/`))) {
    return err(refused("invalid", `${source}/node_modules leads to ${modules}`, "Let it be a folder of dependencies"));
  }
  const own = modules === null ? null : realOrNull(join(modules, ".bin", "bun"));
  const found = own ?? Bun.which("bun", { PATH: path });
  const bun = found === null ? null : realOrNull(found);
  if (bun !== null) return ok({ modules, bun });
  const message = `there is no Bun to build with: neither ${source}/node_modules/.bin/bun nor one in PATH`;
  return err(refused("not_found", message, "Install the dependencies there first: npm ci"));
}

/**
 * Each dependency by a link of its own, in a folder that the commands may write: test runners keep temporary files there.
 * What the links lead to they may read alone.
 */
export function linkModules(modules: string, to: string): void {
  mkdirSync(to);
  // What begins with a dot is some tool's own notes, such as a cache, but for the programs.
  for (const name of readdirSync(modules).filter((one) => one === ".bin" || !one.startsWith(".")))
    symlinkSync(join(modules, name), join(to, name));
}

/**
 * What Bun reads where node_modules stands: without, and without the names there, it does not find what a dependency needs
 * itself, since it looks from where the dependency really is.
 */
export function besideModules(modules: string): readonly string[] {
  return ["package.json", "tsconfig.json"]
    .map((name) => join(dirname(modules), name))
    .filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isFile() === true);
}

/** The folders that lead to node_modules, but for the root: Bun looks through each of them for what a dependency needs. */
export function aboveModules(modules: string): readonly string[] {
  const above: string[] = [];
  for (let folder = dirname(modules); dirname(folder) !== folder; folder = dirname(folder)) above.push(folder);
  return above;
}

function realOrNull(path: string): string | null {
  return statSync(path, { throwIfNoEntry: false }) === undefined ? null : realpathSync(path);
}
