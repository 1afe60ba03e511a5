/**
 * Makes the executables.
 *   bun build/main.ts                                   dist/drover for this machine
 *   bun build/main.ts --target linux-arm64 [--target …] dist/<target>/drover for others ("all" for every one)
 *   --version V: instead of the version of package.json; --out DIR: instead of dist
 *   --root-key FILE: a public key that releases are trusted by, from `bun build/sign.ts keys`; repeatable
 *   --without-selftest: the executable is only asked for its version afterwards (for work on its start-up)
 * Ends with 1 when a target that was asked for could not be made; the others are made all the same.
 */
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { publicText, readPublicKey } from "../src/runtime/signing/keys.ts";
import { compile } from "./compile.ts";
import { mainEntry, workerEntries } from "./entrypoints.ts";
import { partsOf } from "./parts.ts";
import { sourceCommit, sourceVersion } from "./revision.ts";
import { type SmokeFault, smokeTest } from "./smoke.ts";
import { hostTarget, type Target, targetNamed, targets } from "./targets.ts";

const root = dirname(import.meta.dir);

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      target: { type: "string", multiple: true },
      "root-key": { type: "string", multiple: true },
      "without-selftest": { type: "boolean", default: false },
      version: { type: "string" },
      out: { type: "string" },
    },
  });
  const version = values.version ?? sourceVersion(root);
  const out = resolve(values.out ?? join(root, "dist"));
  const smoke = (executable: string): SmokeFault =>
    smokeTest(executable, version, values["without-selftest"] ? ["--version"] : ["--version", "selftest"]);
  const rootKeys: string[] = [];
  for (const path of values["root-key"] ?? []) {
    try {
      rootKeys.push(publicText(readPublicKey(path)));
    } catch (error) {
      console.error(`build: --root-key ${path}: ${error instanceof Error ? error.message : String(error)}`);
      return 1;
    }
  }
  const asked = values.target ?? [];
  if (asked.length === 0) {
    const host = hostTarget();
    if (host === undefined) {
      console.error(`build: drover is not built for ${process.platform} ${process.arch}; give --target`);
      return 1;
    }
    return (await buildOne(host, join(out, `drover${host.exeSuffix}`), { rootKeys, version }, smoke)) ? 0 : 1;
  }
  let failed = 0;
  for (const name of asked.includes("all") ? targets.map((target) => target.name) : asked) {
    const target = targetNamed(name);
    if (target === undefined) {
      console.error(`build: no target ${name}; there are ${targets.map((known) => known.name).join(", ")}, and all`);
      failed += 1;
    } else if (!(await buildOne(target, join(out, target.name, `drover${target.exeSuffix}`), { rootKeys, version }))) {
      failed += 1;
    }
  }
  return failed === 0 ? 0 : 1;
}

/** @param smoke the test of an executable that this machine can run: the host's own. */
async function buildOne(
  target: Target,
  outfile: string,
  identity: { readonly rootKeys: readonly string[]; readonly version: string },
  smoke?: (executable: string) => SmokeFault,
): Promise<boolean> {
  try {
    const compiled = await compile({
      target,
      parts: partsOf(target, root, smoke !== undefined),
      entrypoints: [mainEntry, ...workerEntries].map((path) => join(root, path)),
      outfile,
      commit: sourceCommit(root),
      ...identity,
    });
    const megabytes = (compiled.bytes / 1e6).toFixed(1);
    console.log(
      `build: ${relative(root, outfile)} (${target.name}) ${megabytes} MB in ${Math.round(compiled.elapsedMs)} ms`,
    );
  } catch (error) {
    console.error(`build: ${target.name} could not be made: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
  const fault = smoke?.(outfile);
  if (fault === undefined) return true;
  console.error(`build: ${relative(root, outfile)} was made but does not work in an empty folder: ${fault}`);
  return false;
}

process.exitCode = await main(process.argv.slice(2));
