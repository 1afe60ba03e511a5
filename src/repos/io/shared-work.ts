/**
 * What the nodes of a fleet see of each other's work before it is delivered. It lies at the remote under `refs/drover/`,
 * which no list of branches shows: `branches/ID` is the branch of a goal, `attempts/ID/…` what single attempts changed, from
 * before their end is reported. Invariants:
 * - SW1: nothing is pushed there before what it has beyond the main branch was scanned; what blocks stays on its node.
 * - SW2: the branch of a goal moves at the remote only from the commit that was read (compare and swap).
 */
import { during, err, ok, type Result, refused, retryable } from "#base";
import { scanChanges } from "./changes.ts";
import { type GitOptions, git, gitEnd } from "./git.ts";
import { commitAt, type RepositoryPlace, sharedRef, upstreamRef } from "./repository-place.ts";

export type SharingParts = {
  /** What the scan looks for besides what it knows. */
  readonly watched: readonly string[];
  readonly pushTimeoutMs: number;
};

/** One branch of one repository, as this node works on it. */
export type SharedBranch = {
  readonly place: RepositoryPlace;
  /** The main branch, whose remote copy was fetched before. */
  readonly main: string;
  /** The goal, or the task that belongs to none. */
  readonly workId: string;
};

/** Findings that a failure names; `drover repo scan` shows all. */
const MAX_SHOWN = 5;
/** Removed with one push. */
const MAX_REMOVED = 500;
const BRANCHES = "refs/drover/branches/";
const ATTEMPTS = "refs/drover/attempts/";

/** SW1: puts there what an attempt changed. Again is no fault. */
export async function shareAttempt(
  parts: SharingParts,
  branch: SharedBranch,
  key: string,
  commit: string,
): Promise<Result<void>> {
  const scanned = await scan(parts, branch, commit);
  if (!scanned.ok) return scanned;
  const pushed = await push(parts, branch.place, [`+${commit}:${attemptRef(branch.workId, key)}`]);
  return pushed.ok ? ok(undefined) : pushed;
}

/**
 * Brings what another node put there as {@link shareAttempt} onto this host, where `ref` keeps it.
 * @returns false when it is not there, or is another commit
 */
export async function fetchAttempt(
  { pushTimeoutMs }: SharingParts,
  { place, workId }: SharedBranch,
  key: string,
  commit: string,
  ref: string,
): Promise<Result<boolean>> {
  const refspec = `+${attemptRef(workId, key)}:${ref}`;
  const args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"];
  const more = ["--no-auto-maintenance", "--upload-pack=git-upload-pack", "--end-of-options", place.remoteUrl ?? ""];
  const fetched = await git(place.gitDir, [...args, ...more, refspec], network(place, pushTimeoutMs));
  if (!fetched.ok && /find remote ref/.test(fetched.error.message)) return ok(false);
  if (!fetched.ok) return fetched;
  return ok((await commitAt(place.gitDir, ref)) === commit);
}

/** SW1, SW2. @returns false when another node was first: fetch, and put it onto what is there then */
export async function moveShared(
  parts: SharingParts,
  branch: SharedBranch,
  from: string | undefined,
  commit: string,
): Promise<Result<boolean>> {
  const scanned = await scan(parts, branch, commit);
  if (!scanned.ok) return scanned;
  const ref = `${BRANCHES}${branch.workId}`;
  const moved = await push(parts, branch.place, [`${commit}:${ref}`], [`--force-with-lease=${ref}:${from ?? ""}`]);
  if (!moved.ok || !moved.value) return moved;
  const noted = await git(branch.place.gitDir, ["update-ref", sharedRef(branch.workId), commit]);
  return noted.ok ? ok(true) : noted;
}

/** @returns the ids of the work of which something lies at the remote */
export async function sharedIds(parts: SharingParts, place: RepositoryPlace): Promise<Result<readonly string[]>> {
  const listed = await listShared(parts, place);
  return listed.ok ? ok([...new Set(listed.value.map(workIdOf))].sort()) : listed;
}

/** Removes everything of this work from the remote. Twice is no fault. */
export async function removeShared(parts: SharingParts, place: RepositoryPlace, workId: string): Promise<Result<void>> {
  const listed = await listShared(parts, place);
  if (!listed.ok) return listed;
  const own = listed.value.filter((ref) => workIdOf(ref) === workId).slice(0, MAX_REMOVED);
  if (own.length === 0) return ok(undefined);
  const removed = await push(
    parts,
    place,
    own.map((ref) => `:${ref}`),
  );
  return removed.ok ? ok(undefined) : removed;
}

async function listShared({ pushTimeoutMs }: SharingParts, place: RepositoryPlace): Promise<Result<readonly string[]>> {
  const { gitDir, remoteUrl = "" } = place;
  const args = ["ls-remote", "--quiet", "--refs", "--upload-pack=git-upload-pack", "--end-of-options", remoteUrl];
  const listed = await git(gitDir, [...args, `${BRANCHES}*`, `${ATTEMPTS}*`], network(place, pushTimeoutMs));
  return listed.ok ? ok(listed.value.split("\n").flatMap((line) => line.split("\t")[1] ?? [])) : listed;
}

function workIdOf(ref: string): string {
  return ref.startsWith(BRANCHES) ? ref.slice(BRANCHES.length) : (ref.slice(ATTEMPTS.length).split("/")[0] ?? "");
}

function attemptRef(workId: string, key: string): string {
  return `${ATTEMPTS}${workId}/${key}`;
}

/** SW1: with the allow-list of the main branch, as a delivery is. */
async function scan({ watched }: SharingParts, { place, main }: SharedBranch, commit: string): Promise<Result<void>> {
  const base = await commitAt(place.gitDir, upstreamRef(main));
  if (base === undefined) return err(retryable("unavailable", `${main} was not fetched yet`));
  const judged = await scanChanges(place.gitDir, base, commit, watched);
  if (!judged.ok) return err(during(judged.error, "scan what is to be pushed"));
  const blocking = judged.value.findings.filter(({ severity }) => severity === "block");
  if (blocking.length === 0) return ok(undefined);
  const shown = blocking.slice(0, MAX_SHOWN).map(({ rule, path, line }) => `${rule} in ${path}:${line ?? ""}`);
  const remedy = "Take it out, or let it through with a reason in .drover-publish.toml of the main branch";
  return err(refused("invalid", `its changes hold what must not leave this node: ${shown.join(", ")}`, remedy));
}

/** @returns false when the remote's reference is not where it was thought to be */
async function push(
  { pushTimeoutMs }: SharingParts,
  place: RepositoryPlace,
  refspecs: readonly string[],
  options: readonly string[] = [],
): Promise<Result<boolean>> {
  const args = ["push", "--quiet", "--no-verify", "--receive-pack=git-receive-pack", ...options];
  const command = [...args, "--end-of-options", place.remoteUrl ?? "", ...refspecs];
  const pushed = await gitEnd(place.gitDir, command, network(place, pushTimeoutMs));
  if (!pushed.ok) return pushed;
  const { code, failure } = pushed.value;
  if (code === 0) return ok(true);
  if (/stale info|fetch first|non-fast-forward|cannot lock ref|reference already exists/.test(failure.message)) {
    return ok(false);
  }
  if (failure.code === "unavailable" || failure.code === "timed_out") return err(failure);
  const remedy = "Let this node push to refs/drover/ there, or set share = false: its goals stay on one node then";
  return err(refused(failure.code, `share work with the other nodes: ${failure.message}`, remedy));
}

function network({ network: own }: RepositoryPlace, timeoutMs: number): GitOptions {
  return { timeoutMs, network: own ?? {} };
}
