import { assert, canonicalJson, err, type JsonValue, ok, present, type Result, refused, type TaskId } from "#base";
import { type MemoryTables, MemoryTransaction } from "./memory-transaction.ts";
import type {
  AttemptSample,
  CostQuery,
  CostSum,
  Page,
  PruneBefore,
  QueueStore,
  QueueTransaction,
  TaskFilter,
  TaskRecord,
} from "./ports.ts";
import type { ScheduleRow } from "./schedule.ts";
import { type AttemptRow, type KeyRow, LANES, type LaneRow, type QueueEvent, TASK_STATES } from "./task.ts";
import { hasEnded } from "./transition.ts";

/** Everything that one store holds, as a value. */
export type MemorySnapshot = MemoryTables;

/**
 * A queue that lives as long as its process: for embedding, for tests, and as the plain statement of what a store
 * must do. Not durable. Searches are linear, so keep it to some thousands of tasks.
 */
export class MemoryQueueStore implements QueueStore {
  #tables: MemoryTables;
  readonly #listeners = new Set<(events: readonly QueueEvent[]) => void>();

  constructor(epoch = 1) {
    this.#tables = {
      epoch,
      fence: 0,
      seq: 0,
      lastClassId: 0,
      paused: false,
      tasks: new Map(),
      bodies: new Map(),
      labels: new Map(),
      dependencies: new Map(),
      attempts: new Map(),
      keys: new Map(),
      lanes: LANES.map((_name, lane) => emptyLane(lane)),
      idempotency: new Map(),
      classes: new Map(),
      schedules: new Map(),
      commands: new Map(),
      notes: new Map(),
      events: [],
      commits: 0,
    };
  }

  /** How many transactions have written: what a replica of this store is compared by. */
  get commits(): number {
    return this.#tables.commits;
  }

  /** @returns what the store holds now; later writes do not show in it. One snapshot restores one store. */
  snapshot(): MemorySnapshot {
    return copyTables(this.#tables);
  }

  /**
   * Holds what the snapshot holds, and nothing else. Listeners are told the events that are new with it.
   * @param epoch of the fences that are given out from here on
   */
  restore(snapshot: MemorySnapshot, epoch = snapshot.epoch): void {
    const { seq } = this.#tables;
    this.#tables = { ...snapshot, epoch };
    const events = snapshot.events.filter((event) => event.seq > seq);
    if (events.length > 0) for (const listener of this.#listeners) listener(events);
  }

  async transact<T>(label: string, command: (tx: QueueTransaction) => Result<T>): Promise<Result<T>> {
    const tx = new MemoryTransaction(this.#tables);
    let result: Result<T>;
    try {
      result = command(tx);
      assert(result.ok || !tx.wrote, `${label}: a command refuses before it writes`);
    } catch (cause) {
      tx.undo();
      throw cause;
    }
    if (tx.wrote) this.#tables.commits += 1;
    const events = tx.events;
    if (events.length > 0) for (const listener of this.#listeners) listener(events);
    return result;
  }

  subscribe(listener: (events: readonly QueueEvent[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async find(id: TaskId): Promise<Result<TaskRecord | undefined>> {
    return ok(this.#record(id));
  }

  async findMany(ids: readonly TaskId[]): Promise<Result<readonly TaskRecord[]>> {
    return ok(ids.map((id) => this.#record(id)).filter((record) => record !== undefined));
  }

  async list(filter: TaskFilter, limit: number, cursor?: string): Promise<Result<Page<TaskRecord>>> {
    if (cursor !== undefined && !/^t_[0-9a-z]{26}$/.test(cursor)) {
      return err(refused("invalid", `cannot read cursor "${cursor}"`, "Pass nextCursor of the page before, unchanged"));
    }
    const rows = [...this.#tables.tasks.values()]
      .filter((row) => filter.states === undefined || filter.states.includes(row.state))
      .filter((row) => filter.lane === undefined || row.lane === filter.lane)
      .filter((row) => filter.key === undefined || row.key === filter.key)
      .filter((row) => {
        const { label } = filter;
        return label === undefined || this.#tables.labels.get(row.id)?.[label.name] === label.value;
      })
      .filter((row) => cursor === undefined || row.id < cursor)
      .sort((a, b) => (a.id < b.id ? 1 : -1));
    const page = rows.slice(0, limit);
    const items = page.map((row) => present(this.#record(row.id), "Q8: a listed task exists"));
    return ok({ items, nextCursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null });
  }

  async events(afterSeq: number, limit: number, taskId?: TaskId): Promise<Result<readonly QueueEvent[]>> {
    const found = this.#tables.events.filter(
      (event) => event.seq > afterSeq && (taskId === undefined || event.taskId === taskId),
    );
    return ok(found.slice(0, limit));
  }

  async eventRange(): Promise<Result<{ readonly firstSeq: number; readonly lastSeq: number }>> {
    return ok({ firstSeq: this.#tables.events[0]?.seq ?? 0, lastSeq: this.#tables.events.at(-1)?.seq ?? 0 });
  }

  async lanes(): Promise<Result<readonly LaneRow[]>> {
    return ok([...this.#tables.lanes]);
  }

  async keys(limit: number): Promise<Result<readonly KeyRow[]>> {
    const used = [...this.#tables.keys.values()].filter((row) => row.key !== "" && isUsed(row));
    return ok(used.sort((a, b) => (a.key < b.key ? -1 : 1)).slice(0, limit));
  }

  async schedules(limit: number): Promise<Result<readonly ScheduleRow[]>> {
    return ok([...this.#tables.schedules.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit));
  }

  async recentAttempts(sinceMs: number, limit: number): Promise<Result<readonly AttemptSample[]>> {
    const all = [...this.#tables.attempts.values()].flat().filter((attempt) => attempt.endedAtMs >= sinceMs);
    all.sort((a, b) => b.endedAtMs - a.endedAtMs || (a.taskId < b.taskId ? 1 : -1) || b.n - a.n);
    return ok(
      all.slice(0, limit).map((attempt) => ({
        ...attempt,
        title: this.#title(attempt.taskId),
        lane: this.#tables.tasks.get(attempt.taskId)?.lane ?? null,
      })),
    );
  }

  async costs(query: CostQuery): Promise<Result<readonly CostSum[]>> {
    const sums = new Map<string, CostSum>();
    for (const attempt of [...this.#tables.attempts.values()].flat()) {
      const { taskId, endedAtMs, tokens, costMicrodollars } = attempt;
      if (endedAtMs < query.fromMs || endedAtMs >= query.toMs || tokens + costMicrodollars === 0) continue;
      const group = this.#costGroup(query.by, attempt, this.#tables.labels.get(taskId) ?? {});
      if (group === null) continue;
      const sum = sums.get(group) ?? { group, attempts: 0, tokens: 0, costMicrodollars: 0 };
      sums.set(group, {
        group,
        attempts: sum.attempts + 1,
        tokens: sum.tokens + tokens,
        costMicrodollars: sum.costMicrodollars + costMicrodollars,
      });
    }
    const all = [...sums.values()];
    if (query.by === "hour" || query.by === "day") {
      return ok(all.sort((a, b) => Number(a.group) - Number(b.group)).slice(-query.limit));
    }
    const dearest = (a: CostSum, b: CostSum): number =>
      b.costMicrodollars - a.costMicrodollars || b.tokens - a.tokens || (a.group < b.group ? -1 : 1);
    return ok(all.sort(dearest).slice(0, query.limit));
  }

  #costGroup(by: CostQuery["by"], attempt: AttemptRow, labels: Readonly<Record<string, string>>): string | null {
    if (typeof by === "object") return labels[by.label] ?? null;
    if (by !== "hour" && by !== "day") return attempt[by];
    const spanMs = by === "hour" ? 3_600_000 : 86_400_000;
    return String(Math.floor(attempt.endedAtMs / spanMs) * spanMs);
  }

  async prune(before: PruneBefore, limit: number): Promise<Result<number>> {
    const needed = new Set(
      [...this.#tables.dependencies.values()]
        .flatMap((rows) => [...rows])
        .filter(([, done]) => !done)
        .map(([id]) => id),
    );
    const old = [...this.#tables.tasks.values()].filter(
      (row) =>
        hasEnded(row) &&
        !needed.has(row.id) &&
        (row.endedAtMs ?? 0) < (row.state === "dead" ? before.deadLettersMs : before.endedTasksMs),
    );
    const tx = new MemoryTransaction(this.#tables);
    for (const row of old.slice(0, limit)) {
      tx.deleteTask(row);
      const lane = tx.lane(row.lane);
      tx.putLane({ ...lane, counts: { ...lane.counts, [row.state]: lane.counts[row.state] - 1 } });
    }
    const used = new Set([...this.#tables.tasks.values()].map((row) => row.classId));
    for (const [text, id] of this.#tables.classes) if (!used.has(id)) this.#tables.classes.delete(text);
    const events = this.#tables.events.filter((event) => event.atMs < before.eventsMs).length;
    this.#tables.events.splice(0, Math.min(events, limit));
    const keys = [...this.#tables.idempotency].filter(([, entry]) => entry.atMs < before.idempotencyMs).slice(0, limit);
    for (const [key] of keys) this.#tables.idempotency.delete(key);
    const commands = [...this.#tables.commands.values()].filter((row) => row.atMs < before.commandsMs).slice(0, limit);
    for (const { id } of commands) this.#tables.commands.delete(id);
    // A key that waits for an instant has tasks to let through; "" is shared and stays.
    const idle = [...this.#tables.keys.values()].filter(
      (row) => row.key !== "" && row.wakeAtMs === null && !isUsed(row),
    );
    for (const row of idle.slice(0, limit)) this.#tables.keys.delete(row.key);
    this.#tables.commits += 1;
    const removed = Math.min(old.length, limit) + Math.min(events, limit) + Math.min(idle.length, limit);
    return ok(removed + keys.length + commands.length);
  }

  async requirements(limit: number): Promise<Result<readonly string[]>> {
    return ok([...this.#tables.classes.keys()].slice(0, limit));
  }

  async isPaused(): Promise<Result<boolean>> {
    return ok(this.#tables.paused);
  }

  #record(id: TaskId): TaskRecord | undefined {
    const row = this.#tables.tasks.get(id);
    if (row === undefined) return undefined;
    return {
      row,
      body: this.#tables.bodies.get(id) ?? "{}",
      labels: this.#tables.labels.get(id) ?? {},
      dependsOn: [...(this.#tables.dependencies.get(id)?.keys() ?? [])],
      attempts: this.#tables.attempts.get(id) ?? [],
    };
  }

  #title(id: TaskId): string {
    // `as`: a body is the JSON text of an object.
    const body = JSON.parse(this.#tables.bodies.get(id) ?? "{}") as { readonly title?: JsonValue };
    return typeof body.title === "string" ? body.title : canonicalJson(body.title ?? "");
  }
}

/** Rows, and the maps of a task's dependencies, are replaced whole and never changed in place. */
function copyTables(tables: MemoryTables): MemoryTables {
  return {
    ...tables,
    tasks: new Map(tables.tasks),
    bodies: new Map(tables.bodies),
    labels: new Map(tables.labels),
    dependencies: new Map(tables.dependencies),
    attempts: new Map(tables.attempts),
    keys: new Map(tables.keys),
    lanes: [...tables.lanes],
    idempotency: new Map(tables.idempotency),
    classes: new Map(tables.classes),
    schedules: new Map(tables.schedules),
    commands: new Map(tables.commands),
    notes: new Map(tables.notes),
    events: [...tables.events],
  };
}

export function isUsed(row: KeyRow): boolean {
  const { policy } = row;
  const isPlain =
    policy.maxConcurrent === null && policy.ratePerSecond === null && !policy.paused && policy.weight === 1;
  return !isPlain || row.running > 0 || row.admitted > 0;
}

export function emptyLane(lane: number): LaneRow {
  // `as`: every state is listed.
  const counts = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as LaneRow["counts"];
  return { lane, virtualTime: 0, counts };
}
