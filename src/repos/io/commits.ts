/**
 * Commits that the node makes of what a task left in its worktree. Neither the index nor the HEAD of the worktree is
 * believed, since the task could write both: the tree is made from its files and the commit that it began from.
 */
import { chownSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result, refused } from "#base";
import { filtersOff } from "./filters.ts";
import { type GitOptions, git, gitEnd, gitLine } from "./git.ts";

export type Author = { readonly name: string; readonly email: string };
export type Trailers = Readonly<Record<string, string>>;

/** Files that one task may change; more is a folder of tools that no .gitignore names, and no work of a task. */
export const MAX_CHANGED_FILES = 2_000;
/** Of a changed file: what is larger belongs elsewhere, and publishing would stop at it. */
const MAX_FILE_BYTES = 50 * 1024 * 1024;
/** Of all that one task changed: ten of the largest files. */
const MAX_CHANGED_BYTES = 10 * MAX_FILE_BYTES;
const SUBMODULE = "160000";
const MAX_MESSAGE_CHARS = 4_000;

type Place = { readonly gitDir: string; readonly worktree: string };
type Changed = { readonly mode: string; readonly path: string };

/**
 * @param scratch a folder of drover's own for the index
 * @returns the tree of the files in `worktree`; refused when they cannot be what a task is to commit
 */
export async function treeOf(gitDir: string, worktree: string, base: string, scratch: string): Promise<Result<string>> {
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  // By the worktree: two registrations of one repository may begin from the same commit at the same time.
  const index = join(scratch, `index-${base.slice(0, 12)}-${Bun.hash(worktree).toString(36)}-${process.pid}`);
  const options: GitOptions = { env: { GIT_INDEX_FILE: index }, timeoutMs: 10 * 60_000 };
  try {
    const filters = await filtersOff(gitDir);
    if (!filters.ok) return filters;
    const read = await git(gitDir, ["read-tree", base], options);
    if (!read.ok) return read;
    const at: Place = { gitDir, worktree };
    const paths = await withoutSubmodules(gitDir, base);
    if (!paths.ok) return paths;
    const fits = await checkSizes(at, filters.value, options);
    if (!fits.ok) return fits;
    const add = ["add", "--all", "--pathspec-from-file=-", "--pathspec-file-nul"];
    const input = paths.value.map((path) => `${path}\0`).join("");
    const added = await git(worktree, [...filters.value, ...placeArguments(at), ...add], { ...options, input });
    if (!added.ok) return added;
    const tree = await gitLine(gitDir, ["write-tree"], options);
    if (!tree.ok) return tree;
    const sound = await checkTree(at, base, tree.value, index);
    return sound.ok ? tree : sound;
  } finally {
    rmSync(index, { force: true });
    rmSync(`${index}.lock`, { force: true });
  }
}

/**
 * Of a submodule git would ask whether it is changed, by a `git status` in its folder, which obeys the settings there. A
 * task can put a repository of its own into that folder, with a filter that runs what it likes outside of the sandbox.
 * So those folders are left out: they stay in the tree as they were.
 */
async function withoutSubmodules(gitDir: string, base: string): Promise<Result<readonly string[]>> {
  const listed = await git(gitDir, ["ls-tree", "-r", "-z", base]);
  if (!listed.ok) return listed;
  const submodules = listed.value.split("\0").filter((line) => line.startsWith(`${SUBMODULE} `));
  return ok([".", ...submodules.map((line) => `:(top,exclude,literal)${line.slice(line.indexOf("\t") + 1)}`)]);
}

