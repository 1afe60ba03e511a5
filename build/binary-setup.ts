/**
 * vitest's global setup of the binary suites: builds dist/drover when a source is newer than it, so that a suite never
 * tests yesterday's executable. `bun build/check.ts binary` has just built it and pays nothing here.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dirname);
const INPUTS = ["src", "build", "package.json", "bun.lock"];

function newestMs(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newestMs(join(path, name))));
}

/** Called by vitest once before the first file. */
export function setup(): void {
  const executable = join(root, "dist", process.platform === "win32" ? "drover.exe" : "drover");
  const builtMs = statSync(executable, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (builtMs >= Math.max(...INPUTS.map((name) => newestMs(join(root, name))))) return;
  const done = spawnSync(process.execPath, [join(root, "build", "main.ts")], { stdio: "inherit" });
  if (done.status !== 0) throw new Error("dist/drover could not be built; the lines above say why");
}
