/** Reads what is to be published out of a repository: its files, what is staged, or what some commits change. */
import { lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result, refused } from "#base";
import { newLines } from "../new-lines.ts";
import { MAX_SCANNED_BYTES, type PublishedFile } from "../publication/scan.ts";
import { git } from "./git.ts";

/**
 * - `files`: each file of the working tree that git knows or would add.
 * - `staged`: what the next commit changes.
 * - `commits`: what `head` has beyond `base`, with the messages of its commits.
 */
export type PublicationSource =
  | { readonly kind: "files" }
  | { readonly kind: "staged" }
  | { readonly kind: "commits"; readonly base: string; readonly head: string };

/** Files of one publication; past it nobody could read the findings. */
export const MAX_PUBLISHED_FILES = 20_000;
/** As what the messages of commits are reported. */
export const MESSAGES = "(commit messages)";

const DIFF = ["diff", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/"];

/** @returns the top folder of the repository that `directory` lies in. */
export function repositoryRoot(directory: string): Promise<Result<string>> {
  return oneLine(directory, ["rev-parse", "--show-toplevel"]);
}

/** @returns the files at `root` that `source` would publish, in the order of their paths. */
export async function publishedFiles(
  root: string,
  source: PublicationSource,
): Promise<Result<readonly PublishedFile[]>> {
  switch (source.kind) {
    case "files": {
      const listed = await paths(root, [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "--deduplicate",
      ]);
      return listed.ok ? ok(listed.value.flatMap((path) => fileOnDisk(root, path))) : listed;
    }
    case "staged":
      return changed(root, ["--cached"], ":");
    case "commits": {
      const [base, head] = await Promise.all([commitOf(root, source.base), commitOf(root, source.head)]);
      if (!base.ok) return base;
      if (!head.ok) return head;
      return committed(root, base.value, head.value);
    }
  }
}

/** @returns the id of the commit that `revision` means; so no revision is read as an option. */
async function commitOf(root: string, revision: string): Promise<Result<string>> {
  const found = await oneLine(root, ["rev-parse", "--verify", "--quiet", "--end-of-options", `${revision}^{commit}`]);
  if (found.ok) return found;
  return err(refused("not_found", `${revision} is no revision of this repository`, "Name a branch, a tag or a commit"));
}

async function oneLine(root: string, args: readonly string[]): Promise<Result<string>> {
  const said = await git(root, args);
  return said.ok ? ok(said.value.trimEnd()) : said;
}

async function committed(root: string, base: string, head: string): Promise<Result<readonly PublishedFile[]>> {
  const files = await changed(root, [`${base}...${head}`], `${head}:`);
  if (!files.ok) return files;
  const text = await git(root, ["log", "--format=%an <%ae>%n%cn <%ce>%n%B", `${base}..${head}`, "--"]);
  if (!text.ok) return text;
  const messages = { path: MESSAGES, text: text.value, bytes: Buffer.byteLength(text.value) };
  return ok(text.value === "" ? files.value : [...files.value, messages]);
}

async function paths(root: string, args: readonly string[]): Promise<Result<readonly string[]>> {
  const listed = await git(root, args);
  if (!listed.ok) return listed;
  const found = listed.value.split("\0").filter((path) => path !== "");
  if (found.length > MAX_PUBLISHED_FILES) {
    return err(
      refused(
        "limit",
        `${found.length} files are more than ${MAX_PUBLISHED_FILES}`,
        "Look at a part of them, or at what changed",
      ),
    );
  }
  return ok(found.toSorted());
}

async function changed(
  root: string,
  range: readonly string[],
  blobs: string,
): Promise<Result<readonly PublishedFile[]>> {
  const listed = await paths(root, [...DIFF, "--name-only", "-z", "--diff-filter=d", ...range, "--"]);
  if (!listed.ok) return listed;
  const patch = await git(root, [...DIFF, "-U0", "--diff-filter=d", ...range, "--"]);
  if (!patch.ok) return patch;
  const added = newLines(patch.value);
  const files: PublishedFile[] = [];
  for (const path of listed.value) {
    const content = await git(root, ["cat-file", "blob", `${blobs}${path}`]);
    if (!content.ok) continue; // a submodule: its content is published elsewhere
    const lines = added.get(path);
    files.push({ path, ...textOf(content.value), ...(lines === undefined ? {} : { newLines: lines }) });
  }
  return ok(files);
}

function textOf(text: string): { readonly text: string | undefined; readonly bytes: number } {
  return { text: text.includes("\0") ? undefined : text, bytes: Buffer.byteLength(text) };
}

/** Links are not followed: what is published is where they lead, as text. */
function fileOnDisk(root: string, path: string): readonly PublishedFile[] {
  const stat = lstatSync(join(root, path), { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile()) return [];
  if (stat.size > MAX_SCANNED_BYTES) return [{ path, text: "", bytes: stat.size }];
  return [{ path, ...textOf(readFileSync(join(root, path), "utf8")) }];
}
