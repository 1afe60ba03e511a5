import { err, type Random, type Result, retryable } from "#base";
import type { Position } from "#fleet";
import { MemoryQueueStore, type MemorySnapshot, type QueueStore, type QueueTransaction } from "#queue";
import type { ProcessClock } from "./time.ts";

/** The fleet's database on the machine of a hub: one history, which ends when another node is promoted. */
export class HubDatabase {
  readonly store = new MemoryQueueStore();
  readonly epoch: number;
  /** Where this history begins: what a promoted copy had. */
  readonly begunAt: number;
  /** While set, nothing can be written: the disk is full, or the database server is away. */
  isUnavailable = false;
  /** True time of the last moment of that; for those who judge what was late. */
  unavailableMs = Number.NEGATIVE_INFINITY;

  constructor(epoch: number, copy?: MemorySnapshot) {
    this.epoch = epoch;
    this.store.restore(copy ?? this.store.snapshot(), epoch);
    this.begunAt = this.store.commits;
  }

  position(): Position {
    return { epoch: this.epoch, seq: this.store.commits };
  }

  /** The database as one process of the hub sees it: through a disk that takes its time. */
  open(clock: ProcessClock, random: Random): QueueStore {
    const { store } = this;
    let last: Promise<unknown> = Promise.resolve();
    const pause = (): Promise<void> => {
      if (random.next() > SLOW_RATIO) return Promise.resolve();
      return new Promise((resolve) => clock.after(random.next() * SLOW_MS, resolve));
    };
    const commit = async <T>(label: string, command: (tx: QueueTransaction) => Result<T>): Promise<Result<T>> => {
      await pause(); // killed here, nothing of it stays
      if (this.isUnavailable) return err(retryable("unavailable", `${label}: the database does not answer`));
      const result = await store.transact(label, command);
      await pause(); // killed here, it stays and nobody was told
      return result;
    };
    return openedBy(clock, store, (label, command) => {
      const turn = last.then(() => commit(label, command));
      last = turn.catch(() => undefined);
      return turn;
    });
  }
}

/** A store as one process sees it: when that is killed, nothing is told to it any more. */
export function openedBy(
  clock: ProcessClock,
  store: QueueStore,
  transact: QueueStore["transact"] = (label, command) => store.transact(label, command),
): QueueStore {
  return {
    transact,
    subscribe: (listener) => store.subscribe((events) => (clock.isAlive ? listener(events) : undefined)),
    find: (id) => store.find(id),
    findMany: (ids) => store.findMany(ids),
    list: (filter, limit, cursor) => store.list(filter, limit, cursor),
    events: (afterSeq, limit, taskId) => store.events(afterSeq, limit, taskId),
    eventRange: () => store.eventRange(),
    lanes: () => store.lanes(),
    keys: (limit) => store.keys(limit),
    schedules: (limit) => store.schedules(limit),
    costs: (query) => store.costs(query),
    recentAttempts: (sinceMs, limit) => store.recentAttempts(sinceMs, limit),
    prune: (before, limit) => store.prune(before, limit),
    isPaused: () => store.isPaused(),
    requirements: (limit) => store.requirements(limit),
  };
}

const SLOW_RATIO = 0.03;
const SLOW_MS = 800;