/** Before any of it is copied into the store of objects, where nobody would take it out again. */
async function checkSizes(at: Place, filters: readonly string[], options: GitOptions): Promise<Result<void>> {
  const list = ["ls-files", "-z", "--others", "--modified", "--exclude-standard"];
  const listed = await git(at.worktree, [...filters, ...placeArguments(at), ...list], options);
  if (!listed.ok) return listed;
  const paths = new Set(listed.value.split("\0").filter((path) => path !== ""));
  if (paths.size > MAX_CHANGED_FILES) return err(tooManyFiles(paths.size));
  let bytes = 0;
  for (const path of paths) {
    // A folder is a repository of its own, and is refused below; what is not there was deleted.
    const status = lstatSync(join(at.worktree, path), { throwIfNoEntry: false });
    if (status?.isFile() !== true) continue;
    bytes += status.size;
    const remedy = "Keep it out of the repository, and name it in .gitignore";
    if (status.size > MAX_FILE_BYTES) {
      return err(refused("too_large", `${path} has more than ${MAX_FILE_BYTES} bytes`, remedy));
    }
    if (bytes > MAX_CHANGED_BYTES) {
      return err(refused("too_large", `the changed files have more than ${MAX_CHANGED_BYTES} bytes together`, remedy));
    }
  }
  return ok(undefined);
}

function tooManyFiles(count: number) {
  const remedy = "Name what a build or a package manager makes in .gitignore";
  return refused("too_large", `${count} files changed, more than ${MAX_CHANGED_FILES}`, remedy);
}

function placeArguments({ gitDir, worktree }: Place): readonly string[] {
  return [`--git-dir=${gitDir}`, `--work-tree=${worktree}`];
}

async function checkTree(place: Place, base: string, tree: string, index: string): Promise<Result<void>> {
  const changes = await git(place.gitDir, ["diff-tree", "-r", "-z", "--no-renames", "--raw", base, tree]);
  if (!changes.ok) return changes;
  const changed = readRaw(changes.value);
  if (changed.length > MAX_CHANGED_FILES) return err(tooManyFiles(changed.length));
  const nested = changed.find(({ mode }) => mode === SUBMODULE);
  if (nested !== undefined) {
    const remedy = "Remove the repository in that folder, or commit a change of a submodule by hand";
    return err(refused("invalid", `${nested.path} is a repository of its own, and is not committed`, remedy));
  }
  return checkFilters(place, changed, index);
}

/** A file that a filter keeps elsewhere (Git LFS) would be committed as it is, and be broken for everybody else. */
async function checkFilters(place: Place, changed: readonly Changed[], index: string): Promise<Result<void>> {
  const there = changed.filter(({ mode }) => mode !== "000000");
  if (there.length === 0) return ok(undefined);
  const input = there.map(({ path }) => `${path}\0`).join("");
  // Attributes are read from the index: those of the files that are to be committed.
  const asked = [...placeArguments(place), "check-attr", "-z", "--cached", "--stdin", "filter"];
  const attributes = await git(place.worktree, asked, { input, env: { GIT_INDEX_FILE: index } });
  if (!attributes.ok) return attributes;
  const fields = attributes.value.split("\0");
  for (let at = 0; at + 2 < fields.length; at += 3) {
    const [path = "", , value = ""] = fields.slice(at, at + 3);
    if (value === "unspecified" || value === "unset" || value === "set") continue;
    const remedy = "Change such files by hand; drover runs no filters";
    return err(refused("unsupported", `${path} is kept by the filter ${value}`, remedy));
  }
  return ok(undefined);
}

/** `:oldmode newmode old new status NUL path NUL` */
function readRaw(text: string): readonly Changed[] {
  const fields = text.split("\0");
  const found: Changed[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    found.push({ mode: fields[at]?.split(" ")[1] ?? "", path: fields[at + 1] ?? "" });
  }
  return found;
}

