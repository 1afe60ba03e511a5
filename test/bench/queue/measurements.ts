import type { Adapter } from "./adapter.ts";

export const MEASUREMENTS = ["enqueue-1", "enqueue-32", "enqueue-bulk", "drain", "pickup"] as const;
export type Measurement = (typeof MEASUREMENTS)[number];

/** How much each measurement does. */
export type Effort = {
  readonly warmUpMs: number;
  readonly enqueueMs: number;
  readonly drainTasks: number;
  readonly pickupMs: number;
};

export const FULL_EFFORT: Effort = { warmUpMs: 300, enqueueMs: 2_000, drainTasks: 8_000, pickupMs: 10_000 };
export const QUICK_EFFORT: Effort = { warmUpMs: 200, enqueueMs: 600, drainTasks: 2_000, pickupMs: 3_000 };

/** What one cell found. Absent figures do not belong to its measurement. */
export type Finding = {
  /** Tasks within the timed part. */
  readonly tasks: number;
  readonly elapsedMs: number;
  readonly perSecond: number;
  readonly commitsPerTask: number | null;
  readonly pickupMsP50?: number;
  readonly pickupMsP99?: number;
  /** From the instant at which a task was due to be sent: shows a queue that held the sender up. */
  readonly pickupFromScheduleMsP99?: number;
};

/** Told when the timed part begins and ends, so that whoever measures processes measures that part. */
export type Timed = { readonly begin: () => Promise<void>; readonly end: () => Promise<void> };

const PRODUCERS = 32;
const BULK = 100;
const CONCURRENCY = 50;
const PICKUP_PER_SECOND = 200;
const PAYLOAD_CHARS = 100;
/** A queue that has shown no progress for this long has lost tasks or hangs. */
const STALL_MS = 30_000;

/** 100 bytes that begin with `index`. */
export function payloadOf(index: number): string {
  return `${index}:`.padEnd(PAYLOAD_CHARS, "x");
}

export function measure(name: Measurement, adapter: Adapter, effort: Effort, timed: Timed): Promise<Finding> {
  switch (name) {
    case "enqueue-1":
      return enqueue(adapter, effort, timed, 1, 1);
    case "enqueue-32":
      return enqueue(adapter, effort, timed, PRODUCERS, 1);
    case "enqueue-bulk":
      return enqueue(adapter, effort, timed, 1, BULK);
    case "drain":
      return drain(adapter, effort, timed);
    case "pickup":
      return pickup(adapter, effort, timed);
  }
}

async function enqueue(
  adapter: Adapter,
  effort: Effort,
  timed: Timed,
  producers: number,
  batch: number,
): Promise<Finding> {
  await produce(adapter, producers, batch, effort.warmUpMs);
  const before = await adapter.pending();
  const commits = adapter.commits();
  await timed.begin();
  const startedMs = performance.now();
  const tasks = await produce(adapter, producers, batch, effort.enqueueMs);
  const elapsedMs = performance.now() - startedMs;
  await timed.end();
  const stored = (await adapter.pending()) - before;
  if (stored !== tasks) throw new Error(`${tasks} tasks were acknowledged and ${stored} are in the store`);
  return finding(adapter, tasks, elapsedMs, commits);
}

/** @returns tasks acknowledged by `producers` that each await one call before the next, until `forMs` are over. */
async function produce(adapter: Adapter, producers: number, batch: number, forMs: number): Promise<number> {
  const untilMs = performance.now() + forMs;
  let tasks = 0;
  const payloads = Array.from({ length: batch }, (_, index) => payloadOf(index));
  const [payload = ""] = payloads;
  const produceAlone = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      await (batch === 1 ? adapter.enqueue(payload) : adapter.enqueueMany(payloads));
      tasks += batch;
    }
  };
  await Promise.all(Array.from({ length: producers }, produceAlone));
  return tasks;
}

