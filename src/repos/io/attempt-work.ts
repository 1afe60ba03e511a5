/**
 * What attempts do to registered repositories, from the worktree to the branch. Invariants:
 * R1: a branch moves only from the commit that was read (compare and swap), and only for an attempt whose end the queue
 *     has taken; a stale attempt moves nothing.
 * R2: the changes of an attempt are on its branch at most once, however often its end is reported.
 * R3: a worktree begins from the head of its work's branch, or from the main branch as it was just fetched.
 * R4: nothing that a task wrote is run: no hook, filter, or program of a configuration.
 * R5: what a task changed whose submission says `discard` is on no branch, and in no commit.
 * R6: of changes that are too large nothing is copied into the repository.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Clock, during, err, type Failure, ok, type Result, refused, retryable } from "#base";
import { type Repository, workBranch } from "../registry/repository.ts";
import { type AtRepositoryStep, noRepositoryStep } from "../steps.ts";
import type { Turns } from "../turns.ts";
import { type Author, commitTree, giveBack, mergeTrees, messageOf, moveRef, trailersOf, treeOf } from "./commits.ts";
import { git } from "./git.ts";
import { commitAt, type RepositoryPlace, type RepositoryPlaces } from "./repository-place.ts";

/** One attempt, by what makes it different from any other claim of its task. */
export type WorkRef = { readonly taskId: string; readonly attempt: number; readonly fence: string };

export type WorkOrder = WorkRef & {
  readonly repository: Repository;
  /** The goal, or the task itself where it belongs to none. */
  readonly workId: string;
  /** Tasks whose changes must be there. */
  readonly needs: readonly string[];
  /** As the task was submitted. */
  readonly changes: "keep" | "discard";
  /** Whether it goes on in the worktree that an attempt before it left. */
  readonly resumes: boolean;
};

const recordSchema = z.object({
  repository: z.string(),
  taskId: z.string(),
  attempt: z.int(),
  fence: z.string(),
  branch: z.string(),
  gitDir: z.string(),
  base: z.string(),
  main: z.string(),
  changes: z.enum(["keep", "discard"]).default("keep"),
  /** What it changed, while nobody has said yet whether its end counts. */
  waiting: z.string().optional(),
});
/** From which commit of what an attempt works; kept on disk until its changes are on the branch. */
export type WorkRecord = z.infer<typeof recordSchema>;

/** `goesOn`: in the worktree that is there; else that has to be made anew. */
export type PreparedWork = { readonly record: WorkRecord; readonly goesOn: boolean };

/** What an attempt changed, as a commit that no branch shows yet. While it is open no other changes the repository. */
export type CapturedWork = {
  /** Null: it changed nothing, or nothing that is kept. */
  readonly commit: string | null;
  readonly record: WorkRecord;
  /** Puts it onto the branch. @returns the head of the branch afterwards, null when there was nothing to put */
  readonly land: () => Promise<Result<string | null>>;
  /** Forgets it: the attempt is stale. */
  readonly drop: () => Promise<void>;
  /** Keeps it until it is known whether the end of the attempt counts. */
  readonly wait: () => void;
  /** Gives the repository free; to be called at the end, also after `land`. */
  readonly close: () => void;
};

/** Others of the work may land while this one does; each try takes in what they did. */
const LAND_TRIES = 5;
export const TASK_TRAILER = "Drover-Task";
const ATTEMPT_TRAILER = "Drover-Attempt";

export type AttemptWorkParts = {
  readonly stateDir: string;
  readonly places: RepositoryPlaces;
  readonly author: Author;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly atStep?: AtRepositoryStep;
};

export class AttemptWork {
  readonly #parts: AttemptWorkParts;
  readonly #folder: string;
  readonly #atStep: AtRepositoryStep;

  constructor(parts: AttemptWorkParts) {
    this.#parts = parts;
    this.#atStep = parts.atStep ?? noRepositoryStep;
    this.#folder = join(parts.stateDir, "repositories", "attempts");
  }

  /** Fetches, and decides from which commit the attempt works. @returns what is kept of it; the worktree is the worker's */
  prepare(order: WorkOrder): Promise<Result<PreparedWork>> {
    return this.#parts.turns.run(order.repository.name, () => this.#prepare(order));
  }

