import {
  createIdFactory,
  type IdFactory,
  type NodeId,
  SimulatedClock,
  seededRandom,
  silentLogger,
  type TaskId,
} from "#base";
import {
  type AttemptReport,
  MemoryQueueStore,
  type NewTask,
  QueueService,
  type QueueStore,
  type TaskRecord,
  type TaskRow,
} from "#queue";

/** A store under test, and how to let its pending work finish. */
export type StoreHarness = {
  readonly store: QueueStore;
  /** One turn in which the store may make progress: a microtask, or a turn of the event loop. */
  readonly turn: () => Promise<void>;
  /** Turns without a pending command after which everything is at rest. */
  readonly quietTurns: number;
  readonly close: () => Promise<void>;
};

export async function memoryHarness(): Promise<StoreHarness> {
  return {
    store: new MemoryQueueStore(),
    turn: () => Promise.resolve(),
    quietTurns: 12,
    close: async () => undefined,
  };
}

/** A clock, ids and a queue service over one store; time passes only when told to. */
export class QueueWorld {
  readonly clock: SimulatedClock;
  readonly ids: IdFactory;
  readonly node: NodeId;
  readonly store: QueueStore;
  queue: QueueService;
  readonly #harness: StoreHarness;
  readonly #seed: number;
  #pending = 0;

  constructor(harness: StoreHarness, seed = 1, startMs?: number) {
    this.#harness = harness;
    this.#seed = seed;
    this.clock = new SimulatedClock(startMs);
    this.ids = createIdFactory(this.clock, seededRandom(seed));
    this.node = this.ids.node();
    this.store = this.#counting(harness.store);
    this.queue = this.#service();
  }

  async start(): Promise<readonly TaskRow[]> {
    const started = await this.queue.start();
    if (!started.ok) throw new Error(started.error.message);
    await this.settle();
    return started.value;
  }

  /** The process ends without a word and another takes its place over the same store. */
  async restart(): Promise<readonly TaskRow[]> {
    await this.queue.stop();
    this.queue = this.#service();
    return this.start();
  }

  async close(): Promise<void> {
    await this.queue.stop();
    await this.#harness.close();
  }

  /** Lets every command that was begun come to its end. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < this.#harness.quietTurns; ) {
      await this.#harness.turn();
      quiet = this.#pending === 0 ? quiet + 1 : 0;
    }
  }

  /** Time passes in small steps, and the queue does what falls due on the way. */
  async pass(byMs: number, stepMs = 250): Promise<void> {
    for (let leftMs = byMs; leftMs > 0; leftMs -= stepMs) {
      this.clock.advance(Math.min(leftMs, stepMs));
      await this.settle();
    }
  }

  /** Work that is due at this very instant, and what it leads to at this instant. */
  async catchUp(): Promise<void> {
    for (let round = 0; round < 3; round += 1) {
      this.clock.advance(0);
      await this.settle();
    }
  }

  task(over: Partial<NewTask> = {}): NewTask {
    return newTask(this.ids.task(), over);
  }

  async record(id: TaskId): Promise<TaskRecord> {
    const found = await this.store.find(id);
    if (!found.ok) throw new Error(found.error.message);
    if (found.value === undefined) throw new Error(`task ${id} is not in the store`);
    return found.value;
  }

  #service(): QueueService {
    return new QueueService({
      store: this.store,
      clock: this.clock,
      random: seededRandom(this.#seed + 1),
      ids: this.ids,
      node: this.node,
      logger: silentLogger,
    });
  }

  #counting(store: QueueStore): QueueStore {
    return {
      transact: async (label, command) => {
        this.#pending += 1;
        try {
          return await store.transact(label, command);
        } finally {
          this.#pending -= 1;
        }
      },
      subscribe: (listener) => store.subscribe(listener),
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
}

export function newTask(id: TaskId, over: Partial<NewTask> = {}): NewTask {
  return {
    id,
    lane: 2,
    key: "",
    requirements: "{}",
    dependsOn: [],
    dependencyPolicy: "fail",
    runAtMs: null,
    maxAttempts: 3,
    retryBaseMs: 1_000,
    retryMaxMs: 60_000,
    idempotencyKey: null,
    bodyHash: "hash",
    labels: {},
    body: '{"title":"a task"}',
    ...over,
  };
}

export function attemptReport(over: Partial<AttemptReport> = {}): AttemptReport {
  return {
    outcome: "passed",
    consequence: "retryable",
    executor: "shell",
    endpoint: null,
    model: null,
    durationMs: 10,
    tokens: 0,
    costMicrodollars: 0,
    error: null,
    report: null,
    result: null,
    ...over,
  };
}

export const acceptsAll = (): boolean => true;
