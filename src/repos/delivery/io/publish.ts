/** Moves what was decided: pushes, pull requests, merges and reverts. A1: called for nothing that is blocked. */
import { err, ok, type Result, refused, retryable } from "#base";
import { isAncestor } from "../../io/branch-head.ts";
import { type Author, commitTree, giveBack, mergeTrees, moveRef } from "../../io/commits.ts";
import { git, gitEnd, gitLine } from "../../io/git.ts";
import { commitAt, type RepositoryPlace } from "../../io/repository-place.ts";

/** Without force: a branch that somebody else moved is not overwritten. */
export async function push(
  { gitDir, remoteUrl, network }: RepositoryPlace,
  commit: string,
  branch: string,
  timeoutMs: number,
): Promise<Result<void>> {
  if (remoteUrl === undefined) return ok(undefined);
  const refspec = `${commit}:refs/heads/${branch}`;
  const args = [
    "push",
    "--quiet",
    "--no-verify",
    "--receive-pack=git-receive-pack",
    "--end-of-options",
    remoteUrl,
    refspec,
  ];
  const pushed = await gitEnd(gitDir, args, { timeoutMs, ...(network === undefined ? {} : { network }) });
  if (!pushed.ok) return pushed;
  const { code, failure } = pushed.value;
  if (code === 0) return ok(undefined);
  if (/fetch first|non-fast-forward|stale info|cannot lock ref/.test(failure.message)) {
    return err(retryable("conflict", `${branch} was moved at the remote meanwhile`));
  }
  return err(failure);
}

export type MovedMain = "moved" | "checkedOut" | "raced";

/**
 * Puts a commit, whose parent is `main`, onto the main branch: at the remote, or here where there is none. A branch that
 * somebody has checked out is left alone, since their files would no longer be those of their branch.
 */
export async function moveMain(
  place: RepositoryPlace,
  branch: string,
  main: string,
  commit: string,
  timeoutMs: number,
): Promise<Result<MovedMain>> {
  if (place.remoteUrl !== undefined) {
    const pushed = await push(place, commit, branch, timeoutMs);
    if (pushed.ok) return ok("moved");
    return pushed.error.code === "conflict" ? ok("raced") : pushed;
  }
  const worktrees = await git(place.gitDir, ["worktree", "list", "--porcelain"]);
  if (!worktrees.ok) return worktrees;
  if (worktrees.value.split("\n").includes(`branch refs/heads/${branch}`)) return ok("checkedOut");
  const moved = await moveRef(place.gitDir, `refs/heads/${branch}`, commit, main);
  if (!moved.ok) return moved;
  giveBack(place.gitDir);
  return ok(moved.value ? "moved" : "raced");
}

/**
 * Makes the commit that takes back what `merge` brought to its first parent, on top of `tip`, which has it.
 * @returns refused when others have built on it
 */
export async function revertCommit(
  { gitDir }: RepositoryPlace,
  merge: string,
  tip: string,
  author: Author,
  reason: string,
  atMs: number,
): Promise<Result<string>> {
  if (tip !== merge && !(await isAncestor(gitDir, merge, tip))) {
    return err(refused("conflict", "the main branch does not have the merge any more"));
  }
  const before = await commitAt(gitDir, `${merge}^1`);
  const tree = await gitLine(gitDir, ["rev-parse", "--verify", "--end-of-options", `${merge}^1^{tree}`]);
  if (before === undefined || !tree.ok) return err(refused("not_found", "the merge has no parent to go back to"));
  const subject = await gitLine(gitDir, ["log", "-n", "1", "--format=%s", merge]);
  if (!subject.ok) return subject;
  const message = `Revert: ${subject.value}\n\nThis reverts commit ${merge}.\n${reason}`;
  const undone = await commitTree(gitDir, { tree: tree.value, parents: [merge], message, author, atMs });
  if (!undone.ok || tip === merge) return undone;
  const merged = await mergeTrees(gitDir, tip, undone.value);
  if (!merged.ok) return merged;
  if (merged.value.kind === "conflict") {
    return err(refused("conflict", `others have changed the same since: ${merged.value.files.join(", ")}`));
  }
  return commitTree(gitDir, { tree: merged.value.tree, parents: [tip], message, author, atMs });
}
