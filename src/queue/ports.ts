import type { CommandId, JsonValue, NodeId, Result, ScheduleId, TaskId } from "#base";
import type { ScheduleRow } from "./schedule.ts";
import type { AttemptRow, KeyRow, LaneRow, NewQueueEvent, NewTask, QueueEvent, TaskRow, TaskState } from "./task.ts";

/**
 * What one command may read and write. Reads see the writes made before them in the same transaction. All calls are
 * synchronous: a command never waits while it holds the store.
 */
export interface QueueTransaction {
  task(id: TaskId): TaskRow | undefined;
  /** The submissions of tasks that exist, as JSON text. */
  bodies(ids: readonly TaskId[]): ReadonlyMap<TaskId, string>;
  /** The first `limit` ready and admitted tasks of a lane among `classIds`, by (tag, id). */
  heads(lane: number, classIds: readonly number[], limit: number): readonly TaskRow[];
  /** The first `limit` ready tasks of `key` that are not admitted, by (lane, tag, id). */
  heldBack(key: string, limit: number): readonly TaskRow[];
  /** Waiting tasks without open dependencies whose `wakeAtMs` is at or before `atMs`, the earliest first. */
  due(atMs: number, limit: number): readonly TaskRow[];
  /** Waiting tasks for a retry whose `wakeAtMs` lies after `afterMs`, the latest first. */
  retriesAfter(afterMs: number, limit: number): readonly TaskRow[];
  /** The earliest `wakeAtMs` of any waiting task, key or schedule; null when there is none. */
  nextWakeMs(): number | null;
  running(limit: number): readonly TaskRow[];
  /** How many attempts of a task were lost. */
  losses(id: TaskId): number;
  /** Tasks that depend directly on `id`; with `openOnly` those for which it is not satisfied yet. */
  dependents(id: TaskId, openOnly: boolean, limit: number): readonly TaskId[];
  /** What `id` depends on directly. */
  dependencies(id: TaskId): readonly { readonly id: TaskId; readonly satisfied: boolean }[];
  key(key: string): KeyRow | undefined;
  keysDue(atMs: number, limit: number): readonly KeyRow[];
  lane(lane: number): LaneRow;
  /** What a key names; undefined when its task was dropped or pruned. */
  idempotent(key: string): { readonly taskId: TaskId; readonly bodyHash: string } | undefined;
  /** The number of a requirements text, given at its first use. */
  classId(requirements: string): number;
  classes(): ReadonlyMap<number, string>;
  paused(): boolean;
  schedule(id: ScheduleId): ScheduleRow | undefined;
  schedulesDue(atMs: number, limit: number): readonly ScheduleRow[];
  /** The result of a command that took effect before, as it was written; undefined when its id is not known. */
  commandResult(id: CommandId): string | undefined;

  /** Raises and returns the claim counter, together with the epoch of this store. */
  nextFence(): { readonly epoch: number; readonly n: number };
  insertTask(row: TaskRow, task: NewTask): void;
  /**
   * Replaces a row. Guarded: the stored row must still have `before`'s state and fence, otherwise the transaction is
   * abandoned as an invariant broken.
   */
  updateTask(before: TaskRow, after: TaskRow): void;
  /** Removes an ended task with its attempts, labels and dependency rows; its events stay until retention. */
  deleteTask(row: TaskRow): void;
  /** Marks one dependency as satisfied or open again. @returns whether it changed. */
  setDependency(taskId: TaskId, dependsOn: TaskId, satisfied: boolean): boolean;
  putKey(row: KeyRow): void;
  putLane(row: LaneRow): void;
  /** In the place of a former entry whose task is gone. */
  putIdempotency(key: string, taskId: TaskId, bodyHash: string, atMs: number): void;
  setPaused(paused: boolean): void;
  insertAttempt(row: AttemptRow): void;
  appendEvent(event: NewQueueEvent): void;
  putSchedule(row: ScheduleRow): void;
  deleteSchedule(id: ScheduleId): void;
  /** Keeps the result of a command whose id is new. */
  putCommandResult(row: CommandRow): void;
  readonly notes: NoteTable;
}

/** What is kept for all nodes beside the queue, which knows nothing of its meaning. */
export type NoteKind = "setting" | "rollout";
export type NoteRow = {
  readonly kind: NoteKind;
  readonly name: string;
  readonly value: JsonValue;
  readonly atMs: number;
  /** On which node it was asked for. */
  readonly node: NodeId;
};

export interface NoteTable {
  /** By name. */
  list(kind: NoteKind): readonly NoteRow[];
  put(row: NoteRow): void;
  remove(kind: NoteKind, name: string): void;
}

/** A command of another node of the fleet and what it was answered. */
export type CommandRow = {
  readonly id: CommandId;
  readonly node: NodeId;
  readonly kind: string;
  /** JSON text. */
  readonly result: string;
  readonly atMs: number;
};

