/** Where attempts at tasks that name a registered repository work, and what becomes of what they changed there. */
import { existsSync } from "node:fs";
import { storedFields } from "#api";
import {
  type Clock,
  describeFailure,
  during,
  err,
  type JsonObject,
  type Logger,
  ok,
  type Result,
  retryable,
  sleep,
  type TaskId,
} from "#base";
import {
  type AttemptRef,
  type AttemptResult,
  checkpointPathOf,
  isRegisteredName,
  removeWorkspace,
  type TaskSpec,
  type WorkspacePlan,
} from "#execution";
import type { ClaimedTask, QueueStore, TaskRecord } from "#queue";
import { type AttemptWork, findRepository, type Registered, type WorkRecord } from "#repos";
import { fenceText, neededWork } from "./needed-work.ts";

/** The label by which a task says to which goal it belongs; the field `goal` says the same. */
const GOAL_LABEL = "drover.goal";
/** A copy is behind by less than a second while it is followed; past this something is wrong with it. */
const SHOWN_MS = 30_000;
const LOOK_MS = 25;
const MAX_WORK_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/;

/** What an attempt changed, committed and not shown yet. */
export type Captured = {
  /** For the result of the attempt. */
  readonly note: JsonObject;
  /** To be called when the queue has taken the end of the attempt. */
  readonly land: () => Promise<Result<void>>;
  /** To be called when the queue has refused it: nobody wants what it changed. */
  readonly drop: () => Promise<void>;
  /** To be called when the hub has yet to be asked; {@link RepositoryWorkspaces.tend} goes on. */
  readonly wait: () => void;
  /** To be called at the end in any case. */
  readonly close: () => void;
};

export interface AttemptWorkspaces {
  /** @returns where the attempt works; undefined where its task names no registered repository */
  prepare(task: ClaimedTask, spec: TaskSpec): Promise<Result<WorkspacePlan | undefined>>;
  /** @returns undefined for an attempt that works elsewhere, or whose changes are on their branch */
  capture(ref: AttemptRef, result: AttemptResult): Promise<Result<Captured | undefined>>;
}

type Parts = {
  readonly work: AttemptWork;
  readonly repositories: () => Result<readonly Registered[]>;
  readonly queue: Pick<QueueStore, "find" | "findMany">;
  /** Whether other nodes may see what is changed for some work before it is delivered. */
  readonly mayShare: (repository: Registered, workId: string) => Promise<Result<boolean>>;
  readonly stateDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
};

export class RepositoryWorkspaces implements AttemptWorkspaces {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async prepare(task: ClaimedTask, { repo, changes = "keep" }: TaskSpec): Promise<Result<WorkspacePlan | undefined>> {
    const { work, repositories, stateDir, queue } = this.#parts;
    if (repo === undefined || !isRegisteredName(repo)) return ok(undefined);
    const found = await this.#claimed(task);
    if (!found.ok) return found;
    const all = repositories();
    if (!all.ok) return all;
    const repository = findRepository(all.value, repo);
    if (!repository.ok) return repository;
    const needs = await neededWork(queue, found.value.dependsOn, repo);
    if (!needs.ok) return needs;
    const workId = workIdOf(task.row.id, task.body, found.value.labels);
    const shares = await this.#parts.mayShare(repository.value, workId);
    if (!shares.ok) return shares;
    const prepared = await work.prepare({
      taskId: task.row.id,
      attempt: task.attempt,
      fence: fenceText(task.fence),
      repository: repository.value,
      workId,
      needs: needs.value,
      shares: shares.value,
      changes,
      // A tool loop that a worker left goes on with the files that it knows.
      resumes: existsSync(checkpointPathOf(stateDir, task.row.id)),
    });
    if (!prepared.ok) return prepared;
    const { record, goesOn } = prepared.value;
    const path = `${stateDir}/workspaces/${task.row.id}`;
    const plan = { kind: "worktree", path, repo: record.gitDir, commit: record.base } as const;
    if (goesOn) return ok(plan);
    const removed = await this.#remove(plan);
    return removed.ok ? ok(plan) : removed;
  }

