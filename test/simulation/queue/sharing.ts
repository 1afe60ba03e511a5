import fc from "fast-check";
import { LANE_PATIENCE_MS, UNLIMITED } from "#queue";
import { acceptsAll, memoryHarness, QueueWorld } from "../../support/queue-world.ts";
import { check, takeSnapshot } from "./oracle.ts";

/** How the queue shares out turns: between lanes, between the keys of a lane, and over time within a key. */

type Options = { readonly seed: number; readonly runs: number };

export async function checkSharing({ seed, runs }: Options): Promise<void> {
  const parameters = { seed, numRuns: runs, endOnFailure: true };
  await fc.assert(fc.asyncProperty(backlogs, fc.nat({ max: 60 }), sharesByWeight), parameters);
  await fc.assert(fc.asyncProperty(laneList, visits, servesOverdue), parameters);
  await fc.assert(fc.asyncProperty(rates, visits, keepsRate), parameters);
}

const WEIGHTS = [0.5, 1, 2, 3];
const LATE_TASKS = 12;
const backlogs = fc.array(fc.nat({ max: 3 }), { minLength: 20, maxLength: 120 });
const laneList = fc.array(fc.nat({ max: 4 }), { minLength: 8, maxLength: 60 });
const visits = fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 10, maxLength: 60 });
const rates = fc.record({
  ratePerSecond: fc.constantFrom(0.5, 1, 4, 20),
  burst: fc.constantFrom(1, 2, 5),
  before: fc.nat({ max: 30 }),
  after: fc.nat({ max: 30 }),
});

async function inWorld(body: (world: QueueWorld) => Promise<void>): Promise<void> {
  const world = new QueueWorld(await memoryHarness());
  await world.start();
  try {
    await body(world);
  } finally {
    await world.close();
  }
}

async function take(
  world: QueueWorld,
  limit: number,
): Promise<readonly { readonly key: string; readonly lane: number }[]> {
  const claimed = await world.queue.claim({ holder: world.node, limit, accepts: acceptsAll });
  if (!claimed.ok) throw new Error(claimed.error.message);
  return claimed.value.tasks.map(({ row }) => row);
}

/** Q12: keys that wait from the start, and one that comes late, which neither waits for them nor goes before them. */
function sharesByWeight(arrivals: readonly number[], turns: number): Promise<void> {
  return inWorld(async (world) => {
    const backlog = WEIGHTS.map((_weight, key) => arrivals.filter((arrival) => arrival === key).length);
    for (const [key, weight] of WEIGHTS.entries()) await world.queue.setKeyPolicy(`k${key}`, { ...UNLIMITED, weight });
    await world.queue.submit(arrivals.map((key) => world.task({ key: `k${key}` })));
    const served = WEIGHTS.map(() => 0);
    for (let turn = 0; turn < Math.min(turns, arrivals.length); turn += 1) {
      await serve(world, served);
      for (const [one, weight] of WEIGHTS.entries()) {
        for (const [other, otherWeight] of WEIGHTS.entries()) {
          const [mine, theirs] = [served[one] ?? 0, served[other] ?? 0];
          const bothWait = mine < (backlog[one] ?? 0) && theirs < (backlog[other] ?? 0);
          if (bothWait) checkApart(mine, weight, theirs, otherWeight);
        }
      }
    }
    const soFar = [...served];
    const late = WEIGHTS.length;
    await world.queue.submit(Array.from({ length: LATE_TASKS }, () => world.task({ key: `k${late}` })));
    for (let turn = 0; turn < 3 * LATE_TASKS; turn += 1) {
      await serve(world, served);
      for (const [key, weight] of WEIGHTS.entries()) {
        const since = (served[key] ?? 0) - (soFar[key] ?? 0);
        const isWaiting = (served[key] ?? 0) < (backlog[key] ?? 0) && (served[late] ?? 0) < LATE_TASKS;
        if (isWaiting) checkApart(since, weight, served[late] ?? 0, 1);
      }
    }
  });
}

async function serve(world: QueueWorld, served: number[]): Promise<void> {
  for (const { key } of await take(world, 1)) {
    const index = Number(key.slice(1));
    served[index] = (served[index] ?? 0) + 1;
  }
}

function checkApart(one: number, weight: number, other: number, otherWeight: number): void {
  const apart = Math.abs(one / weight - other / otherWeight);
  check(apart <= 1 / weight + 1 / otherWeight + 1e-6, `Q12: two keys that wait are ${apart} turns apart`);
}

/** Q11, through the service: waits are real, and lanes run empty. */
function servesOverdue(lanes: readonly number[], pauses: readonly number[]): Promise<void> {
  return inWorld(async (world) => {
    await world.queue.submit(lanes.map((lane) => world.task({ lane })));
    let without = 0;
    for (const pauseMs of pauses) {
      world.clock.advance(pauseMs);
      await world.settle();
      const { tasks } = await takeSnapshot(world.store);
      const overdue = new Set<number>();
      for (const { row } of tasks.values()) {
        const patienceMs = LANE_PATIENCE_MS[row.lane] ?? 0;
        const isLate = patienceMs > 0 && world.clock.nowMs() - (row.readyAtMs ?? 0) > patienceMs;
        if (row.state === "ready" && isLate) overdue.add(row.lane);
      }
      const [task] = await take(world, 1);
      if (task === undefined) return;
      without = overdue.size === 0 || overdue.has(task.lane) ? 0 : without + 1;
      check(without < 4, "Q11: four successive claims passed an overdue lane by");
    }
  });
}

/** A key's rate holds for what came before it was set and after, and does not forbid more than it says. */
function keepsRate(
  { ratePerSecond, burst, before, after }: { ratePerSecond: number; burst: number; before: number; after: number },
  pauses: readonly number[],
): Promise<void> {
  return inWorld(async (world) => {
    const submit = (count: number) => world.queue.submit(Array.from({ length: count }, () => world.task({ key: "k" })));
    if (before > 0) await submit(before);
    await world.queue.setKeyPolicy("k", { ...UNLIMITED, ratePerSecond, burst });
    if (after > 0) await submit(after);
    let started = 0;
    let elapsedMs = 0;
    for (const pauseMs of pauses) {
      started += (await take(world, 10)).length;
      const allowed = burst + (elapsedMs / 1_000) * ratePerSecond;
      check(started <= allowed + 1e-6, `a key starts ${started} tasks in ${elapsedMs} ms, ${allowed} are allowed`);
      await world.pass(Math.min(pauseMs, 2_000));
      elapsedMs += Math.min(pauseMs, 2_000);
    }
    const { keys } = await takeSnapshot(world.store);
    const due = Math.min(before + after, Math.floor(((elapsedMs / 1_000) * ratePerSecond) / 4));
    check(keys.size > 0 || started >= Math.min(due, burst), "a rate does not stop a key for good");
  });
}
