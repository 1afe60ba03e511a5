/** What a branch changes against another, in numbers, as patches, and as what would be published. */

import { createHash } from "node:crypto";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { err, ok, type Result, refused } from "#base";
import type { Change } from "../autonomy/change.ts";
import { ALLOW_LIST_FILE, type Allowed, type Judged, judge, parseAllowList } from "../publication/allow-list.ts";
import type { Finding } from "../publication/finding.ts";
import { scanFile } from "../publication/scan.ts";
import { git, gitEnd } from "./git.ts";
import { publishedFiles } from "./published-files.ts";

/** A patch for people; a larger change is read as a branch. */
const MAX_PATCH_BYTES = 32 * 1024 * 1024;
const MAX_LIST_BYTES = 256 * 1024;
const DIFF = ["--no-color", "--no-ext-diff", "--no-textconv", "--no-renames"];

/** @returns the files that `head` changes since it left `main`. */
export async function changesOf(gitDir: string, main: string, head: string): Promise<Result<readonly Change[]>> {
  const range = `${main}...${head}`;
  const [counted, deleted] = await Promise.all([
    git(gitDir, ["diff", ...DIFF, "--numstat", "-z", range, "--"]),
    git(gitDir, ["diff", ...DIFF, "--name-only", "--diff-filter=D", "-z", range, "--"]),
  ]);
  if (!counted.ok) return counted;
  if (!deleted.ok) return deleted;
  const gone = new Set(deleted.value.split("\0"));
  return ok(
    counted.value
      .split("\0")
      .filter((line) => line !== "")
      .map((line) => {
        const [added = "", removed = "", path = ""] = line.split("\t");
        return {
          path,
          added: Number(added) || 0,
          removed: Number(removed) || 0,
          isBinary: added === "-",
          isDeleted: gone.has(path),
        };
      }),
  );
}

/** Writes what `head` has beyond `main` as mails that `git am` takes. @returns the file */
export async function writePatch(gitDir: string, main: string, head: string, file: string): Promise<Result<string>> {
  const patch = await git(gitDir, [
    "format-patch",
    "--stdout",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--binary",
    "--no-signature",
    `${main}..${head}`,
    "--",
  ]);
  if (!patch.ok) return patch;
  if (patch.value.length > MAX_PATCH_BYTES) {
    return err(refused("too_large", `the patch has more than ${MAX_PATCH_BYTES} bytes`, "Look at the branch instead"));
  }
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.new`, patch.value, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return ok(file);
}

/**
 * Looks for what must not leave the repository in what `head` has beyond `main`. The allow-list is the one of `main`: a
 * change cannot let itself through.
 */
export async function scanChanges(
  gitDir: string,
  main: string,
  head: string,
  watched: readonly string[],
): Promise<Result<Judged>> {
  const list = await allowListAt(gitDir, main);
  if (!list.ok) return list;
  const files = await publishedFiles(gitDir, { kind: "commits", base: main, head });
  if (!files.ok) return files;
  const digest = (text: string): string => createHash("sha256").update(text).digest("hex");
  const found: Finding[] = [];
  for (const file of files.value) found.push(...(await scanFile(file, { watched, digest })));
  return ok(judge(found, list.value));
}

async function allowListAt(gitDir: string, commit: string): Promise<Result<readonly Allowed[]>> {
  const found = await gitEnd(gitDir, ["cat-file", "blob", `${commit}:${ALLOW_LIST_FILE}`]);
  if (!found.ok) return found;
  if (found.value.code !== 0) return ok([]); // there is none
  const text = found.value.output;
  if (text.length > MAX_LIST_BYTES) return err(refused("too_large", `${ALLOW_LIST_FILE} is too large`));
  try {
    return parseAllowList(Bun.TOML.parse(text), ALLOW_LIST_FILE);
  } catch (cause) {
    return err(refused("invalid", `cannot read ${ALLOW_LIST_FILE} of the main branch: ${String(cause)}`));
  }
}
