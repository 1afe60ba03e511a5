/** One queue as the benchmark drives it; made anew in a process of its own for each cell. */
export interface Adapter {
  /** Resolves when the queue calls the task accepted, with the durability its row names. */
  enqueue(payload: string): Promise<void>;
  /** Accepts all by the queue's own call for batches. */
  enqueueMany(payloads: readonly string[]): Promise<void>;
  /** Starts no-op work at this concurrency; `onStart` is the handler. Answers when the consumer is ready for work. */
  consume(concurrency: number, onStart: (payload: string) => void): Promise<void>;
  /** Tasks that have not ended, counted where they are stored, never from memory. */
  pending(): Promise<number>;
  /** Flushes to disk so far, of a queue that counts them. */
  commits(): number | null;
  close(): Promise<void>;
}

/** What a cell's process is told about the place it may use. */
export type Place = {
  /** An empty folder of this cell. */
  readonly folder: string;
  /** Where the server of this cell listens; 0 for queues without one. */
  readonly port: number;
};

export type ServerKind = "none" | "redis-everysec" | "redis-always" | "postgres";

export type AdapterInfo = {
  readonly name: string;
  /** What an acknowledged task survives. */
  readonly durability: string;
  readonly server: ServerKind;
  readonly isRival: boolean;
  readonly open: (place: Place) => Promise<Adapter>;
};