export async function commitTree(
  gitDir: string,
  commit: {
    readonly tree: string;
    readonly parents: readonly string[];
    readonly message: string;
    readonly author: Author;
    readonly atMs: number;
  },
): Promise<Result<string>> {
  const { tree, parents, message, author, atMs } = commit;
  const date = `${Math.floor(atMs / 1_000)} +0000`;
  return gitLine(gitDir, ["commit-tree", tree, ...parents.flatMap((parent) => ["-p", parent]), "-F", "-"], {
    input: message,
    env: {
      GIT_AUTHOR_NAME: author.name,
      GIT_AUTHOR_EMAIL: author.email,
      GIT_AUTHOR_DATE: date,
      GIT_COMMITTER_NAME: author.name,
      GIT_COMMITTER_EMAIL: author.email,
      GIT_COMMITTER_DATE: date,
    },
  });
}

/** A subject line, what was said, and lines by which the commit is found again. */
export function messageOf(title: string, text: string, trailers: Trailers): string {
  const subject = printable(title).replaceAll(/\s+/g, " ").trim().slice(0, 200);
  // What looks like a trailer of drover's own would be believed.
  const body = printable(text)
    .replaceAll(/^(?=Drover-)/gim, "> ")
    .trim()
    .slice(0, MAX_MESSAGE_CHARS);
  const lines = Object.entries(trailers).map(([name, value]) => `${name}: ${value}`);
  return [subject === "" ? "Changes of a task" : subject, body, lines.join("\n")]
    .filter((part) => part !== "")
    .join("\n\n");
}

function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, "");
}

/** @returns the values of a trailer on the commits from `base` (without it) to `head`, the newest first. */
export async function trailersOf(
  gitDir: string,
  name: string,
  base: string | undefined,
  head: string,
): Promise<Result<readonly string[]>> {
  const range = base === undefined ? [head] : [head, `^${base}`];
  const listed = await git(gitDir, ["log", "-n", "2000", `--format=%(trailers:key=${name},valueonly)`, ...range, "--"]);
  return listed.ok ? ok(listed.value.split("\n").filter((line) => line !== "")) : listed;
}

export type Merged =
  | { readonly kind: "clean"; readonly tree: string }
  | { readonly kind: "conflict"; readonly files: readonly string[] };

/** What both sides together come to, without touching anything. */
export async function mergeTrees(gitDir: string, ours: string, theirs: string): Promise<Result<Merged>> {
  const ended = await gitEnd(gitDir, [
    "merge-tree",
    "--write-tree",
    "-z",
    "--name-only",
    "--no-messages",
    ours,
    theirs,
  ]);
  if (!ended.ok) return ended;
  const { code, output, failure } = ended.value;
  const [tree = "", ...files] = output.split("\0").filter((part) => part !== "");
  if (code === 0) return ok({ kind: "clean", tree });
  if (code === 1) return ok({ kind: "conflict", files: [...new Set(files)] });
  if (/usage|unknown option/i.test(failure.message)) {
    return err(refused("unsupported", "this git cannot merge without a checkout", "Install git 2.38 or newer"));
  }
  return err(failure);
}

const NOTHING = "0000000000000000000000000000000000000000";

/** Moves a reference only from where it was. @returns whether it was there */
export async function moveRef(
  gitDir: string,
  ref: string,
  to: string,
  from: string | undefined,
): Promise<Result<boolean>> {
  const moved = await gitEnd(gitDir, ["update-ref", ref, to, from ?? NOTHING]);
  if (!moved.ok) return moved;
  if (moved.value.code === 0) return ok(true);
  // Whatever else it may be: somebody else was first, or holds its lock.
  return /cannot lock ref|reference already exists|is at .* but expected/i.test(moved.value.failure.message)
    ? ok(false)
    : err(moved.value.failure);
}

/** A node that is root leaves nothing of root's in a repository of somebody else: its owner could not write there. */
export function giveBack(gitDir: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(gitDir);
  if (uid === 0) return;
  for (const entry of readdirSync(gitDir, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    // A second name of a file elsewhere is not given away with it.
    const isOurs = stat?.isDirectory() === true || (stat?.isFile() === true && stat.nlink === 1);
    if (isOurs && stat.uid === 0) chownSync(path, uid, gid);
  }
}
