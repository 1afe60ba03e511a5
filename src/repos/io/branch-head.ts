/** Where the branch of some work stands, taking together what this host has and what was fetched of its remote. */
import { err, ok, type Result, refused, retryable } from "#base";
import { moveRef, trailersOf } from "./commits.ts";
import { git } from "./git.ts";
import { commitAt, deliveredRef, type RepositoryPlace, sharedRef } from "./repository-place.ts";

/** As `git rev-parse --short` does it for people. */
const SHOWN_DIGITS = 10;

/**
 * Brings in what other nodes and people put onto the branch, as it was fetched last.
 * @returns the head of the branch; undefined before its first commit; refused when they have parted
 */
export async function headOf({ gitDir }: RepositoryPlace, branch: string): Promise<Result<string | undefined>> {
  const id = branch.replace(/^drover\//, "");
  const local = await commitAt(gitDir, `refs/heads/${branch}`);
  let head = local;
  for (const ref of [sharedRef(id), deliveredRef(id)]) {
    const there = await commitAt(gitDir, ref);
    if (there === undefined || there === head) continue;
    if (head !== undefined && (await isAncestor(gitDir, there, head))) continue;
    if (head !== undefined && !(await isAncestor(gitDir, head, there))) return err(parted(branch, head, there));
    head = there;
  }
  if (head === undefined || head === local) return ok(head);
  const moved = await moveRef(gitDir, `refs/heads/${branch}`, head, local);
  if (!moved.ok) return moved;
  return moved.value ? ok(head) : err(retryable("conflict", `${branch} was moved just now`));
}

function parted(branch: string, here: string, there: string) {
  const remedy = `Merge the two by hand, or delete the one that is not wanted: git update-ref -d refs/heads/${branch} here, or the branch at the remote`;
  const [one, other] = [here, there].map((commit) => commit.slice(0, SHOWN_DIGITS));
  return refused("conflict", `${branch} of this host (${one}) and of the remote (${other}) have parted`, remedy);
}

export async function isAncestor(gitDir: string, ancestor: string, descendant: string): Promise<boolean> {
  return (await git(gitDir, ["merge-base", "--is-ancestor", ancestor, descendant])).ok;
}

/** @returns whether a commit of the branch has this trailer, also one that the main branch has by now. */
export async function hasTrailer(
  gitDir: string,
  trailer: { readonly name: string; readonly value: string },
  main: string,
  head: string | undefined,
): Promise<Result<boolean>> {
  if (head === undefined) return ok(false);
  for (const base of [main, undefined]) {
    const there = await trailersOf(gitDir, trailer.name, base, head);
    if (!there.ok) return there;
    if (there.value.includes(trailer.value)) return ok(true);
  }
  return ok(false);
}