/** A task as a reader sees it: row, submission and history of attempts. */
export type TaskRecord = {
  readonly row: TaskRow;
  /** The submission as JSON text. */
  readonly body: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly dependsOn: readonly TaskId[];
  readonly attempts: readonly AttemptRow[];
};

export type TaskFilter = {
  readonly states?: readonly TaskState[];
  readonly lane?: number;
  readonly key?: string;
  readonly label?: { readonly name: string; readonly value: string };
};

export type Page<T> = { readonly items: readonly T[]; readonly nextCursor: string | null };

/** What is asked about the cost of attempts; those that took nothing, and those without the group, are left out. */
export type CostQuery = {
  /** Attempts that ended in this time, the latter instant not included. */
  readonly fromMs: number;
  readonly toMs: number;
  /** What is summed by: a column of the attempt, its hour or day of UTC, or the value of a label of its task. */
  readonly by: "node" | "executor" | "model" | "endpoint" | "hour" | "day" | { readonly label: string };
  readonly limit: number;
};

/** What attempts took that share a group: the dearest first, hours and days in their order. */
export type CostSum = {
  /** Of an hour and a day its first millisecond, as text. */
  readonly group: string;
  readonly attempts: number;
  readonly tokens: number;
  readonly costMicrodollars: number;
};

/** What the statistics need of an ended attempt. */
export type AttemptSample = Pick<
  AttemptRow,
  | "taskId"
  | "n"
  | "node"
  | "executor"
  | "model"
  | "outcome"
  | "startedAtMs"
  | "endedAtMs"
  | "durationMs"
  | "waitMs"
  | "tokens"
  | "costMicrodollars"
> & {
  readonly title: string;
  /** Null when its task is gone. */
  readonly lane: number | null;
};

/**
 * Durable home of the queue.
 *
 * `transact` runs a command and answers after its writes are durable. Commands are run one after another in the
 * order of their calls. A command may be run again from the start (never after it was answered), so it must depend
 * on nothing but its arguments and the transaction. A command refuses before it writes: a refusal after a write is
 * an invariant broken, and rejects. Faults of the storage come back as failures (`disk_full`, `read_only`,
 * `corrupt`, `unavailable`); a command that throws rejects alone, and none of its writes stay.
 */
export interface QueueStore {
  transact<T>(label: string, command: (tx: QueueTransaction) => Result<T>): Promise<Result<T>>;
  /** Called after each commit with the events it made durable, in order. @returns a function that ends it. */
  subscribe(listener: (events: readonly QueueEvent[]) => void): () => void;

  find(id: TaskId): Promise<Result<TaskRecord | undefined>>;
  /** Several at once, in the order asked; ids that do not exist are left out. */
  findMany(ids: readonly TaskId[]): Promise<Result<readonly TaskRecord[]>>;
  /** The newest first; `cursor` is a value of `nextCursor`. A cursor that cannot be read is refused. */
  list(filter: TaskFilter, limit: number, cursor?: string): Promise<Result<Page<TaskRecord>>>;
  /** Events after `afterSeq`, in order; with `taskId` only those of a task. */
  events(afterSeq: number, limit: number, taskId?: TaskId): Promise<Result<readonly QueueEvent[]>>;
  /** The oldest and newest sequence number kept; 0 and 0 when there are none. */
  eventRange(): Promise<Result<{ readonly firstSeq: number; readonly lastSeq: number }>>;
  lanes(): Promise<Result<readonly LaneRow[]>>;
  /** Keys with a policy or with tasks running or admitted. */
  keys(limit: number): Promise<Result<readonly KeyRow[]>>;
  schedules(limit: number): Promise<Result<readonly ScheduleRow[]>>;
  /** The latest ended attempts, newest first. */
  recentAttempts(sinceMs: number, limit: number): Promise<Result<readonly AttemptSample[]>>;
  /** Of tasks that retention has not removed. */
  costs(query: CostQuery): Promise<Result<readonly CostSum[]>>;
  /**
   * Bounded clean-up of ended tasks, events and idempotency keys older than the given instants, and of keys without
   * a policy and of requirements that nothing uses. A task that another still waits for, or that died with it, stays. @returns rows removed, but for
   * requirements.
   */
  prune(before: PruneBefore, limit: number): Promise<Result<number>>;
  isPaused(): Promise<Result<boolean>>;
  /** The distinct requirements of tasks; may hold some that no task has any more. */
  requirements(limit: number): Promise<Result<readonly string[]>>;
}

export type PruneBefore = {
  readonly endedTasksMs: number;
  readonly deadLettersMs: number;
  readonly eventsMs: number;
  readonly idempotencyMs: number;
  /** Results of commands of other nodes. */
  readonly commandsMs: number;
};
