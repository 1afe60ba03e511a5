/** This source with a change that a later release may bring, compiled: what it does to databases is real. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const ROOT = dirname(dirname(dirname(import.meta.dirname)));
const PARTS = ["src", "build", "package.json", "tsconfig.json"];
const BUILD_LIMIT_MS = 120_000;

export type Change = {
  /** The database that gets a migration more than this source has. */
  readonly migrates: "fleet" | "node";
  /** Ends itself so long after it was ready; null for a release that is sound. */
  readonly endsAfterMs: number | null;
};

/** @param folder is made, and holds source and executable. @returns the path of the executable */
export function buildChanged(folder: string, version: string, { migrates, endsAfterMs }: Change): string {
  mkdirSync(folder, { recursive: true });
  for (const part of PARTS) cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  const migrations = join(folder, "src", "store", "migrations");
  const number = readdirSync(join(migrations, migrates)).length + 1;
  replace(
    join(migrations, `${migrates}.ts`),
    "];",
    `].concat([{ number: ${number}, name: "later", sql: ["SELECT 1"] }]);`,
  );
  if (endsAfterMs !== null) {
    const ready = "link?.ready(server.url);";
    replace(
      join(folder, "src", "runtime", "node.ts"),
      ready,
      `${ready} setTimeout(() => process.exit(3), ${endsAfterMs});`,
    );
  }
  const args = [join(folder, "build", "main.ts"), "--version", version, "--out", folder, "--without-selftest"];
  const done = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8", timeout: BUILD_LIMIT_MS });
  if (done.status !== 0) throw new Error(`version ${version} could not be built: ${done.stderr}`);
  return join(folder, "drover");
}

/** A place that is not found any more is a change of the source that this has to follow. */
function replace(path: string, place: string, text: string): void {
  const source = readFileSync(path, "utf8");
  if (!source.includes(place)) throw new Error(`${path} holds no ${place}`);
  writeFileSync(path, source.replace(place, text));
}
