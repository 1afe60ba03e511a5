/** What may not leave a repository: secrets, internal addresses, people, files of a workspace. Works without a node. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { err, type Failure, ok, type Result, refused } from "#base";
import { type Console, EXIT, type Fault, type RepoScanOptions } from "#cli";
import {
  ALLOW_LIST_FILE,
  type Allowed,
  type Finding,
  judge,
  type PublicationSource,
  type PublishedFile,
  parseAllowList,
  publishedFiles,
  replaceAddresses,
  repositoryRoot,
  scanFile,
} from "#repos";
import { FINDING_COLUMNS } from "./publication-words.ts";
import { settingsOf } from "./settings.ts";

const MAX_LIST_BYTES = 256 * 1024;

export async function repoScan(options: RepoScanOptions, console: Console): Promise<number> {
  const loaded = settingsOf(options);
  if (!loaded.ok) return console.fail(loaded.error);
  const source = sourceOf(options);
  if (!source.ok) return console.fail(source.error);
  const folder = resolve(options.directory);
  if (!existsSync(folder))
    return console.fail(refused("not_found", `${folder} does not exist`, "Name a folder of a repository"));
  const root = await repositoryRoot(folder);
  if (!root.ok) return console.fail(root.error);
  const list = readAllowList(root.value);
  if (!list.ok) return console.fail(list.error);
  const files = await publishedFiles(root.value, source.value);
  if (!files.ok) return console.fail(files.error);

  const watched = [...loaded.value.config["publication.watched_words"], ...options.watch];
  const judged = judge(await scanAll(files.value, watched), list.value);
  if (options.replace)
    return replaceIn(
      root.value,
      files.value,
      judged.allowed.map(({ finding }) => finding),
      console,
    );
  const blocking = judged.findings.filter(({ severity }) => severity === "block").length;
  if (console.json) console.document({ root: root.value, files: files.value.length, blocking, ...judged });
  else report(console, files.value.length, judged.findings, judged.unused, judged.allowed.length, blocking);
  return blocking === 0 ? EXIT.ok : EXIT.failed;
}

function sourceOf({ staged, base, head, replace }: RepoScanOptions): Result<PublicationSource, Fault> {
  const usage = (message: string, remedy: string): Result<never, Fault> =>
    err({ failure: refused("invalid", message, remedy), exit: EXIT.usage });
  if (staged && base !== undefined) return usage("--staged and --base exclude each other", "Give one of them");
  if (head !== undefined && base === undefined) return usage("--head needs --base", "Say since which revision");
  if (replace && (staged || base !== undefined)) {
    return usage(
      "--replace changes files of the working tree, not what is staged or committed",
      "Leave out --staged and --base",
    );
  }
  if (base !== undefined) return ok({ kind: "commits", base, head: head ?? "HEAD" });
  return ok({ kind: staged ? "staged" : "files" });
}

/** The list of the working tree; none is an empty one. */
function readAllowList(root: string): Result<readonly Allowed[], Failure> {
  const file = join(root, ALLOW_LIST_FILE);
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return ok([]);
  if (stat.size > MAX_LIST_BYTES) return err(refused("too_large", `${file} is larger than ${MAX_LIST_BYTES} bytes`));
  let tree: unknown;
  try {
    tree = Bun.TOML.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    return err(refused("invalid", `cannot read ${file}: ${cause instanceof Error ? cause.message : String(cause)}`));
  }
  return parseAllowList(tree, ALLOW_LIST_FILE);
}

async function scanAll(files: readonly PublishedFile[], watched: readonly string[]): Promise<readonly Finding[]> {
  const digest = (text: string): string => createHash("sha256").update(text).digest("hex");
  const found: Finding[] = [];
  for (const file of files) found.push(...(await scanFile(file, { watched, digest })));
  return found;
}

function replaceIn(
  root: string,
  files: readonly PublishedFile[],
  allowed: readonly Finding[],
  console: Console,
): number {
  const isAllowed = (path: string, shown: string): boolean =>
    allowed.some((finding) => finding.kind === "address" && finding.path === path && finding.shown === shown);
  const replaced = replaceAddresses(files, isAllowed);
  for (const { path, text } of replaced) writeFileSync(join(root, path), text);
  if (console.json)
    console.document({ root, replaced: replaced.map(({ path, replacements }) => ({ path, replacements })) });
  else if (replaced.length === 0) console.line("No internal address.");
  for (const { path, replacements } of console.json ? [] : replaced) console.line(`${path}: ${replacements} replaced`);
  return EXIT.ok;
}

function report(
  console: Console,
  files: number,
  findings: readonly Finding[],
  unused: readonly Allowed[],
  allowed: number,
  blocking: number,
): void {
  if (findings.length > 0) console.table(findings, FINDING_COLUMNS);
  for (const { reason } of unused) console.line(`${ALLOW_LIST_FILE}: nothing fits any more: ${reason}`);
  const through = allowed === 0 ? "" : `, ${allowed} allowed by ${ALLOW_LIST_FILE}`;
  console.line(`${files} files: ${blocking} to settle, ${findings.length - blocking} to look at${through}`);
  if (blocking > 0)
    console.line(
      `Remove it, or let it through with a reason in ${ALLOW_LIST_FILE}: [[allow]] rule, path, fingerprint, reason`,
    );
}
