import { type CommandId, err, ok, type Result, refused, silentLogger, type TaskId } from "#base";
import type { Position } from "#fleet";
import type { QueueEvent, QueueStore, QueueTransaction, TaskFilter, TaskRecord } from "#queue";
import { type Connection, number, openConnection, text } from "../connection.ts";
import { EventLog } from "../event-log.ts";
import { LongReader } from "../long-reader.ts";
import { readMeta } from "../meta.ts";
import { QueueReader } from "../queue-reader.ts";
import { QueueUnit } from "../queue-transaction.ts";
import { onStorage } from "../storage-failure.ts";

/** Events handed to listeners in one turn. */
const EVENTS_AT_ONCE = 1_000;

/** Of fences, and none is given here. */
const NO_EPOCH = 0;

const readOnly = refused(
  "unsupported",
  "this node follows the fleet's database and does not write it",
  "Changes go to the hub as commands",
);

/**
 * The queue as a replica shows it: a plain handle beside the one that applies what the hub sends. It sees one committed
 * state of the hub after the other, never a part of one.
 */
export class ReplicaStore implements QueueStore {
  readonly #path: string;
  readonly #listeners = new Set<(events: readonly QueueEvent[]) => void>();
  #connection: Connection;
  #long: LongReader;
  #reader: QueueReader;
  #toldSeq: number;

  constructor(path: string) {
    this.#path = path;
    this.#connection = openConnection(path, { queryOnly: true });
    this.#long = new LongReader(path);
    this.#reader = new QueueReader(this.#connection, this.#long);
    this.#toldSeq = this.#lastSeq();
  }

  /** A handle that outlives an exchange of the file; whatever is prepared on it is prepared for the present one. */
  get reading(): Connection {
    return {
      path: this.#path,
      prepare: (sql) => this.#connection.prepare(sql),
      exec: (sql) => this.#connection.exec(sql),
      inTransaction: () => false,
      close: () => undefined,
    };
  }

  position(): Position {
    const row = this.#connection.prepare("SELECT epoch, seq FROM fleet_commit WHERE only = 1").get([]);
    return row === undefined ? { epoch: 0, seq: 0 } : { epoch: number(row, 0), seq: number(row, 1) };
  }

  /** The fleet that the database is of. */
  uuid(): string | undefined {
    return readMeta(this.#connection, "uuid");
  }

  shown(ids: readonly CommandId[]): Result<ReadonlySet<CommandId>> {
    const sql = "SELECT id FROM command WHERE id IN (SELECT value FROM json_each(?))";
    return onStorage("look for commands", () => {
      const rows = this.#connection.prepare(sql).all([JSON.stringify(ids)]);
      // `as`: among those that were asked for.
      return new Set(rows.map((row) => text(row, 0) as CommandId));
    });
  }

  /** To be called after each sync: tells listeners what is new. */
  async announce(): Promise<void> {
    for (;;) {
      const found = await this.#reader.events(this.#toldSeq, EVENTS_AT_ONCE);
      if (!found.ok || found.value.length === 0) return;
      this.#toldSeq = found.value.at(-1)?.seq ?? this.#toldSeq;
      for (const listener of this.#listeners) listener(found.value);
      if (found.value.length < EVENTS_AT_ONCE) return;
    }
  }

  /** Puts another file in the place of this one. Reads that are under way fail and may be tried again. */
  async exchange(change: () => void): Promise<void> {
    this.#connection.close();
    await this.#long.close();
    change();
    this.#connection = openConnection(this.#path, { queryOnly: true });
    this.#long = new LongReader(this.#path);
    this.#reader = new QueueReader(this.#connection, this.#long);
    // Numbers of events go on over a promotion; those that a lost hub gave are given again, to others.
    this.#toldSeq = Math.min(this.#toldSeq, this.#lastSeq());
  }

  async close(): Promise<void> {
    this.#connection.close();
    await this.#long.close();
  }

  /** For what only reads: all of it sees one state. A command that writes is refused, and nothing is written. */
  async transact<T>(label: string, command: (tx: QueueTransaction) => Result<T>): Promise<Result<T>> {
    const read = onStorage(label, () => {
      this.#connection.exec("BEGIN");
      try {
        const unit = new QueueUnit(this.#connection, new EventLog(this.#connection, silentLogger), NO_EPOCH);
        const result = command(unit.begin());
        // The connection is for queries alone, so whatever the command left to be written fails here.
        unit.flush();
        return result;
      } finally {
        this.#connection.exec("ROLLBACK");
      }
    });
    if (read.ok) return read.value;
    return err(read.error.code === "read_only" ? readOnly : read.error);
  }

  prune(): Promise<Result<number>> {
    return Promise.resolve(ok(0));
  }

  subscribe(listener: (events: readonly QueueEvent[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async find(id: TaskId): Promise<Result<TaskRecord | undefined>> {
    const found = this.#reader.findMany([id]);
    return found.ok ? ok(found.value[0]) : found;
  }

  async findMany(ids: readonly TaskId[]) {
    return this.#reader.findMany(ids);
  }

  list(filter: TaskFilter, limit: number, cursor?: string) {
    return this.#reader.list(filter, limit, cursor);
  }

  events(afterSeq: number, limit: number, taskId?: TaskId) {
    return this.#reader.events(afterSeq, limit, taskId);
  }

  async eventRange() {
    return this.#reader.eventRange();
  }

  async lanes() {
    return this.#reader.lanes();
  }

  async keys(limit: number) {
    return this.#reader.keys(limit);
  }

  async schedules(limit: number) {
    return this.#reader.schedules(limit);
  }

  recentAttempts(sinceMs: number, limit: number) {
    return this.#reader.recentAttempts(sinceMs, limit);
  }

  async isPaused() {
    return this.#reader.isPaused();
  }

  async requirements(limit: number) {
    return this.#reader.requirements(limit);
  }

  #lastSeq(): number {
    const range = this.#reader.eventRange();
    return range.ok ? range.value.lastSeq : 0;
  }
}
