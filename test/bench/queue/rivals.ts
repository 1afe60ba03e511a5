import { existsSync } from "node:fs";
import { join } from "node:path";

/** The compared queues have a package of their own, so that none of them is a dependency of drover. */
const RIVALS_FOLDER = join(import.meta.dir, "rivals");

/** Installs the pinned versions beside the benchmark when they are missing. @returns why that failed, if it did. */
export async function installRivals(): Promise<string | undefined> {
  const wanted = Object.entries(await rivalVersions());
  if (wanted.every(([name]) => existsSync(join(RIVALS_FOLDER, "node_modules", name)))) return undefined;
  const child = Bun.spawn([process.execPath, "install", "--frozen-lockfile"], {
    cwd: RIVALS_FOLDER,
    stdout: "ignore",
    stderr: "pipe",
  });
  const complaint = await new Response(child.stderr).text();
  return (await child.exited) === 0 ? undefined : `the rivals could not be installed: ${complaint.trim()}`;
}

/** @returns the exact version of each rival package. */
export async function rivalVersions(): Promise<Readonly<Record<string, string>>> {
  // `as`: the file is beside this one and under the same version control.
  const manifest = (await Bun.file(join(RIVALS_FOLDER, "package.json")).json()) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  return manifest.dependencies;
}

/** Loads a rival's package. `Shape` states the little that an adapter uses of it. */
export async function loadRival<Shape>(name: string): Promise<Shape> {
  // By a computed path, because no checker of drover may need the package to be there.
  const path = Bun.resolveSync(name, RIVALS_FOLDER);
  return (await import(path)) as Shape; // `as`: the versions are pinned and the adapters were run against them
}
