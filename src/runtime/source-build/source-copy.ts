/**
 * A copy of a source to be built in: of the committed state where there is git, else of the files themselves. Nothing
 * of the source's own settings is carried out: git reads neither the user's configuration nor hooks.
 */
import { existsSync, lstatSync, statSync } from "node:fs";
import { constants, copyFile, lstat, mkdir, opendir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { SourceChange } from "#api";
import { err, type Failure, ok, type Result, refused, retryable } from "#base";
import { type CommandRun, GIT_SAFETY } from "#execution";
import { EMPTY_TREE, isLeftOut, judgeEntry, pathFault, type TreeEntry } from "./source-tree.ts";

/** Runs git in a folder with no configuration but {@link GIT_SAFETY}. */
export type Git = (args: readonly string[], cwd: string) => Promise<CommandRun>;

/** @returns the commit that was copied; null for a folder without git. */
export async function copySource(source: string, to: string, git: Git): Promise<Result<string | null>> {
  if (statSync(source, { throwIfNoEntry: false })?.isDirectory() !== true) {
    return err(refused("not_found", `${source} is no folder on this host`, "Name the folder of drover's source"));
  }
  const copied = existsSync(join(source, ".git")) ? await checkOut(source, to, git) : await copyFiles(source, to);
  if (!copied.ok) return copied;
  const sound = await inspect(to);
  return sound.ok ? copied : sound;
}

async function checkOut(source: string, to: string, git: Git): Promise<Result<string>> {
  await mkdir(to, { recursive: true });
  const steps = [
    ["init", "--quiet", "--template="],
    ["-c", "protocol.file.allow=always", "fetch", "--quiet", "--depth=1", "--no-tags", "--", source, "HEAD"],
    ["checkout", "--quiet", "--detach", "FETCH_HEAD"],
  ];
  for (const args of steps) {
    const run = await git([...GIT_SAFETY, ...args], to);
    if (!succeeded(run)) return err(gitFailure(run, `copy the committed state of ${source}`));
  }
  const head = await git([...GIT_SAFETY, "rev-parse", "HEAD"], to);
  return succeeded(head) ? ok(textOf(head).trim()) : err(gitFailure(head, `name the commit of ${source}`));
}

async function copyFiles(source: string, to: string): Promise<Result<null>> {
  await mkdir(to, { recursive: true });
  let totals = EMPTY_TREE;
  for await (const entry of entriesOf(source, (path) => !isLeftOut(path))) {
    const judged = judgeEntry(totals, entry);
    if (!judged.ok) return judged;
    totals = judged.value;
    const target = join(to, entry.path);
    if (entry.kind === "folder") await mkdir(target);
    else if (entry.kind === "link") await symlink(entry.target ?? "", target);
    else await copyFile(join(source, entry.path), target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  }
  return ok(null);
}

/** Whether everything in a copy may stand there. */
async function inspect(root: string): Promise<Result<void>> {
  let totals = EMPTY_TREE;
  for await (const entry of entriesOf(root, (path) => path !== ".git")) {
    const judged = judgeEntry(totals, entry);
    if (!judged.ok) return judged;
    totals = judged.value;
  }
  return ok(undefined);
}

/** Folders before what is in them; none is entered that `isWanted` refuses. */
async function* entriesOf(root: string, isWanted: (path: string) => boolean): AsyncGenerator<TreeEntry> {
  const waiting = [""];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    for await (const { name } of await opendir(join(root, folder))) {
      const path = folder === "" ? name : `${folder}/${name}`;
      if (!isWanted(path)) continue;
      const entry = await entryAt(root, path);
      yield entry;
      if (entry.kind === "folder") waiting.push(path);
    }
  }
}

async function entryAt(root: string, path: string): Promise<TreeEntry> {
  const status = await lstat(join(root, path));
  if (status.isSymbolicLink()) return { path, kind: "link", bytes: 0, target: await readlink(join(root, path)) };
  if (status.isDirectory()) return { path, kind: "folder", bytes: 0 };
  return { path, kind: status.isFile() ? "file" : "other", bytes: status.size };
}

/** Applies what is to be changed, in the copy alone. @returns in words what was done. */
export async function applyChanges(
  root: string,
  changes: { readonly patch: string | null; readonly changes: readonly SourceChange[] },
  place: { readonly patchFile: string; readonly git: Git },
): Promise<Result<string>> {
  if (changes.patch !== null) {
    await writeFile(place.patchFile, changes.patch, { mode: 0o600 });
    const run = await place.git([...GIT_SAFETY, "apply", "--whitespace=nowarn", "--", place.patchFile], root);
    if (!succeeded(run)) {
      return err(
        refused("conflict", `the patch does not apply: ${lastLine(run)}`, "Make it against the committed state"),
      );
    }
  }
  for (const change of changes.changes) {
    const fault = pathFault(change.path) ?? wayFault(root, change.path);
    if (fault !== undefined) return err(refused("invalid", `change ${change.path.slice(0, 200)}: the path ${fault}`));
    const target = join(root, change.path);
    await rm(target, { force: true });
    if (change.content === null) continue;
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, change.content, { flag: "wx" });
  }
  const sound = await inspect(root);
  if (!sound.ok) return sound;
  return ok(`${changes.patch === null ? "no patch" : "a patch"}, ${changes.changes.length} files`);
}

/** A link in the way would let a change leave the copy. */
function wayFault(root: string, path: string): string | undefined {
  const parts = path.split("/");
  for (const count of parts.keys()) {
    const status = lstatSync(join(root, ...parts.slice(0, count + 1)), { throwIfNoEntry: false });
    if (status === undefined) return undefined;
    const isLast = count === parts.length - 1;
    if (status.isSymbolicLink()) return "leads through a link";
    if (isLast ? status.isDirectory() : !status.isDirectory()) return isLast ? "is a folder" : "leads through a file";
  }
  return undefined;
}

function succeeded(run: CommandRun): boolean {
  return run.end.kind === "exited" && run.end.exitCode === 0;
}

function textOf({ output }: CommandRun): string {
  return `${output.head}${output.tail}`;
}

function lastLine(run: CommandRun): string {
  return textOf(run).trim().split("\n").at(-1)?.slice(0, 300) ?? "";
}

function gitFailure(run: CommandRun, action: string): Failure {
  if (run.end.kind === "failed") return run.end.failure;
  if (run.end.kind === "stopped") return retryable("cancelled", `${action}: ${run.end.request.reason}`);
  return refused("invalid", `${action}: ${lastLine(run) || "git failed"}`, "Commit something there first");
}
