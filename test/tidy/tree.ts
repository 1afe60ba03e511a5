/** Reads the files of this repository as git sees them: tracked, and new ones that are not ignored. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { SourceFile } from "./source-text.ts";

/** Root of the checkout. */
export const root = dirname(dirname(import.meta.dirname));

/** Every text file of the tree. */
export function treeFiles(): readonly SourceFile[] {
  return treePaths()
    .filter((path) => existsSync(join(root, path)))
    .map((path) => ({ path, bytes: readFileSync(join(root, path)) }))
    .filter(({ bytes }) => !bytes.includes(0))
    .map(({ path, bytes }) => ({ path, text: bytes.toString("utf8") }));
}

function treePaths(): readonly string[] {
  const listed = spawnSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
    cwd: root,
    encoding: "utf8",
  });
  if (listed.status === 0) return listed.stdout.split("\0").filter((path) => path !== "");
  // A source archive without git: everything but what the build and the package manager put there.
  const made = /^(?:node_modules|dist|coverage|\.cache|\.git)\//;
  return [...new Bun.Glob("**/*").scanSync({ cwd: root, dot: true })].filter((path) => !made.test(path));
}