/** The clock stops when the store has none pending; what the handlers saw only says when to begin asking it. */
async function drain(adapter: Adapter, effort: Effort, timed: Timed): Promise<Finding> {
  const { drainTasks: tasks } = effort;
  for (let sent = 0; sent < tasks; sent += BULK) {
    await adapter.enqueueMany(
      Array.from({ length: Math.min(BULK, tasks - sent) }, (_, index) => payloadOf(sent + index)),
    );
  }
  const stored = await adapter.pending();
  if (stored !== tasks) throw new Error(`${tasks} tasks were acknowledged and ${stored} are in the store`);
  let seen = 0;
  const commits = adapter.commits();
  await timed.begin();
  // A queue's start (connections, subscriptions) is not counted: the clock runs from its first sign of readiness.
  let startedMs = Number.POSITIVE_INFINITY;
  await adapter.consume(CONCURRENCY, () => {
    if (seen === 0) startedMs = Math.min(startedMs, performance.now());
    seen += 1;
  });
  startedMs = Math.min(startedMs, performance.now());
  await progress(() => seen, tasks);
  await progress(async () => tasks - (await adapter.pending()), tasks);
  const elapsedMs = performance.now() - startedMs;
  await timed.end();
  if (seen !== tasks) throw new Error(`${tasks} tasks were stored and handlers ran ${seen} times`);
  return finding(adapter, tasks, elapsedMs, commits);
}

/** Polls every millisecond until `count` reaches `target`. */
async function progress(count: () => number | Promise<number>, target: number): Promise<void> {
  let last = -1;
  let movedMs = performance.now();
  for (;;) {
    const now = await count();
    if (now >= target) return;
    if (now !== last) {
      last = now;
      movedMs = performance.now();
    } else if (performance.now() - movedMs > STALL_MS) {
      throw new Error(`stalled at ${now} of ${target} tasks`);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Open loop: tasks are sent at their due instants whether or not earlier ones were acknowledged. */
async function pickup(adapter: Adapter, effort: Effort, timed: Timed): Promise<Finding> {
  const tasks = Math.round((effort.pickupMs / 1000) * PICKUP_PER_SECOND);
  const warmUp = PICKUP_PER_SECOND / 2;
  const sentMs: number[] = [];
  const dueMs: number[] = [];
  const startedMs: number[] = [];
  let seen = 0;
  await adapter.consume(CONCURRENCY, (payload) => {
    startedMs[Number.parseInt(payload, 10)] = performance.now();
    seen += 1;
  });
  const sends: Promise<void>[] = [];
  const commits = adapter.commits();
  await timed.begin();
  const beginMs = performance.now();
  for (let index = 0; index < warmUp + tasks; ) {
    const due = beginMs + (index * 1000) / PICKUP_PER_SECOND;
    const nowMs = performance.now();
    if (nowMs < due) {
      await new Promise((resolve) => setTimeout(resolve, due - nowMs));
      continue;
    }
    dueMs[index] = due;
    sentMs[index] = nowMs;
    sends.push(adapter.enqueue(payloadOf(index)));
    index += 1;
  }
  await Promise.all(sends);
  await progress(() => seen, warmUp + tasks);
  const elapsedMs = performance.now() - beginMs;
  await timed.end();
  const since = (from: readonly number[]): number[] =>
    startedMs
      .map((at, index) => at - (from[index] ?? at))
      .slice(warmUp)
      .sort((a, b) => a - b);
  const latencies = since(sentMs);
  return {
    ...finding(adapter, warmUp + tasks, elapsedMs, commits),
    pickupMsP50: quantile(latencies, 0.5),
    pickupMsP99: quantile(latencies, 0.99),
    pickupFromScheduleMsP99: quantile(since(dueMs), 0.99),
  };
}

function finding(adapter: Adapter, tasks: number, elapsedMs: number, commitsBefore: number | null): Finding {
  const commits = adapter.commits();
  return {
    tasks,
    elapsedMs,
    perSecond: (tasks / elapsedMs) * 1000,
    commitsPerTask: commits === null || commitsBefore === null ? null : (commits - commitsBefore) / tasks,
  };
}

/** @param sorted ascending */
export function quantile(sorted: readonly number[], at: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN;
}
