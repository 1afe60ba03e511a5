/**
 * What attempts do to registered repositories, from the worktree to the branch. Invariants:
 * R1: a branch moves only from the commit that was read (compare and swap), and only for an attempt whose end the queue
 *     has taken; a stale attempt moves nothing.
 * R2: the changes of an attempt are on its branch at most once, however often its end is reported.
 * R3: a worktree begins from the head of its work's branch, or from the main branch as it was just fetched.
 * R4: nothing that a task wrote is run: no hook, filter, or program of a configuration.
 * R5: what a task changed whose submission says `discard` is on no branch, and in no commit.
 * R6: of changes that are too large nothing is copied into the repository.
 * R7: a worktree begins with the changes of every task that its own depends on, whichever node they were made on; where
 *     they cannot be had nothing begins.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Clock, during, err, type Failure, ok, type Result, refused, retryable } from "#base";
import { type Repository, workBranch } from "../registry/repository.ts";
import { type AtRepositoryStep, noRepositoryStep } from "../steps.ts";
import type { Turns } from "../turns.ts";
import { hasTrailer, headOf } from "./branch-head.ts";
import { type Author, commitTree, giveBack, mergeTrees, messageOf, moveRef, treeOf } from "./commits.ts";
import { git, gitLine } from "./git.ts";
import { commitAt, type RepositoryPlace, type RepositoryPlaces, sharedRef } from "./repository-place.ts";
import { fetchAttempt, moveShared, type SharedBranch, type SharingParts, shareAttempt } from "./shared-work.ts";
import { type WorkRecord, WorkRecords } from "./work-records.ts";

/** One attempt, by what makes it different from any other claim of its task. */
export type WorkRef = { readonly taskId: string; readonly attempt: number; readonly fence: string };

export type WorkOrder = WorkRef & {
  readonly repository: Repository;
  /** The goal, or the task itself where it belongs to none. */
  readonly workId: string;
  /** Changes that must be there. */
  readonly needs: readonly NeededWork[];
  /** Whether other nodes are to see its changes before they are delivered, where there is a remote. */
  readonly shares: boolean;
  /** As the task was submitted. */
  readonly changes: "keep" | "discard";
  /** Whether it goes on in the worktree that an attempt before it left. */
  readonly resumes: boolean;
};

/** What an attempt changed whose end the queue has taken. */
export type NeededWork = WorkRef & { readonly branch: string; readonly base: string; readonly commit: string };

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

export type AttemptWorkParts = SharingParts & {
  readonly stateDir: string;
  readonly places: RepositoryPlaces;
  readonly author: Author;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly atStep?: AtRepositoryStep;
  /** As it is registered now. */
  readonly find: (name: string) => Result<Repository>;
};

/** One branch of work that is looked at in a turn of its repository. `main`: the commit that was fetched. */
export type Under = {
  readonly repository: Repository;
  readonly place: RepositoryPlace;
  readonly workId: string;
  readonly shares: boolean;
  readonly main: string;
};

/** Where an attempt's changes go besides this host; undefined: nowhere. */
type Shared = { readonly branch: SharedBranch; readonly repository: Repository };

export class AttemptWork {
  readonly #parts: AttemptWorkParts;
  readonly #folder: string;
  readonly #atStep: AtRepositoryStep;
  readonly #records: WorkRecords;

  constructor(parts: AttemptWorkParts) {
    this.#parts = parts;
    this.#atStep = parts.atStep ?? noRepositoryStep;
    this.#folder = join(parts.stateDir, "repositories", "attempts");
    this.#records = new WorkRecords(this.#folder);
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
    const { gitDir, remoteUrl } = place.value;
    const main = await places.fresh(repository, place.value);
    if (!main.ok) return main;
    const branch = workBranch(workId);
    const shares = order.shares && remoteUrl !== undefined;
    const at: Under = { repository, place: place.value, workId, shares, main: main.value.commit };
    const head = await this.bringIn(at, needs);
    if (!head.ok) return head;
    const left = order.resumes ? this.#records.read(order.taskId) : undefined;
    const goesOn = left !== undefined && left.repository === repository.name && left.branch === branch;
    const base = goesOn ? left.base : (head.value ?? main.value.commit);
    const { taskId, attempt, fence, changes } = order;
    const record: WorkRecord = {
      repository: repository.name,
      workId,
      shares,
      taskId,
      attempt,
      fence,
      branch,
      gitDir,
      base,
      main: main.value.commit,
      changes,
    };
    this.#records.write(record);
    this.#atStep("attempt:noted");
    giveBack(gitDir);
    return ok({ record, goesOn });
  }