  async #prepare(order: WorkOrder): Promise<Result<PreparedWork>> {
    const { repository, workId, needs } = order;
    const { places } = this.#parts;
    const place = await places.open(repository);
    if (!place.ok) return place;
    const { gitDir } = place.value;
    const main = await places.fresh(repository, place.value);
    if (!main.ok) return main;
    const branch = workBranch(workId);
    const head = await headOf(place.value, branch);
    if (!head.ok) return head;
    const missing = await missingOf(gitDir, needs, main.value.commit, head.value);
    if (!missing.ok) return missing;
    const left = order.resumes ? this.#read(order.taskId) : undefined;
    const goesOn = left !== undefined && left.repository === repository.name && left.branch === branch;
    const base = goesOn ? left.base : (head.value ?? main.value.commit);
    const { taskId, attempt, fence, changes } = order;
    const record: WorkRecord = {
      repository: repository.name,
      taskId,
      attempt,
      fence,
      branch,
      gitDir,
      base,
      main: main.value.commit,
      changes,
    };
    this.#write(record);
    this.#atStep("attempt:noted");
    giveBack(gitDir);
    return ok({ record, goesOn });
  }

  /** @returns what is known of an attempt that has not landed; undefined when it is another's, or has. */
  recordOf({ taskId, attempt, fence }: WorkRef): WorkRecord | undefined {
    const record = this.#read(taskId);
    return record?.attempt === attempt && record.fence === fence ? record : undefined;
  }

  /**
   * Makes a commit of what an attempt left. Refused when that cannot be committed, or conflicts with what its branch has
   * meanwhile. When it succeeds the repository is held until `close`.
   */
  async capture(
    record: WorkRecord,
    worktree: string,
    said: { readonly title: string; readonly text: string },
  ): Promise<Result<CapturedWork>> {
    const done = await this.#parts.turns.take(record.repository);
    try {
      const commit = await this.#capture(record, worktree, said);
      if (!commit.ok) {
        done();
        return commit;
      }
      const land = async (): Promise<Result<string | null>> => {
        const landed = commit.value === null ? ok(null) : await this.#land(record, commit.value);
        if (landed.ok) await this.#forget(record);
        return landed;
      };
      const wait = (): void => {
        if (commit.value !== null) this.#write({ ...record, waiting: commit.value });
        else rmSync(this.#path(record.taskId), { force: true }); // nothing will be put anywhere, whatever the hub says
      };
      return ok({ commit: commit.value, record, land, wait, drop: () => this.#forget(record), close: done });
    } catch (cause) {
      done();
      throw cause;
    }
  }

  async #capture(
    record: WorkRecord,
    worktree: string,
    said: { readonly title: string; readonly text: string },
  ): Promise<Result<string | null>> {
    if (record.changes === "discard") return ok(null); // R5
    const { gitDir, base, taskId, attempt, branch } = record;
    if (!existsSync(worktree)) return err(refused("not_found", `the worktree ${worktree} is gone`));
    if (!existsSync(gitDir)) return err(gone(record));
    const tree = await treeOf(gitDir, worktree, base, join(this.#folder, "scratch"));
    if (!tree.ok) return err(during(tree.error, "commit the changes"));
    const before = await git(gitDir, ["rev-parse", `${base}^{tree}`]);
    if (!before.ok) return before;
    if (before.value.trim() === tree.value) return ok(null);
    const message = messageOf(said.title, said.text, {
      [TASK_TRAILER]: taskId,
      [ATTEMPT_TRAILER]: `${taskId}/${attempt}`,
    });
    const { author, clock } = this.#parts;
    const commit = await commitTree(gitDir, {
      tree: tree.value,
      parents: [base],
      message,
      author,
      atMs: clock.nowMs(),
    });
    if (!commit.ok) return commit;
    const kept = await git(gitDir, ["update-ref", keptRef(record), commit.value]);
    if (!kept.ok) return kept;
    this.#atStep("attempt:captured");
    const head = await commitAt(gitDir, `refs/heads/${branch}`);
    if (head === undefined || head === base) return ok(commit.value);
    const merged = await mergeTrees(gitDir, head, commit.value);
    if (!merged.ok) return merged;
    if (merged.value.kind === "clean") return ok(commit.value);
    const files = merged.value.files.slice(0, 20).join(", ");
    return err(retryable("conflict", `others changed the same on ${branch} meanwhile: ${files}`));
  }

  /** R1, R2 */
  async #land(record: WorkRecord, commit: string): Promise<Result<string>> {
    const { gitDir, branch, base, main } = record;
    if (!existsSync(gitDir)) return err(gone(record));
    const ref = `refs/heads/${branch}`;
    for (let tries = 0; tries < LAND_TRIES; tries += 1) {
      const head = await commitAt(gitDir, ref);
      if (head !== undefined && head !== base) {
        const there = await trailersOf(gitDir, ATTEMPT_TRAILER, main, head);
        if (!there.ok) return there;
        if (there.value.includes(`${record.taskId}/${record.attempt}`)) return ok(head);
      }
      const next = head === undefined || head === base ? ok(commit) : await this.#onto(record, head, commit);
      if (!next.ok) return next;
      const moved = await moveRef(gitDir, ref, next.value, head);
      if (!moved.ok) return moved;
      giveBack(gitDir);
      if (!moved.value) continue;
      this.#atStep("attempt:landed");
      return ok(next.value);
    }
    return err(retryable("conflict", `${branch} moved each time that changes were to be put onto it`));
  }

  /** The same change on another head, with the message it has. */
  async #onto({ gitDir, branch }: WorkRecord, head: string, commit: string): Promise<Result<string>> {
    const merged = await mergeTrees(gitDir, head, commit);
    if (!merged.ok) return merged;
    if (merged.value.kind === "conflict") {
      return err(refused("conflict", `the changes conflict with ${branch}: ${merged.value.files.join(", ")}`));
    }
    const message = await git(gitDir, ["log", "-n", "1", "--format=%B", commit]);
    if (!message.ok) return message;
    const { author, clock } = this.#parts;
    const { tree } = merged.value;
    return commitTree(gitDir, { tree, parents: [head], message: message.value, author, atMs: clock.nowMs() });
  }

  /** Of an attempt that is over: the branch has its changes, or nobody wants them. */
  async #forget(record: WorkRecord): Promise<void> {
    // The note last: while it is there, whatever a kill leaves is found again.
    if (existsSync(record.gitDir)) await git(record.gitDir, ["update-ref", "-d", keptRef(record)]);
    rmSync(this.#path(record.taskId), { force: true });
    this.#atStep("attempt:forgotten");
  }

  /** Every attempt of this node whose changes are on no branch yet. */
  records(): readonly WorkRecord[] {
    if (!existsSync(this.#folder)) return [];
    return readdirSync(this.#folder).flatMap((name) => this.#read(name.replace(/\.json$/, "")) ?? []);
  }

  /** Puts onto its branch what waited. */
  landWaiting(record: WorkRecord & { readonly waiting: string }): Promise<Result<string>> {
    return this.#parts.turns.run(record.repository, async () => {
      const landed = await this.#land(record, record.waiting);
      if (landed.ok) await this.#forget(record);
      return landed;
    });
  }

  /** Of an attempt that nobody wants any more: its record, its commit, and what git keeps of its worktree. */
  prune(record: WorkRecord): Promise<void> {
    return this.#parts.turns.run(record.repository, async () => {
      await this.#forget(record);
      if (existsSync(record.gitDir)) await git(record.gitDir, ["worktree", "prune"]);
    });
  }

  #path(taskId: string): string {
    return join(this.#folder, `${taskId}.json`);
  }

  #write(record: WorkRecord): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const path = this.#path(record.taskId);
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600, flush: true });
    renameSync(`${path}.new`, path);
  }

  #read(taskId: string): WorkRecord | undefined {
    try {
      const read = recordSchema.safeParse(JSON.parse(readFileSync(this.#path(taskId), "utf8")));
      return read.success ? read.data : undefined;
    } catch {
      return undefined; // there is none, or it was not written to its end
    }
  }
}

function keptRef({ taskId, attempt, fence }: WorkRecord): string {
  return `refs/drover/attempts/${taskId}-${attempt}-${fence}`;
}

/** Brings in what another node put onto the branch. @returns the head of the branch; undefined before its first commit */
export async function headOf({ gitDir }: RepositoryPlace, branch: string): Promise<Result<string | undefined>> {
  const local = await commitAt(gitDir, `refs/heads/${branch}`);
  const remote = await commitAt(gitDir, `refs/drover/remote/${branch.replace(/^drover\//, "")}`);
  if (remote === undefined || remote === local) return ok(local);
  if (local !== undefined && (await isAncestor(gitDir, remote, local))) return ok(local);
  if (local === undefined || (await isAncestor(gitDir, local, remote))) {
    const moved = await moveRef(gitDir, `refs/heads/${branch}`, remote, local);
    if (!moved.ok) return moved;
    return moved.value ? ok(remote) : err(retryable("conflict", `${branch} was moved just now`));
  }
  const remedy = `Merge the two by hand, or delete ${branch} at the remote`;
  return err(refused("conflict", `${branch} of this host and of the remote have parted`, remedy));
}

export async function isAncestor(gitDir: string, ancestor: string, descendant: string): Promise<boolean> {
  return (await git(gitDir, ["merge-base", "--is-ancestor", ancestor, descendant])).ok;
}

async function missingOf(
  gitDir: string,
  needs: readonly string[],
  main: string,
  head: string | undefined,
): Promise<Result<void>> {
  if (needs.length === 0) return ok(undefined);
  const there = head === undefined ? ok([]) : await trailersOf(gitDir, TASK_TRAILER, main, head);
  if (!there.ok) return there;
  const missing = needs.find((id) => !there.value.includes(id));
  if (missing === undefined) return ok(undefined);
  return err(retryable("unavailable", `the changes of task ${missing}, which this one needs, are not here yet`));
}

/** Whoever waits for it to come back waits without a word, and holds a place; the next attempt says what is wrong. */
function gone({ repository, gitDir }: WorkRecord): Failure {
  return refused(
    "not_found",
    `the repository ${repository} is gone from ${gitDir}`,
    "Put it back, or register it anew",
  );
}
