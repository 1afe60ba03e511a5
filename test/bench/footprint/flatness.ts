/** Does memory stay flat while tasks pass through? The queue, its store and a consumer in one process, no HTTP. */
import { createIdFactory, type NodeId, type Result, silentLogger, type TaskId } from "#base";
import { type AttemptReport, Consumer, LANES, type NewTask, QueueService } from "#queue";
import { openStores, type Stores } from "#store";
import { realClock, realRandom } from "../../../src/runtime/real-clock.ts";
import { memoryOf } from "../machine/processes.ts";

/** What the process held after so many tasks, each time after a garbage collection. */
export type Sample = {
  readonly tasks: number;
  readonly elapsedMs: number;
  readonly residentBytes: number;
  readonly anonymousBytes: number;
  readonly heapBytes: number;
  readonly databaseBytes: number;
};

/** Each sample stands on a line of its own behind this. */
export const SAMPLE_MARK = "bench-sample ";

const SAMPLES = 20;
const BATCH = 100;
const CONCURRENCY = 50;
/** The feeder waits while this many tasks have not ended. */
const MAX_OPEN = 2_000;
/** Short, so that removal keeps pace within minutes: the product keeps ended tasks for days. */
const KEEP_MS = 2_000;
const PRUNE_EVERY_MS = 20;
const PRUNE_ROWS = 1_000;

const PASSED: AttemptReport = {
  outcome: "passed",
  consequence: "retryable",
  executor: "none",
  endpoint: null,
  model: null,
  durationMs: 0,
  tokens: 0,
  costMicrodollars: 0,
  error: null,
  report: null,
  result: null,
};

/** Puts `tasks` no-op tasks through a store in `folder` and prints samples. */
export async function runFlatness(tasks: number, folder: string): Promise<void> {
  const random = realRandom();
  const ids = createIdFactory(realClock, random);
  const stores = value(await openStores(folder, { clock: realClock, random, logger: silentLogger }));
  const node: NodeId = ids.node();
  const queue = new QueueService({ store: stores.queue, clock: realClock, random, ids, node, logger: silentLogger });
  value(await queue.start());
  let ended = 0;
  const over = Promise.withResolvers<void>();
  const run = async (): Promise<AttemptReport> => {
    ended += 1;
    if (ended === tasks) over.resolve();
    return PASSED;
  };
  const consumer = new Consumer({
    queue,
    holder: node,
    logger: silentLogger,
    concurrency: CONCURRENCY,
    accepts: () => true,
    run,
  });
  consumer.start();
  let isOver = false;
  const retention = retain(stores, () => isOver);
  const startedMs = performance.now();
  const every = Math.max(BATCH, Math.round(tasks / SAMPLES));
  let nextSample = 0;
  for (let sent = 0; sent < tasks; ) {
    if (ended >= nextSample) {
      sample(ended, performance.now() - startedMs, folder);
      nextSample += every;
    }
    if (sent - ended >= MAX_OPEN) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      continue;
    }
    const batch = Array.from({ length: Math.min(BATCH, tasks - sent) }, () => submission(ids.task()));
    value(await queue.submit(batch));
    sent += batch.length;
  }
  await over.promise;
  await consumer.stop();
  isOver = true;
  await retention;
  sample(ended, performance.now() - startedMs, folder);
  await queue.stop();
  await stores.close();
}

async function retain(stores: Stores, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const before = realClock.nowMs() - KEEP_MS;
    const ages = {
      endedTasksMs: before,
      deadLettersMs: before,
      eventsMs: before,
      idempotencyMs: before,
      commandsMs: before,
    };
    value(await stores.queue.prune(ages, PRUNE_ROWS));
    value(stores.checkpoint());
    await new Promise((resolve) => setTimeout(resolve, PRUNE_EVERY_MS));
  }
}

function sample(tasks: number, elapsedMs: number, folder: string): void {
  Bun.gc(true);
  const { residentBytes, anonymousBytes } = memoryOf(process.pid);
  const databaseBytes = Bun.file(`${folder}/fleet.db`).size;
  const heapBytes = process.memoryUsage().heapUsed;
  const found: Sample = { tasks, elapsedMs, residentBytes, anonymousBytes, heapBytes, databaseBytes };
  process.stdout.write(`${SAMPLE_MARK}${JSON.stringify(found)}\n`);
}

function submission(id: TaskId): NewTask {
  return {
    id,
    lane: LANES.indexOf("normal"),
    key: "",
    requirements: "{}",
    dependsOn: [],
    dependencyPolicy: "fail",
    runAtMs: null,
    maxAttempts: 3,
    retryBaseMs: 1_000,
    retryMaxMs: 300_000,
    idempotencyKey: null,
    bodyHash: "",
    labels: {},
    body: JSON.stringify({ title: "footprint", executor: "shell", command: ["true"], prompt: "x".repeat(100) }),
  };
}

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}
