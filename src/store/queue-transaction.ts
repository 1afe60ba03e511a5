import { assert, type CommandId, InvariantBroken, present, type ScheduleId, type TaskId } from "#base";
import {
  type AttemptRow,
  type CommandRow,
  type KeyRow,
  LANES,
  type LaneRow,
  type NewQueueEvent,
  type NewTask,
  type NoteTable,
  type QueueTransaction,
  type ScheduleRow,
  type TaskRow,
} from "#queue";
import { ClassTable } from "./class-table.ts";
import { type Connection, number, type SqlRow, text } from "./connection.ts";
import type { EventLog } from "./event-log.ts";
import { InsertBuffer } from "./insert-buffer.ts";
import { KeyTable } from "./key-table.ts";
import { lossesOf } from "./lost-attempts.ts";
import { readMeta, writeMeta } from "./meta.ts";
import { LibsqlNoteTable } from "./note-table.ts";
import {
  ATTEMPT_COLUMNS,
  attemptValues,
  LANE_SELECT,
  replaceOnConflict,
  SCHEDULE_COLUMNS,
  scheduleValues,
  toLaneRow,
  toScheduleRow,
} from "./queue-columns.ts";
import { RepetitionTable } from "./repetition-table.ts";
import { TaskTable } from "./task-table.ts";
import type { WorkUnit } from "./writer.ts";

const UPDATE_LANE = `UPDATE lane SET virtual_time = ?, waiting = ?, ready = ?, running = ?, done = ?, dead = ?, cancelled = ?
  WHERE lane = ?`;
const BODY = "SELECT task_id, body FROM submission WHERE task_id = ?";
const BODIES = "SELECT task_id, body FROM submission WHERE task_id IN (SELECT value FROM json_each(?))";
const SCHEDULES = `SELECT ${SCHEDULE_COLUMNS.join(", ")} FROM schedule`;

/**
 * The queue's tables while a group of commands runs. Rows are kept in memory and written once, in bulk, before a
 * query that could see them and before COMMIT.
 */
export class QueueUnit implements QueueTransaction, WorkUnit<QueueTransaction> {
  readonly #connection: Connection;
  readonly #events: EventLog;
  readonly #epoch: number;
  readonly #tasks: TaskTable;
  readonly #keys: KeyTable;
  readonly #submissions: InsertBuffer;
  readonly #dependencies: InsertBuffer;
  readonly #labels: InsertBuffer;
  readonly #attempts: InsertBuffer;
  readonly #repetitions: RepetitionTable;
  readonly notes: NoteTable;
  readonly #classes: ClassTable;
  #lanes: LaneRow[] = [];
  readonly #dirtyLanes = new Set<number>();
  #isPaused = false;
  /** False while no task ever had a dependency: then nobody looks for dependents. */
  #hasDependencies = false;
  /** Never set back, not even by a rollback: a number names one claim (Q2). */
  #fence = 0;
  #isFenceDirty = false;
  /** Undefined when it has to be read. */
  #nextWakeMs: number | null | undefined;
  #endedIds: string[] = [];
  #writes = 0;
  #dataVersion = -1;

  constructor(connection: Connection, events: EventLog, epoch: number) {
    this.#connection = connection;
    this.#events = events;
    this.#epoch = epoch;
    this.#tasks = new TaskTable(connection);
    this.#keys = new KeyTable(connection);
    this.#classes = new ClassTable(connection);
    this.#submissions = new InsertBuffer(connection, "submission", ["task_id", "body"]);
    this.#dependencies = new InsertBuffer(connection, "dependency", ["task_id", "depends_on", "satisfied"]);
    this.#labels = new InsertBuffer(connection, "task_label", ["name", "value", "task_id"]);
    this.#attempts = new InsertBuffer(connection, "attempt", ATTEMPT_COLUMNS);
    this.#repetitions = new RepetitionTable(connection);
    this.notes = new LibsqlNoteTable(connection, () => {
      this.#writes += 1;
    });
  }