  /**
   * The task as it was claimed. A copy of the hub's database may be behind; from when it shows this very claim it also
   * has the ends of the tasks before.
   */
  async #claimed({ row, fence }: ClaimedTask): Promise<Result<TaskRecord>> {
    const { queue, clock } = this.#parts;
    const endMs = clock.monotonicMs() + SHOWN_MS;
    for (;;) {
      const found = await queue.find(row.id);
      if (!found.ok) return found;
      const seen = found.value?.row;
      if (seen?.state === "running" && seen.fenceEpoch === fence.epoch && seen.fenceN === fence.n) {
        // `as`: it is there
        return found as Result<TaskRecord>;
      }
      if (clock.monotonicMs() >= endMs) {
        return err(retryable("unavailable", `this node's copy of the database does not show the claim of ${row.id}`));
      }
      await sleep(clock, LOOK_MS);
    }
  }

  async capture(ref: AttemptRef, result: AttemptResult): Promise<Result<Captured | undefined>> {
    const { work, stateDir, queue } = this.#parts;
    const record = work.recordOf({ taskId: ref.taskId, attempt: ref.attempt, fence: fenceText(ref.fence) });
    if (record === undefined || result.outcome !== "passed") return ok(undefined);
    const path = `${stateDir}/workspaces/${ref.taskId}`;
    const found = await queue.find(ref.taskId);
    const { title } = found.ok && found.value !== undefined ? storedFields(found.value.body) : {};
    const said = { title: typeof title === "string" ? title : "", text: result.model?.lastWords ?? "" };
    const captured = await work.capture(record, path, said);
    if (!captured.ok) return captured;
    const { commit, land, drop, wait, close } = captured.value;
    const { repository: name, branch, base } = record;
    return ok({
      note: { name, branch, base, commit },
      drop,
      wait,
      close,
      land: async () => {
        const landed = await land();
        if (!landed.ok) return { ok: false, error: during(landed.error, `put task ${ref.taskId} onto ${branch}`) };
        const removed = await this.#remove({ kind: "worktree", path, repo: record.gitDir });
        if (!removed.ok) this.#parts.logger.warn("a worktree stays", { failure: describeFailure(removed.error) });
        return ok(undefined);
      },
    });
  }

  /** Looks at what attempts left: lands what waited for the hub, and forgets what nobody wants. To be called now and then. */
  async tend(): Promise<void> {
    const { work, queue, logger } = this.#parts;
    const records = work.records();
    if (records.length === 0) return;
    // `as`: ids of tasks, written by `prepare`
    const found = await queue.findMany(records.map(({ taskId }) => taskId as TaskId));
    if (!found.ok) return; // the store says so itself; the next round looks again
    const tasks = new Map<string, TaskRecord>(found.value.map((task) => [task.row.id, task]));
    for (const record of records) {
      const fate = fateOf(record, tasks.get(record.taskId));
      if (fate === "open") continue;
      const { waiting } = record;
      const landed =
        fate === "counts" && waiting !== undefined ? await work.landWaiting({ ...record, waiting }) : ok("");
      if (fate === "unwanted") await work.prune(record);
      if (!landed.ok)
        logger.error("changes stay off their branch", { failure: describeFailure(landed.error), ...record });
    }
  }

  #remove(plan: WorkspacePlan): Promise<Result<void>> {
    return removeWorkspace(plan, this.#parts.clock);
  }
}

/** `counts`: the queue has taken its end as passed; `unwanted`: another attempt or nobody took its place. */
function fateOf(record: WorkRecord, task: TaskRecord | undefined): "open" | "counts" | "unwanted" {
  if (task === undefined) return "unwanted";
  const { row, attempts } = task;
  const fence = { epoch: row.fenceEpoch, n: row.fenceN };
  if (row.state === "running" && fenceText(fence) === record.fence) return "open";
  const own = attempts.find(({ fenceEpoch, fenceN }) => fenceText({ epoch: fenceEpoch, n: fenceN }) === record.fence);
  if (own?.outcome === "passed") return record.waiting === undefined ? "open" : "counts";
  return row.endedAtMs === null ? "open" : "unwanted";
}

/** The goal, or the task itself. What cannot be the name of a branch is left out. */
function workIdOf(taskId: TaskId, body: string, labels: Readonly<Record<string, string>>): string {
  const goal = labels[GOAL_LABEL] ?? storedFields(body)["goal"];
  return typeof goal === "string" && MAX_WORK_ID.test(goal) ? goal : taskId;
}
