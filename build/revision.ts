/** What is compiled in about the source: its version and its commit. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The version in package.json. */
export function sourceVersion(root: string): string {
  // `as`: package.json of this repository; npm refuses one without a version string.
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly version: string };
  return manifest.version;
}

/** The commit, with "-dirty" when the tree holds changes that it lacks; "unknown" outside git. */
export function sourceCommit(root: string): string {
  const git = (...args: string[]) => spawnSync("git", args, { cwd: root, encoding: "utf8" });
  // A source archive inside somebody's other repository would answer with that repository's commit.
  const top = git("rev-parse", "--show-cdup");
  const head = git("rev-parse", "--short=12", "HEAD");
  if (top.status !== 0 || top.stdout.trim() !== "" || head.status !== 0) return "unknown";
  const status = git("status", "--porcelain");
  return status.status === 0 && status.stdout === "" ? head.stdout.trim() : `${head.stdout.trim()}-dirty`;
}
