import { type Logger, ok, type Result, type TaskId } from "#base";
import type {
  AttemptSample,
  CostQuery,
  CostSum,
  KeyRow,
  LaneRow,
  Page,
  PruneBefore,
  QueueEvent,
  QueueStore,
  QueueTransaction,
  ScheduleRow,
  TaskFilter,
  TaskRecord,
} from "#queue";
import type { Connection } from "./connection.ts";
import { EventLog } from "./event-log.ts";
import type { LongReader } from "./long-reader.ts";
import { QueueReader } from "./queue-reader.ts";
import { QueueUnit } from "./queue-transaction.ts";
import { pruneQueue } from "./retention.ts";
import { Writer, type WriterOptions } from "./writer.ts";

export type QueueStoreParts = {
  /** The only handle that writes. */
  readonly writing: Connection;
  /** A second handle on the same file; reads never wait for a command. */
  readonly reading: Connection;
  readonly long: LongReader;
  /** Raised when the database was copied or restored. */
  readonly epoch: number;
  readonly logger: Logger;
  readonly writer?: WriterOptions;
};

/** The queue on libSQL. */
export class LibsqlQueueStore implements QueueStore {
  readonly #writer: Writer<QueueTransaction>;
  readonly #unit: QueueUnit;
  readonly #events: EventLog;
  readonly #reader: QueueReader;
  readonly #writing: Connection;

  constructor(parts: QueueStoreParts) {
    this.#writing = parts.writing;
    this.#events = new EventLog(parts.writing, parts.logger);
    this.#unit = new QueueUnit(parts.writing, this.#events, parts.epoch);
    this.#writer = new Writer(parts.writing, this.#unit, parts.writer);
    this.#reader = new QueueReader(parts.reading, parts.long);
  }

  /** Transactions committed since the start; with 32 callers at once it grows by one. */
  get commits(): number {
    return this.#writer.commits;
  }

  transact<T>(label: string, command: (tx: QueueTransaction) => Result<T>): Promise<Result<T>> {
    return this.#writer.transact(label, command);
  }

  /**
   * Runs a command on other tables of the file within the same transactions, because a file has one writer. It must not
   * refuse after it wrote.
   */
  write<T>(label: string, command: (connection: Connection) => Result<T>): Promise<Result<T>> {
    return this.#writer.transact(label, () => command(this.#writing));
  }

  /** As {@link transact}, with the connection for other tables of the file. It must not refuse after it wrote. */
  transactWith<T>(
    label: string,
    command: (tx: QueueTransaction, connection: Connection) => Result<T>,
  ): Promise<Result<T>> {
    return this.#writer.transact(label, (tx) => command(tx, this.#writing));
  }

  subscribe(listener: (events: readonly QueueEvent[]) => void): () => void {
    return this.#events.subscribe(listener);
  }

  async find(id: TaskId): Promise<Result<TaskRecord | undefined>> {
    const found = this.#reader.findMany([id]);
    return found.ok ? ok(found.value[0]) : found;
  }

  async findMany(ids: readonly TaskId[]): Promise<Result<readonly TaskRecord[]>> {
    return this.#reader.findMany(ids);
  }

  list(filter: TaskFilter, limit: number, cursor?: string): Promise<Result<Page<TaskRecord>>> {
    return this.#reader.list(filter, limit, cursor);
  }

  events(afterSeq: number, limit: number, taskId?: TaskId): Promise<Result<readonly QueueEvent[]>> {
    return this.#reader.events(afterSeq, limit, taskId);
  }

  async eventRange(): Promise<Result<{ readonly firstSeq: number; readonly lastSeq: number }>> {
    return this.#reader.eventRange();
  }

  async lanes(): Promise<Result<readonly LaneRow[]>> {
    return this.#reader.lanes();
  }

  async keys(limit: number): Promise<Result<readonly KeyRow[]>> {
    return this.#reader.keys(limit);
  }

  async schedules(limit: number): Promise<Result<readonly ScheduleRow[]>> {
    return this.#reader.schedules(limit);
  }

  costs(query: CostQuery): Promise<Result<readonly CostSum[]>> {
    return this.#reader.costs(query);
  }

  recentAttempts(sinceMs: number, limit: number): Promise<Result<readonly AttemptSample[]>> {
    return this.#reader.recentAttempts(sinceMs, limit);
  }

  prune(before: PruneBefore, limit: number): Promise<Result<number>> {
    return this.#writer.transact("prune", (tx) => {
      // Tasks first: they are what uses a key.
      const rows = pruneQueue(this.#writing, tx, before, limit);
      this.#unit.pruneClasses();
      return ok(rows + this.#unit.pruneKeys(limit));
    });
  }

  async requirements(limit: number): Promise<Result<readonly string[]>> {
    return this.#reader.requirements(limit);
  }

  async isPaused(): Promise<Result<boolean>> {
    return this.#reader.isPaused();
  }

  /** Refuses new commands and resolves when those that wait were answered. */
  close(): Promise<void> {
    return this.#writer.close();
  }
}