  /**
   * R7: sees to it that the branch has all that is needed, and puts onto it itself what another node has left undone. In
   * a turn of the repository, after its remote was fetched.
   * @returns the head of the branch; undefined before its first commit
   */
  async bringIn(under: Under, needs: readonly NeededWork[]): Promise<Result<string | undefined>> {
    const { place, workId, main } = under;
    const branch = workBranch(workId);
    let head = await headOf(place, branch);
    for (const need of needs) {
      if (!head.ok) return head;
      const trailer = { name: TASK_TRAILER, value: need.taskId };
      const isThere = await hasTrailer(place.gitDir, trailer, main, head.value);
      if (!isThere.ok) return isThere;
      if (!isThere.value) head = await this.#landNeeded(under, need);
    }
    return head;
  }

  /** R1 holds: the queue has taken its end. R2 holds: whoever lands it looks for its trailer first. */
  async #landNeeded({ repository, place, workId, shares, main }: Under, need: NeededWork): Promise<Result<string>> {
    const { taskId, attempt, fence, base, commit } = need;
    const branch = workBranch(workId);
    const own = { repository: repository.name, workId, shares, branch, gitDir: place.gitDir, main };
    const record: WorkRecord = { ...own, taskId, attempt, fence, base, changes: "keep" };
    const kept = keptRef(record);
    const shared: SharedBranch = { place, main: repository.branch, workId };
    const found =
      need.branch === branch && shares ? await fetchAttempt(this.#parts, shared, keyOf(need), commit, kept) : ok(false);
    if (!found.ok) return found;
    const missing = `the changes of task ${taskId} on ${need.branch}, which are needed, are not here`;
    if (!found.value) return err(retryable("unavailable", missing));
    const landed = await this.#land(record, commit);
    if (landed.ok) await this.#forget(record);
    return landed;
  }

  /** @returns what is known of an attempt that has not landed; undefined when it is another's, or has. */
  recordOf({ taskId, attempt, fence }: WorkRef): WorkRecord | undefined {
    const record = this.#records.read(taskId);
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
        if (commit.value !== null) this.#records.write({ ...record, waiting: commit.value });
        else this.#records.remove(record.taskId); // nothing will be put anywhere, whatever the hub says
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
    const commit = await this.#commit(record, tree.value, message);
    if (!commit.ok) return commit;
    this.#atStep("attempt:captured");
    const shared = await this.#sharedOf(record);
    if (!shared.ok) return shared;
    const head = await this.#headNow(record, shared.value);
    if (!head.ok) return head;
    if (head.value !== undefined && head.value !== base) {
      const merged = await mergeTrees(gitDir, head.value, commit.value);
      if (!merged.ok) return merged;
      if (merged.value.kind === "conflict") {
        const files = merged.value.files.slice(0, 20).join(", ");
        return err(retryable("conflict", `others changed the same on ${branch} meanwhile: ${files}`));
      }
    }
    if (shared.value === undefined) return commit;
    // Before the end is reported: whoever needs it then can have it, whatever becomes of this node.
    const put = await shareAttempt(this.#parts, shared.value.branch, keyOf(record), commit.value);
    return put.ok ? commit : put;
  }

  /** A report that is repeated is of the same commit: others may know it by its name already. */
  async #commit(record: WorkRecord, tree: string, message: string): Promise<Result<string>> {
    const { gitDir, base } = record;
    const ref = keptRef(record);
    const before = await commitAt(gitDir, ref);
    const same = await gitLine(gitDir, ["rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{tree}`]);
    if (before !== undefined && same.ok && same.value === tree) return ok(before);
    const { author, clock } = this.#parts;
    const commit = await commitTree(gitDir, { tree, parents: [base], message, author, atMs: clock.nowMs() });
    if (!commit.ok) return commit;
    const kept = await git(gitDir, ["update-ref", ref, commit.value]);
    return kept.ok ? commit : kept;
  }

  async #sharedOf({ repository: name, shares, workId }: WorkRecord): Promise<Result<Shared | undefined>> {
    if (!shares) return ok(undefined);
    const repository = this.#parts.find(name);
    if (!repository.ok) return repository;
    const place = await this.#parts.places.open(repository.value);
    if (!place.ok) return place;
    const branch = { place: place.value, main: repository.value.branch, workId };
    return ok({ branch, repository: repository.value });
  }

  /** With what other nodes have put there up to now. */
  async #headNow({ gitDir, branch }: WorkRecord, shared: Shared | undefined): Promise<Result<string | undefined>> {
    if (shared === undefined) return ok(await commitAt(gitDir, `refs/heads/${branch}`));
    const { place } = shared.branch;
    const main = await this.#parts.places.fresh(shared.repository, place);
    if (!main.ok) return main;
    if (main.value.staleSinceMs === null) return headOf(place, branch);
    return err(retryable("unavailable", `the remote of ${shared.repository.name} does not answer`));
  }

