/** Makes one executable: bundle, embed, compile, and put it in place whole. */
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { libsqlEmbed } from "./libsql-embed.ts";
import type { Parts } from "./parts.ts";
import { serverEmbed } from "./server-embed.ts";
import type { Target } from "./targets.ts";

/** What to build and where it goes. Paths are absolute. */
export type CompileOrder = {
  readonly target: Target;
  readonly parts: Parts;
  readonly entrypoints: readonly string[];
  readonly outfile: string;
  readonly version: string;
  readonly commit: string;
  /** Public keys that releases are trusted by, each 32 bytes in base64. */
  readonly rootKeys: readonly string[];
};

/** A finished executable. */
export type Compiled = { readonly bytes: number; readonly elapsedMs: number };

/**
 * Builds the executable and moves it over `outfile` by rename, so that a running one is not disturbed and a failed
 * build leaves the old one.
 * @throws with the bundler's messages when anything cannot be resolved or embedded.
 */
export async function compile(order: CompileOrder): Promise<Compiled> {
  const startedMs = performance.now();
  mkdirSync(dirname(order.outfile), { recursive: true });
  const scratch = mkdtempSync(join(dirname(order.outfile), ".building-"));
  try {
    const built = join(scratch, basename(order.outfile));
    await bundle(order, built);
    chmodSync(built, 0o755);
    renameSync(built, order.outfile);
  } finally {
    // Takes along the <outfile>.map that Bun leaves beside an inline source map.
    rmSync(scratch, { recursive: true, force: true });
  }
  return { bytes: statSync(order.outfile).size, elapsedMs: performance.now() - startedMs };
}

async function bundle(order: CompileOrder, outfile: string): Promise<void> {
  const embed = libsqlEmbed(order.parts.addonPath);
  const result = await Bun.build({
    entrypoints: [...order.entrypoints],
    target: "bun",
    // Flat: every bundled entry lies beside the main one, so that new URL("./x-worker.ts", import.meta.url) names the
    // same file inside the executable as it does in the source tree. Base names of entries are therefore unique.
    naming: { entry: "[name].[ext]" },
    // Stated because bytecode alone switches to cjs, where top-level await is an error.
    format: "esm",
    minify: true,
    // What a command does not import is not even read: `--version` takes 9 ms instead of 13.
    splitting: true,
    // Cuts the start of `--version` from about 30 ms; costs 3 MB.
    bytecode: true,
    sourcemap: "inline",
    // Without this, a require that cannot be resolved now becomes an error on the user's machine.
    allowUnresolved: [],
    plugins: [embed.plugin, serverEmbed(order.parts.server)],
    define: {
      DROVER_VERSION: JSON.stringify(order.version),
      DROVER_COMMIT: JSON.stringify(order.commit),
      DROVER_TARGET: JSON.stringify(order.target.name),
      DROVER_ROOT_KEYS: JSON.stringify(order.rootKeys.join(" ")),
    },
    compile: {
      target: order.target.compileTarget,
      outfile,
      ...(order.parts.runtimePath === undefined ? {} : { executablePath: order.parts.runtimePath }),
      // By default an executable loads .env and bunfig.toml (with `preload`) from the folder it is started in: a
      // hostile repository could run code in it (oven-sh/bun#24790).
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
    throw: false,
  });
  if (!result.success) throw new Error(result.logs.map(String).join("\n"));
  if (embed.rewritten.length === 0) {
    throw new Error(
      "no libsql loader passed through the build, so no database addon is embedded. " +
        "Either nothing imports libsql any more or its loader has moved: see build/libsql-embed.ts.",
    );
  }
}
