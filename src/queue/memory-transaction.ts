import { assert, type CommandId, present, type ScheduleId, type TaskId } from "#base";
import type { CommandRow, NoteRow, NoteTable, QueueTransaction } from "./ports.ts";
import type { ScheduleRow } from "./schedule.ts";
import type { AttemptRow, KeyRow, LaneRow, NewQueueEvent, NewTask, QueueEvent, TaskRow } from "./task.ts";
import { hasEnded, violations } from "./transition.ts";

export type MemoryTables = {
  epoch: number;
  fence: number;
  seq: number;
  lastClassId: number;
  paused: boolean;
  readonly tasks: Map<TaskId, TaskRow>;
  readonly bodies: Map<TaskId, string>;
  readonly labels: Map<TaskId, Readonly<Record<string, string>>>;
  /** Per task, what it depends on and whether that is satisfied. */
  readonly dependencies: Map<TaskId, Map<TaskId, boolean>>;
  readonly attempts: Map<TaskId, readonly AttemptRow[]>;
  readonly keys: Map<string, KeyRow>;
  readonly lanes: LaneRow[];
  readonly idempotency: Map<string, { readonly taskId: TaskId; readonly bodyHash: string; readonly atMs: number }>;
  readonly classes: Map<string, number>;
  readonly schedules: Map<ScheduleId, ScheduleRow>;
  readonly commands: Map<CommandId, CommandRow>;
  /** By kind and name. */
  readonly notes: Map<string, NoteRow>;
  readonly events: QueueEvent[];
  commits: number;
};

/** Works on the tables in place and remembers how to take each write back. */
export class MemoryTransaction implements QueueTransaction {
  readonly #tables: MemoryTables;
  readonly #undo: (() => void)[] = [];
  readonly events: QueueEvent[] = [];

  constructor(tables: MemoryTables) {
    this.#tables = tables;
  }

  readonly notes: NoteTable = {
    list: (kind) =>
      [...this.#tables.notes.values()].filter((row) => row.kind === kind).sort((a, b) => (a.name < b.name ? -1 : 1)),
    put: (row) => this.#put(this.#tables.notes, `${row.kind} ${row.name}`, row),
    remove: (kind, name) => this.#remove(this.#tables.notes, `${kind} ${name}`),
  };

  get wrote(): boolean {
    return this.#undo.length > 0;
  }

  undo(): void {
    for (const step of this.#undo.splice(0).reverse()) step();
  }

  task(id: TaskId): TaskRow | undefined {
    return this.#tables.tasks.get(id);
  }

  bodies(ids: readonly TaskId[]): ReadonlyMap<TaskId, string> {
    const found = new Map<TaskId, string>();
    for (const id of ids) {
      const body = this.#tables.bodies.get(id);
      if (body !== undefined) found.set(id, body);
    }
    return found;
  }

  heads(lane: number, classIds: readonly number[], limit: number): readonly TaskRow[] {
    return this.#select(
      (row) => row.state === "ready" && row.admitted && row.lane === lane && classIds.includes(row.classId),
    )
      .sort((a, b) => a.tag - b.tag || order(a.id, b.id))
      .slice(0, limit);
  }

  heldBack(key: string, limit: number): readonly TaskRow[] {
    return this.#select((row) => row.state === "ready" && !row.admitted && row.key === key)
      .sort((a, b) => a.lane - b.lane || a.tag - b.tag || order(a.id, b.id))
      .slice(0, limit);
  }

  due(atMs: number, limit: number): readonly TaskRow[] {
    return this.#select(
      (row) => row.state === "waiting" && row.blockedBy === 0 && row.wakeAtMs !== null && row.wakeAtMs <= atMs,
    )
      .sort((a, b) => (a.wakeAtMs ?? 0) - (b.wakeAtMs ?? 0) || order(a.id, b.id))
      .slice(0, limit);
  }

  retriesAfter(afterMs: number, limit: number): readonly TaskRow[] {
    return this.#select((row) => row.wakeReason === "retry" && row.wakeAtMs !== null && row.wakeAtMs > afterMs)
      .sort((a, b) => (b.wakeAtMs ?? 0) - (a.wakeAtMs ?? 0) || order(a.id, b.id))
      .slice(0, limit);
  }

