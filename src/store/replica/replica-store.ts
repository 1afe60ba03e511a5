import {
  type CommandId,
  err,
  InvariantBroken,
  type Logger,
  ok,
  type Result,
  refused,
  retryable,
  silentLogger,
  type TaskId,
} from "#base";
import type { Position } from "#fleet";
import type { CostQuery, QueueEvent, QueueStore, QueueTransaction, TaskFilter, TaskRecord } from "#queue";
import { type Connection, number, openConnection, StoreClosed, text } from "../connection.ts";
import { EventLog } from "../event-log.ts";
import { LongReader } from "../long-reader.ts";
import { readMeta } from "../meta.ts";
import { QueueReader } from "../queue-reader.ts";
import { QueueUnit } from "../queue-transaction.ts";
import { onStorage } from "../storage-failure.ts";
import { ToldEvents } from "./told-events.ts";

/** Events handed to listeners in one turn. */
const EVENTS_AT_ONCE = 500;

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
  readonly #logger: Logger;
  readonly #onDamage: (why: string) => void;
  readonly #listeners = new Set<(events: readonly QueueEvent[]) => void>();
  readonly #told: ToldEvents;
  #connection: Connection;
  #long: LongReader;
  #reader: QueueReader;
  #position: Position = { epoch: 0, seq: 0 };
  #isClosed = false;

  /** @param onDamage called when a read finds that the file is damaged */
  constructor(path: string, logger: Logger, onDamage: (why: string) => void) {
    this.#path = path;
    this.#logger = logger;
    this.#onDamage = onDamage;
    this.#connection = openConnection(path, { queryOnly: true });
    this.#long = new LongReader(path);
    this.#reader = new QueueReader(this.#connection, this.#long);
    const known = this.#eventsFrom(Math.max(0, this.#lastSeq() - ToldEvents.KEPT), ToldEvents.KEPT);
    this.#told = new ToldEvents(known.ok ? known.value : []);
  }

  /** A handle that outlives an exchange of the file; whatever is prepared on it is prepared for the present one. */
  get reading(): Connection {
    return {
      path: this.#path,
      prepare: (sql) => this.#connection.prepare(sql),
      exec: (sql) => this.#connection.exec(sql),
      inTransaction: () => false,
      commitAside: () => Promise.reject(new InvariantBroken("a replica is read, never written")),
      close: () => undefined,
    };
  }

  /** The last one that could be read, when it cannot be read now. */
  position(): Position {
    const read = this.#seen(
      onStorage("read the position", () =>
        this.#connection.prepare("SELECT epoch, seq FROM fleet_commit WHERE only = 1").get([]),
      ),
    );
    if (read.ok && read.value !== undefined)
      this.#position = { epoch: number(read.value, 0), seq: number(read.value, 1) };
    return this.#position;
  }

  /** The fleet that the database is of. */
  uuid(): Result<string | undefined> {
    return this.#seen(onStorage("read the fleet's name", () => readMeta(this.#connection, "uuid")));
  }

  shown(ids: readonly CommandId[]): Result<ReadonlySet<CommandId>> {
    const sql = "SELECT id FROM command WHERE id IN (SELECT value FROM json_each(?))";
    return this.#seen(
      onStorage("look for commands", () => {
        const rows = this.#connection.prepare(sql).all([JSON.stringify(ids)]);
        // `as`: among those that were asked for.
        return new Set(rows.map((row) => text(row, 0) as CommandId));
      }),
    );
  }

  /** To be called after each sync: tells listeners what is new, some at a time, so that nothing else waits for long. */
  async announce(): Promise<void> {
    while (!this.#isClosed) {
      const found = this.#eventsFrom(this.#told.seq, EVENTS_AT_ONCE);
      if (!found.ok || found.value.length === 0) return;
      this.#told.add(found.value);
      for (const listener of this.#listeners) this.#tell(listener, found.value);
      if (found.value.length < EVENTS_AT_ONCE) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Puts another file in the place of this one. Long reads that are under way fail and may be tried again. */
  async exchange(change: () => void): Promise<void> {
    await this.#long.close();
    if (this.#isClosed) return;
    // Within one turn: nobody reads between the two. The old file is closed first, because SQLite would take the new
    // one's journal for its own.
    this.#connection.close();
    try {
      change();
    } finally {
      this.#connection = openConnection(this.#path, { queryOnly: true });
      this.#long = new LongReader(this.#path);
      this.#reader = new QueueReader(this.#connection, this.#long);
    }
    const found = this.#eventsFrom(Math.max(0, this.#told.firstKept - 1), ToldEvents.KEPT);
    if (found.ok) this.#told.resume(found.value);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#connection.close();
    await this.#long.close();
  }

  /** For what only reads: all of it sees one state. A command that writes is refused, and nothing is written. */
  async transact<T>(label: string, command: (tx: QueueTransaction) => Result<T>): Promise<Result<T>> {
    const read = this.#seen(
      onStorage(label, () => {
        if (this.#isClosed) throw new StoreClosed(this.#path);
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
      }),
    );
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
    const found = this.#seen(this.#reader.findMany([id]));
    return found.ok ? ok(found.value[0]) : found;
  }

  async findMany(ids: readonly TaskId[]) {
    return this.#seen(this.#reader.findMany(ids));
  }

  async list(filter: TaskFilter, limit: number, cursor?: string) {
    return this.#seen(await this.#reader.list(filter, limit, cursor));
  }

  async events(afterSeq: number, limit: number, taskId?: TaskId) {
    return this.#seen(await this.#reader.events(afterSeq, limit, taskId));
  }

  async eventRange() {
    return this.#seen(this.#reader.eventRange());
  }

  async lanes() {
    return this.#seen(this.#reader.lanes());
  }

  async keys(limit: number) {
    return this.#seen(this.#reader.keys(limit));
  }

  async schedules(limit: number) {
    return this.#seen(this.#reader.schedules(limit));
  }

  async costs(query: CostQuery) {
    return this.#seen(await this.#reader.costs(query));
  }

  async recentAttempts(sinceMs: number, limit: number) {
    return this.#seen(await this.#reader.recentAttempts(sinceMs, limit));
  }

  async isPaused() {
    return this.#seen(this.#reader.isPaused());
  }

  async requirements(limit: number) {
    return this.#seen(this.#reader.requirements(limit));
  }

  /** A copy that is damaged or being exchanged is there again in a moment. */
  #seen<T>(result: Result<T>): Result<T> {
    if (result.ok || this.#isClosed) return result;
    const { code, message } = result.error;
    if (code === "corrupt") {
      this.#onDamage(message);
      return err(retryable("unavailable", message, "This node's copy is fetched from the hub again; try again soon"));
    }
    return code === "unavailable" ? err({ ...result.error, kind: "retryable" }) : result;
  }

  #tell(listener: (events: readonly QueueEvent[]) => void, events: readonly QueueEvent[]): void {
    try {
      listener(events);
    } catch (cause) {
      // The others and the replica go on: a listener's bug stops at the listener.
      this.#logger.error("a listener of queue events failed", { cause: String(cause) });
    }
  }

  #eventsFrom(afterSeq: number, limit: number): Result<readonly QueueEvent[]> {
    return this.#seen(this.#reader.eventsAfter(afterSeq, limit));
  }

  #lastSeq(): number {
    const range = this.#seen(this.#reader.eventRange());
    return range.ok ? range.value.lastSeq : 0;
  }
}
