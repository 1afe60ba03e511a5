import { accessSync, constants, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { err, type Failure, ok, type Result, retryable, terminal } from "#base";
import { describeEnd } from "../outcome.ts";
import type { WorkspacePlan } from "../workspace.ts";
import type { CommandRun } from "./command.ts";
import { errorCode, systemFailure } from "./system-failure.ts";

/** A checkout of a very large repository on a slow disk. */
export const GIT_TIMEOUT_MS = 10 * 60 * 1_000;

/** Runs git in `cwd`; nothing of the repository's own configuration may start a program. */
export type RunGit = (args: readonly string[], cwd: string) => Promise<CommandRun>;

/**
 * What a repository's own configuration and hooks could make git run is switched off, since it runs outside the sandbox
 * and a task may have written them. safe.directory: also in a workspace that was handed to the user of its commands.
 */
export const GIT_SAFETY = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "submodule.recurse=false",
  "gc.auto=0",
  "maintenance.auto=false",
  "core.sshCommand=false",
  "credential.helper=",
  "protocol.allow=never",
  "safe.directory=*",
].flatMap((setting) => ["-c", setting]);

/** Makes the workspace of an attempt ready. @returns its path; the failure says what to do. */
export async function prepareWorkspace(plan: WorkspacePlan, git: RunGit): Promise<Result<string, Failure>> {
  switch (plan.kind) {
    case "given":
      return checkFolder(plan.path);
    case "private":
      return makeFolder(plan.path);
    case "worktree":
      return prepareWorktree(plan, git);
  }
}

/** Removes what {@link prepareWorkspace} made; a given folder is left alone. Doing it twice is no fault. */
export async function disposeWorkspace(plan: WorkspacePlan, git: RunGit): Promise<Result<void, Failure>> {
  if (plan.kind === "given") return ok(undefined);
  try {
    if (plan.kind === "worktree" && existsSync(plan.path) && existsSync(plan.repo)) {
      await git(["worktree", "remove", "--force", plan.path], plan.repo);
    }
    // Also after a failed `worktree remove`: the entry left in the repository is pruned by git itself.
    rmSync(plan.path, { recursive: true, force: true });
    rmSync(readyMark(plan.path), { force: true });
    return ok(undefined);
  } catch (error) {
    return err(systemFailure(error, `remove workspace ${plan.path}`));
  }
}

function checkFolder(path: string): Result<string, Failure> {
  try {
    if (!statSync(path).isDirectory()) {
      return err(terminal("invalid", `workspace ${path} is not a folder`, "Give the path of a folder"));
    }
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return ok(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") {
      return err(
        terminal("not_found", `workspace ${path} does not exist`, "Create the folder, or leave workspace out"),
      );
    }
    return err(systemFailure(error, `use workspace ${path}`));
  }
}

function makeFolder(path: string): Result<string, Failure> {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return ok(path);
  } catch (error) {
    return err(systemFailure(error, `create workspace ${path}`));
  }
}

/** Lies beside a worktree whose checkout is complete; without it a worktree is made anew. */
function readyMark(path: string): string {
  return `${path}.ready`;
}

async function prepareWorktree(
  plan: Extract<WorkspacePlan, { kind: "worktree" }>,
  git: RunGit,
): Promise<Result<string, Failure>> {
  if (!existsSync(plan.repo)) {
    return err(terminal("not_found", `repo ${plan.repo} does not exist`, "Clone it on this host, or correct the path"));
  }
  const inside = await git(["rev-parse", "--git-dir"], plan.repo);
  if (!succeeded(inside)) return err(gitFailure(inside, `use repo ${plan.repo}`, "Give the path of a git repository"));
  const commit = plan.commit ?? "HEAD";
  const head = await git(["rev-parse", "--verify", "--quiet", `${commit}^{commit}`], plan.repo);
  if (!succeeded(head))
    return err(gitFailure(head, `use repo ${plan.repo}: it has no commit ${commit}`, "Commit something first"));
  if (existsSync(readyMark(plan.path)) && succeeded(await git(["rev-parse", "--git-dir"], plan.path)))
    return ok(plan.path);
  const disposed = await disposeWorkspace(plan, git);
  if (!disposed.ok) return disposed;
  const made = makeFolder(dirname(plan.path));
  if (!made.ok) return made;
  const filters = await ownFilters(plan.repo, git, plan.commit === undefined ? OWN_SCOPES : ALL_SCOPES);
  if (!filters.ok) return filters;
  const added = await git([...filters.value, "worktree", "add", "--detach", "--force", plan.path, commit], plan.repo);
  if (!succeeded(added)) {
    const reason = added.output.head.trim() || describeEnd(added.end);
    return err(retryable("unavailable", `make a worktree of ${plan.repo}: ${reason}`));
  }
  try {
    writeFileSync(readyMark(plan.path), "", { mode: 0o600 });
    return ok(plan.path);
  } catch (error) {
    return err(systemFailure(error, `mark workspace ${plan.path}`));
  }
}

/**
 * A checkout runs the filters (smudge, process) that configuration and attributes name. Those of the host and of the
 * user are the operator's; those of the repository itself may be a task's, and are switched off. Where what is checked
 * out is committed again by the node, none runs either way.
 */
async function ownFilters(
  repo: string,
  git: RunGit,
  scopes: readonly (readonly string[])[],
): Promise<Result<readonly string[], Failure>> {
  const found = new Set<string>();
  for (const scope of scopes) {
    const listed = await git(["config", ...scope, "--includes", "--name-only", "--get-regexp", FILTERS], repo);
    // 1: there are none. With several worktrees and no configuration of each, --worktree is refused: then there is none.
    if (
      !succeeded(listed) &&
      !(listed.end.kind === "exited" && (listed.exitCode === 1 || scope.includes("--worktree")))
    )
      return err(gitFailure(listed, `read the filters of repo ${repo}`, "Correct its .git/config"));
    const { head, totalBytes } = listed.output;
    const names = succeeded(listed) ? head.split("\n").filter((name) => name.startsWith("filter.")) : [];
    // Not all was read, or not as it is (control characters are left out); or git would end the name at a "=".
    const unsafe = Buffer.byteLength(head) !== totalBytes || names.some((name) => name.includes("="));
    if (unsafe) return err(terminal("invalid", `use repo ${repo}: its filters cannot be switched off`, FILTER_REMEDY));
    for (const name of names) found.add(name.slice(0, name.lastIndexOf(".")));
  }
  return ok([...found].flatMap((filter) => FILTER_OFF.flatMap((setting) => ["-c", `${filter}.${setting}`])));
}

const OWN_SCOPES = [["--local"], ["--worktree"]];
const ALL_SCOPES = [[]];
const FILTERS = "^filter\\.";
const FILTER_OFF = ["smudge=", "clean=", "process=", "required=false"];
const FILTER_REMEDY = "Remove filter.* from its .git/config, or set them for the user with git config --global";

function succeeded(run: CommandRun): boolean {
  return run.end.kind === "exited" && run.end.exitCode === 0;
}

function gitFailure(run: CommandRun, action: string, remedy: string): Failure {
  if (run.end.kind === "failed") return run.end.failure;
  const reason = run.output.head.trim() || describeEnd(run.end);
  return terminal("invalid", `${action}: ${reason}`, remedy);
}