  /** R1, R2 */
  async #land(record: WorkRecord, commit: string): Promise<Result<string>> {
    const { gitDir, branch, base, main } = record;
    if (!existsSync(gitDir)) return err(gone(record));
    const shared = await this.#sharedOf(record);
    if (!shared.ok) return shared;
    for (let tries = 0; tries < LAND_TRIES; tries += 1) {
      const found = await this.#headNow(record, shared.value);
      if (!found.ok) return found;
      const head = found.value;
      const trailer = { name: ATTEMPT_TRAILER, value: `${record.taskId}/${record.attempt}` };
      const isThere = head === undefined || head === base ? ok(false) : await hasTrailer(gitDir, trailer, main, head);
      if (!isThere.ok) return isThere;
      const next = await this.#next(record, commit, head, isThere.value);
      if (!next.ok) return next;
      const moved = await this.#move(record, shared.value, head, next.value);
      if (!moved.ok) return moved;
      giveBack(gitDir);
      if (!moved.value) continue;
      this.#atStep("attempt:landed");
      return next;
    }
    return err(retryable("conflict", `${branch} moved each time that changes were to be put onto it`));
  }

  async #next(record: WorkRecord, commit: string, head: string | undefined, isThere: boolean): Promise<Result<string>> {
    if (head === undefined || head === record.base) return ok(commit);
    return isThere ? ok(head) : this.#onto(record, head, commit);
  }

  /** The remote first, where there is one: what this host has besides follows from it. @returns false when others were first */
  async #move(
    { gitDir, branch, workId }: WorkRecord,
    shared: Shared | undefined,
    head: string | undefined,
    next: string,
  ): Promise<Result<boolean>> {
    if (shared !== undefined) {
      const there = await commitAt(gitDir, sharedRef(workId));
      const pushed = there === next ? ok(true) : await moveShared(this.#parts, shared.branch, there, next);
      if (!pushed.ok || !pushed.value) return pushed;
    }
    return head === next ? ok(true) : moveRef(gitDir, `refs/heads/${branch}`, next, head);
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
    this.#records.remove(record.taskId);
    this.#atStep("attempt:forgotten");
  }

  /** Every attempt of this node whose changes are on no branch yet. */
  records(): readonly WorkRecord[] {
    return this.#records.all();
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
}

function keyOf({ taskId, attempt, fence }: WorkRef): string {
  return `${taskId}-${attempt}-${fence}`;
}

function keptRef(record: WorkRecord): string {
  return `refs/drover/attempts/${keyOf(record)}`;
}

/** Whoever waits for it to come back waits without a word, and holds a place; the next attempt says what is wrong. */
function gone({ repository, gitDir }: WorkRecord): Failure {
  return refused(
    "not_found",
    `the repository ${repository} is gone from ${gitDir}`,
    "Put it back, or register it anew",
  );
}