  nextWakeMs(): number | null {
    const instants = [
      ...this.#select((row) => row.state === "waiting" && row.blockedBy === 0).map((row) => row.wakeAtMs),
      ...[...this.#tables.keys.values()].map((row) => row.wakeAtMs),
      ...[...this.#tables.schedules.values()].filter((row) => !row.paused).map((row) => row.nextAtMs),
    ].filter((instant) => instant !== null);
    return instants.length === 0 ? null : Math.min(...instants);
  }

  running(limit: number): readonly TaskRow[] {
    return this.#select((row) => row.state === "running").slice(0, limit);
  }

  dependents(id: TaskId, openOnly: boolean, limit: number): readonly TaskId[] {
    const found: TaskId[] = [];
    for (const [taskId, rows] of this.#tables.dependencies) {
      const satisfied = rows.get(id);
      if (satisfied !== undefined && !(openOnly && satisfied)) found.push(taskId);
    }
    return found.sort(order).slice(0, limit);
  }

  dependencies(id: TaskId): readonly { readonly id: TaskId; readonly satisfied: boolean }[] {
    return [...(this.#tables.dependencies.get(id) ?? [])].map(([dependency, satisfied]) => ({
      id: dependency,
      satisfied,
    }));
  }

  key(key: string): KeyRow | undefined {
    return this.#tables.keys.get(key);
  }

  keysDue(atMs: number, limit: number): readonly KeyRow[] {
    return [...this.#tables.keys.values()]
      .filter((row) => row.wakeAtMs !== null && row.wakeAtMs <= atMs)
      .sort((a, b) => (a.wakeAtMs ?? 0) - (b.wakeAtMs ?? 0))
      .slice(0, limit);
  }

  lane(lane: number): LaneRow {
    return present(this.#tables.lanes[lane], "a lane is one of five");
  }

  idempotent(key: string): { readonly taskId: TaskId; readonly bodyHash: string } | undefined {
    const entry = this.#tables.idempotency.get(key);
    return entry === undefined || !this.#tables.tasks.has(entry.taskId) ? undefined : entry;
  }

  /** Numbering a text is harmless when the command is refused later, so it does not count as a write. */
  classId(requirements: string): number {
    const known = this.#tables.classes.get(requirements);
    if (known !== undefined) return known;
    this.#tables.lastClassId += 1;
    const id = this.#tables.lastClassId;
    this.#tables.classes.set(requirements, id);
    return id;
  }

  classes(): ReadonlyMap<number, string> {
    return new Map([...this.#tables.classes].map(([text, id]) => [id, text]));
  }

  paused(): boolean {
    return this.#tables.paused;
  }

  schedule(id: ScheduleId): ScheduleRow | undefined {
    return this.#tables.schedules.get(id);
  }

  schedulesDue(atMs: number, limit: number): readonly ScheduleRow[] {
    return [...this.#tables.schedules.values()]
      .filter((row) => !row.paused && row.nextAtMs <= atMs)
      .sort((a, b) => a.nextAtMs - b.nextAtMs || order(a.id, b.id))
      .slice(0, limit);
  }

  nextFence(): { readonly epoch: number; readonly n: number } {
    this.#tables.fence += 1;
    // Never given back: a number that was seen once must not name another claim (Q2).
    this.#undo.push(() => undefined);
    return { epoch: this.#tables.epoch, n: this.#tables.fence };
  }

  insertTask(row: TaskRow, task: NewTask): void {
    assert(!this.#tables.tasks.has(row.id), `Q8: task ${row.id} is inserted once`);
    this.#check(row);
    this.#put(this.#tables.tasks, row.id, row);
    this.#put(this.#tables.bodies, row.id, task.body);
    this.#put(this.#tables.labels, row.id, task.labels);
    this.#put(this.#tables.dependencies, row.id, new Map(task.dependsOn.map((id) => [id, false])));
  }

  updateTask(before: TaskRow, after: TaskRow): void {
    const stored = this.#tables.tasks.get(before.id);
    assert(
      stored?.state === before.state && stored.fenceEpoch === before.fenceEpoch && stored.fenceN === before.fenceN,
      `Q1: task ${before.id} is still as it was read`,
    );
    this.#check(after);
    this.#put(this.#tables.tasks, after.id, after);
  }

  deleteTask(row: TaskRow): void {
    assert(hasEnded(row), "Q8: only an ended task is removed");
    this.#remove(this.#tables.tasks, row.id);
    this.#remove(this.#tables.bodies, row.id);
    this.#remove(this.#tables.labels, row.id);
    this.#remove(this.#tables.dependencies, row.id);
    this.#remove(this.#tables.attempts, row.id);
  }

  setDependency(taskId: TaskId, dependsOn: TaskId, satisfied: boolean): boolean {
    const rows = this.#tables.dependencies.get(taskId);
    if (rows === undefined || rows.get(dependsOn) === undefined || rows.get(dependsOn) === satisfied) return false;
    this.#put(this.#tables.dependencies, taskId, new Map([...rows, [dependsOn, satisfied]]));
    return true;
  }

  putKey(row: KeyRow): void {
    this.#put(this.#tables.keys, row.key, row);
  }

  putLane(row: LaneRow): void {
    const before = this.lane(row.lane);
    this.#tables.lanes[row.lane] = row;
    this.#undo.push(() => {
      this.#tables.lanes[row.lane] = before;
    });
  }

  putIdempotency(key: string, taskId: TaskId, bodyHash: string, atMs: number): void {
    assert(this.idempotent(key) === undefined, `Q10: idempotency key ${key} is given once`);
    this.#put(this.#tables.idempotency, key, { taskId, bodyHash, atMs });
  }

  setPaused(paused: boolean): void {
    const before = this.#tables.paused;
    this.#tables.paused = paused;
    this.#undo.push(() => {
      this.#tables.paused = before;
    });
  }

  losses(id: TaskId): number {
    return (this.#tables.attempts.get(id) ?? []).filter(({ outcome }) => outcome === "lost").length;
  }

  insertAttempt(row: AttemptRow): void {
    const earlier = this.#tables.attempts.get(row.taskId) ?? [];
    assert(earlier.length === row.n - 1, `Q4: attempt ${row.n} of ${row.taskId} follows the one before`);
    this.#put(this.#tables.attempts, row.taskId, [...earlier, row]);
  }

  appendEvent(event: NewQueueEvent): void {
    this.#tables.seq += 1;
    const stored: QueueEvent = { seq: this.#tables.seq, ...event };
    this.#tables.events.push(stored);
    this.events.push(stored);
    this.#undo.push(() => {
      this.#tables.events.pop();
      this.events.pop();
    });
  }

  putSchedule(row: ScheduleRow): void {
    this.#put(this.#tables.schedules, row.id, row);
  }

  deleteSchedule(id: ScheduleId): void {
    this.#remove(this.#tables.schedules, id);
  }

  commandResult(id: CommandId): string | undefined {
    return this.#tables.commands.get(id)?.result;
  }

  putCommandResult(row: CommandRow): void {
    assert(!this.#tables.commands.has(row.id), `Q15: command ${row.id} is answered once`);
    this.#put(this.#tables.commands, row.id, row);
  }

  #select(keep: (row: TaskRow) => boolean): TaskRow[] {
    return [...this.#tables.tasks.values()].filter(keep);
  }

  #check(row: TaskRow): void {
    const [first] = violations(row);
    assert(first === undefined, first ?? "");
  }

  #put<K, V>(map: Map<K, V>, key: K, value: V): void {
    const before = map.get(key);
    const had = map.has(key);
    map.set(key, value);
    this.#undo.push(() => {
      if (had && before !== undefined) map.set(key, before);
      else map.delete(key);
    });
  }

  #remove<K, V>(map: Map<K, V>, key: K): void {
    const before = map.get(key);
    if (before === undefined) return;
    map.delete(key);
    this.#undo.push(() => map.set(key, before));
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
