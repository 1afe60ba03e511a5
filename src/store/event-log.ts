import type { Logger } from "#base";
import type { NewQueueEvent, QueueEvent } from "#queue";
import { type Connection, number } from "./connection.ts";
import { InsertBuffer } from "./insert-buffer.ts";
import { readMeta } from "./meta.ts";
import { EVENT_INSERT_COLUMNS } from "./queue-columns.ts";

/** The name under which retention keeps the highest number when it removes the newest event. */
export const LAST_EVENT_SEQ = "last_event_seq";

/**
 * Numbers events in the order of their commits. One writer numbers them in memory, so nothing is read back, and a
 * listener gets them the moment they are durable.
 */
export class EventLog {
  readonly #inserts: InsertBuffer;
  readonly #logger: Logger;
  readonly #listeners = new Set<(events: readonly QueueEvent[]) => void>();
  #pending: QueueEvent[] = [];
  #committedSeq: number;

  constructor(connection: Connection, logger: Logger) {
    this.#inserts = new InsertBuffer(connection, "event", EVENT_INSERT_COLUMNS);
    this.#logger = logger;
    const highest = connection.prepare("SELECT seq FROM event ORDER BY seq DESC LIMIT 1").get([]);
    const pruned = Number(readMeta(connection, LAST_EVENT_SEQ) ?? 0);
    this.#committedSeq = Math.max(highest === undefined ? 0 : number(highest, 0), pruned);
  }

  /** The number that the next event will have. */
  get nextSeq(): number {
    return this.#committedSeq + this.#pending.length + 1;
  }

  /** @param previousSeq the event before this one of the same task */
  append(event: NewQueueEvent, previousSeq: number | null): void {
    const seq = this.nextSeq;
    const { atMs, kind, taskId, data } = event;
    this.#pending.push({ seq, atMs, kind, taskId, data });
    this.#inserts.add([seq, atMs, kind, taskId, previousSeq, JSON.stringify(data)]);
  }

  flush(): void {
    this.#inserts.flush();
  }

  subscribe(listener: (events: readonly QueueEvent[]) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  committed(): void {
    if (this.#pending.length === 0) return;
    const events = this.#pending;
    this.#pending = [];
    this.#committedSeq += events.length;
    for (const listener of this.#listeners) {
      try {
        listener(events);
      } catch (cause) {
        // The events are durable and others wait for them: a listener's bug stops at the listener.
        this.#logger.error("a listener of queue events failed", { cause: String(cause) });
      }
    }
  }

  rolledBack(): void {
    this.#pending = [];
    this.#inserts.clear();
  }
}