  // The unit of work

  begin(): QueueTransaction {
    // Changes when anybody else wrote to the file: then nothing remembered can be trusted.
    const version = this.#connection.prepare("PRAGMA data_version").get([])?.[0];
    if (version !== this.#dataVersion) {
      this.#dataVersion = Number(version);
      this.#reload();
    }
    return this;
  }

  writes(): number {
    return this.#writes;
  }

  flush(): void {
    this.#tasks.flush();
    this.#submissions.flush();
    this.#dependencies.flush();
    this.#labels.flush();
    this.#attempts.flush();
    this.#repetitions.flush();
    this.#keys.flush();
    this.#events.flush();
    this.#flushLanes();
    if (this.#isFenceDirty) writeMeta(this.#connection, "fence", String(this.#fence));
    this.#isFenceDirty = false;
  }

  committed(): void {
    this.#tasks.settle(this.#endedIds);
    this.#keys.settle();
    this.#endedIds = [];
    this.#repetitions.settle();
    this.#events.committed();
  }

  rolledBack(): void {
    this.#dataVersion = -1;
    this.#events.rolledBack();
  }

  // Reads

  task(id: TaskId): TaskRow | undefined {
    return this.#tasks.get(id);
  }

  bodies(ids: readonly TaskId[]): ReadonlyMap<TaskId, string> {
    this.#submissions.flush();
    // `as`: written from a TaskId.
    return new Map(this.#bodies(ids).map((row) => [text(row, 0) as TaskId, text(row, 1)]));
  }

  heads(lane: number, classIds: readonly number[], limit: number): readonly TaskRow[] {
    return this.#tasks.heads(lane, classIds, limit);
  }

  heldBack(key: string, limit: number): readonly TaskRow[] {
    return this.#tasks.heldBack(key, limit);
  }

  due(atMs: number, limit: number): readonly TaskRow[] {
    return this.#tasks.due(atMs, limit);
  }

  retriesAfter(afterMs: number, limit: number): readonly TaskRow[] {
    return this.#tasks.retriesAfter(afterMs, limit);
  }

  nextWakeMs(): number | null {
    if (this.#nextWakeMs === undefined) {
      const schedule = this.#connection
        .prepare("SELECT next_at_ms FROM schedule WHERE paused = 0 ORDER BY next_at_ms LIMIT 1")
        .get([]);
      const instants = [
        this.#tasks.nextWakeMs(),
        this.#keys.nextWakeMs(),
        schedule === undefined ? null : number(schedule, 0),
      ].filter((instant) => instant !== null);
      this.#nextWakeMs = instants.length === 0 ? null : Math.min(...instants);
    }
    return this.#nextWakeMs;
  }

  running(limit: number): readonly TaskRow[] {
    return this.#tasks.running(limit);
  }

  losses(id: TaskId): number {
    return lossesOf(id, this.#attempts, this.#connection);
  }

  dependents(id: TaskId, openOnly: boolean, limit: number): readonly TaskId[] {
    if (!this.#hasDependencies) return [];
    this.#dependencies.flush();
    const filter = openOnly ? "AND satisfied = 0" : "";
    const sql = `SELECT task_id FROM dependency WHERE depends_on = ? ${filter} ORDER BY task_id LIMIT ?`;
    const rows = this.#connection.prepare(sql).all([id, limit]);
    return rows.map((row) => text(row, 0) as TaskId); // `as`: written from a TaskId
  }

  dependencies(id: TaskId): readonly { readonly id: TaskId; readonly satisfied: boolean }[] {
    this.#dependencies.flush();
    return this.#connection
      .prepare("SELECT depends_on, satisfied FROM dependency WHERE task_id = ? ORDER BY depends_on")
      .all([id])
      .map((row) => ({ id: text(row, 0) as TaskId, satisfied: row[1] === 1 })); // `as`: written from a TaskId
  }

  key(key: string): KeyRow | undefined {
    return this.#keys.get(key);
  }

  keysDue(atMs: number, limit: number): readonly KeyRow[] {
    return this.#keys.due(atMs, limit);
  }

  lane(lane: number): LaneRow {
    return present(this.#lanes[lane], "a lane is one of five");
  }

  idempotent(key: string): { readonly taskId: TaskId; readonly bodyHash: string } | undefined {
    const entry = this.#repetitions.named(key);
    // An entry outlives its task until retention finds it: there is no index from tasks to their keys.
    return entry === undefined || this.#tasks.get(entry.taskId) === undefined ? undefined : entry;
  }

  classId(requirements: string): number {
    return this.#classes.idOf(requirements);
  }

  classes(): ReadonlyMap<number, string> {
    return this.#classes.all();
  }

  paused(): boolean {
    return this.#isPaused;
  }

  schedule(id: ScheduleId): ScheduleRow | undefined {
    const row = this.#connection.prepare(`${SCHEDULES} WHERE id = ?`).get([id]);
    return row === undefined ? undefined : toScheduleRow(row);
  }

  schedulesDue(atMs: number, limit: number): readonly ScheduleRow[] {
    return this.#connection
      .prepare(`${SCHEDULES} WHERE paused = 0 AND next_at_ms <= ? ORDER BY next_at_ms, id LIMIT ?`)
      .all([atMs, limit])
      .map(toScheduleRow);
  }

  // Writes

  nextFence(): { readonly epoch: number; readonly n: number } {
    this.#writes += 1;
    this.#fence += 1;
    this.#isFenceDirty = true;
    return { epoch: this.#epoch, n: this.#fence };
  }

  insertTask(row: TaskRow, task: NewTask): void {
    this.#writes += 1;
    this.#tasks.insert(row);
    this.#submissions.add([row.id, task.body]);
    for (const dependsOn of task.dependsOn) this.#dependencies.add([row.id, dependsOn, 0]);
    this.#hasDependencies ||= task.dependsOn.length > 0;
    for (const name in task.labels) this.#labels.add([name, task.labels[name] ?? "", row.id]);
    if (row.wakeAtMs !== null) this.#nextWakeMs = undefined;
  }

  updateTask(before: TaskRow, after: TaskRow): void {
    this.#writes += 1;
    this.#tasks.update(before, after);
    if (before.wakeAtMs !== null || after.wakeAtMs !== null) this.#nextWakeMs = undefined;
    if (after.endedAtMs !== null) this.#endedIds.push(after.id);
  }

  deleteTask(row: TaskRow): void {
    this.#writes += 1;
    assert(row.endedAtMs !== null, "Q8: only an ended task is removed");
    this.flush();
    this.#tasks.delete(row.id);
    for (const table of ["submission", "dependency", "task_label", "attempt"]) {
      this.#connection.prepare(`DELETE FROM ${table} WHERE task_id = ?`).run([row.id]);
    }
  }

  /** Removes keys without a policy that no task uses. @returns how many. */
  pruneKeys(limit: number): number {
    return this.#keys.prune(limit);
  }

  /** Looks at some tasks more, and forgets the requirements that no task has. */
  pruneClasses(): void {
    this.#tasks.flush();
    this.#classes.prune();
  }

  setDependency(taskId: TaskId, dependsOn: TaskId, satisfied: boolean): boolean {
    this.#dependencies.flush();
    const to = satisfied ? 1 : 0;
    const changed = this.#connection
      .prepare("UPDATE dependency SET satisfied = ? WHERE task_id = ? AND depends_on = ? AND satisfied <> ?")
      .run([to, taskId, dependsOn, to]);
    this.#writes += changed;
    return changed === 1;
  }

  putKey(row: KeyRow): void {
    this.#writes += 1;
    const before = this.#keys.put(row);
    if (before?.wakeAtMs !== row.wakeAtMs) this.#nextWakeMs = undefined;
  }

  putLane(row: LaneRow): void {
    this.#writes += 1;
    assert(row.lane in LANES, "a lane is one of five");
    this.#lanes[row.lane] = row;
    this.#dirtyLanes.add(row.lane);
  }

  putIdempotency(key: string, taskId: TaskId, bodyHash: string, atMs: number): void {
    this.#writes += 1;
    assert(this.idempotent(key) === undefined, `Q10: idempotency key ${key} is given once`);
    this.#repetitions.name(key, taskId, bodyHash, atMs);
  }

  setPaused(paused: boolean): void {
    this.#writes += 1;
    this.#isPaused = paused;
    writeMeta(this.#connection, "paused", paused ? "yes" : "no");
  }

  insertAttempt(row: AttemptRow): void {
    this.#writes += 1;
    this.#attempts.add(attemptValues(row));
  }

  appendEvent(event: NewQueueEvent): void {
    this.#writes += 1;
    const { taskId } = event;
    this.#events.append(event, taskId === null ? null : this.#tasks.chain(taskId, this.#events.nextSeq));
  }

  putSchedule(row: ScheduleRow): void {
    this.#writes += 1;
    this.#nextWakeMs = undefined;
    const { length } = SCHEDULE_COLUMNS;
    const marks = new Array(length).fill("?").join(", ");
    this.#connection
      .prepare(
        `INSERT INTO schedule (${SCHEDULE_COLUMNS.join(", ")}) VALUES (${marks}) ${replaceOnConflict(SCHEDULE_COLUMNS)}`,
      )
      .run(scheduleValues(row));
  }

  deleteSchedule(id: ScheduleId): void {
    this.#writes += 1;
    this.#nextWakeMs = undefined;
    this.#connection.prepare("DELETE FROM schedule WHERE id = ?").run([id]);
  }

  commandResult(id: CommandId): string | undefined {
    return this.#repetitions.result(id);
  }

  putCommandResult(row: CommandRow): void {
    this.#writes += 1;
    this.#repetitions.answer(row);
  }

  #bodies(ids: readonly TaskId[]): readonly SqlRow[] {
    const [only] = ids;
    if (only === undefined) return [];
    if (ids.length > 1) return this.#connection.prepare(BODIES).all([JSON.stringify(ids)]);
    const row = this.#connection.prepare(BODY).get([only]);
    return row === undefined ? [] : [row];
  }

  #flushLanes(): void {
    for (const lane of this.#dirtyLanes) {
      const { virtualTime, counts } = this.lane(lane);
      const { waiting, ready, running, done, dead, cancelled } = counts;
      const changed = this.#connection
        .prepare(UPDATE_LANE)
        .run([virtualTime, waiting, ready, running, done, dead, cancelled, lane]);
      if (changed !== 1) throw new InvariantBroken(`Q8: lane ${lane} is in the store`);
    }
    this.#dirtyLanes.clear();
  }

  #reload(): void {
    this.#tasks.forget();
    this.#keys.forget();
    for (const buffer of [this.#submissions, this.#dependencies, this.#labels, this.#attempts]) {
      buffer.clear();
    }
    this.#repetitions.forget();
    this.#dirtyLanes.clear();
    this.#endedIds = [];
    this.#nextWakeMs = undefined;
    this.#lanes = this.#connection.prepare(`SELECT ${LANE_SELECT} FROM lane ORDER BY lane`).all([]).map(toLaneRow);
    this.#classes.reload();
    this.#isPaused = readMeta(this.#connection, "paused") === "yes";
    this.#hasDependencies = this.#connection.prepare("SELECT 1 FROM dependency LIMIT 1").get([]) !== undefined;
    this.#fence = Math.max(this.#fence, Number(readMeta(this.#connection, "fence") ?? 0));
  }
}
