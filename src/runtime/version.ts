/**
 * What this executable is. The three constants are compiled in by the build (build/compile.ts); run from source they
 * do not exist, hence the guard by `typeof`, which asks without failing.
 */
import { writeSync } from "node:fs";

declare const DROVER_VERSION: string;
declare const DROVER_COMMIT: string;
declare const DROVER_TARGET: string;

/** Version of the release, as in package.json; "0.0.0-source" when run from source. */
export const version: string = typeof DROVER_VERSION === "string" ? DROVER_VERSION : "0.0.0-source";

/** Git commit of the build, with "-dirty" when the tree had changes; "unknown" outside git and when run from source. */
export const commit: string = typeof DROVER_COMMIT === "string" ? DROVER_COMMIT : "unknown";

/** Platform of the build, such as "linux-x64-musl"; "source" when run from source. */
export const target: string = typeof DROVER_TARGET === "string" ? DROVER_TARGET : "source";

/** Answers `--version` by itself: setting up `process.stdout` would take as long as everything else together. */
export function printVersion(): void {
  writeSync(1, `drover ${version} (${commit}, ${target})\n`);
}
