import fc from "fast-check";
import type { StoreHarness } from "../../support/queue-world.ts";
import { History } from "./history.ts";
import { check } from "./oracle.ts";
import { take } from "./player.ts";
import { SCRIPTS } from "./scripts.ts";
import { histories, type Step } from "./steps.ts";
import type { Tally } from "./tally.ts";

/** Rounds of a quarter second in which every queue of a history must come to rest once faults have stopped. */
const MAX_DRAIN_ROUNDS = 800;

export type RunOptions = {
  readonly seed: number;
  /** Histories by chance; those written by hand come before them. */
  readonly runs: number;
  readonly maxSteps: number;
  readonly makeHarness: () => Promise<StoreHarness>;
  readonly tally: Tally;
  /** Stop at the first failure instead of looking for a shorter one. */
  readonly endOnFailure?: boolean;
};

/** Throws with the seed and the shortest failing history when an invariant breaks. */
export async function checkHistories(options: RunOptions): Promise<void> {
  const { seed, runs, endOnFailure = false } = options;
  const property = fc.asyncProperty(histories(options.maxSteps), (steps) => liveThrough(steps, options));
  const examples = SCRIPTS.map((script): [Step[]] => [[...script]]);
  // The examples are among the runs.
  await fc.assert(property, { seed, numRuns: runs + examples.length, endOnFailure, examples });
}

export async function liveThrough(
  steps: readonly Step[],
  { makeHarness, tally }: Pick<RunOptions, "makeHarness" | "tally">,
): Promise<void> {
  const history = new History(await makeHarness(), tally);
  try {
    await history.start();
    for (const step of steps) await take(history, step);
    await history.checkRest();
    await drain(history);
  } finally {
    await history.world.close();
  }
}

/** Faults have stopped: everything that can end does, within a bounded time (no starvation). */
async function drain(history: History): Promise<void> {
  await history.calm();
  for (const held of history.running()) if (held.isAlive) await history.finish(held, "passed", false);
  for (let round = 0; ; round += 1) {
    await history.world.settle();
    await history.look(false);
    for (const held of await history.claim(8, 0, false)) await history.finish(held, "passed", false);
    await history.world.settle();
    await history.look(false);
    const open = [...history.snapshot.tasks.values()]
      .map(({ row }) => row)
      .filter(({ endedAtMs }) => endedAtMs === null);
    const busy = open.filter((row) => row.state !== "waiting" || row.wakeReason === "retry");
    const scheduled = open.filter((row) => row.wakeReason === "schedule" && row.blockedBy === 0);
    if (busy.length === 0 && scheduled.length === 0) break;
    check(
      round < MAX_DRAIN_ROUNDS,
      `no starvation: still open are ${busy.map((row) => `${row.id} (${row.state}, key "${row.key}")`).join(", ")}`,
    );
    // A task for a certain time waits for that time, however the wall clock was set in between.
    const nextMs = Math.max(...scheduled.map((row) => row.wakeAtMs ?? 0));
    if (busy.length === 0) history.world.clock.jumpWall(Math.max(0, nextMs - history.world.clock.nowMs()));
    await history.pass(250);
  }
  for (const { row, dependsOn } of history.snapshot.tasks.values()) {
    if (row.endedAtMs !== null) continue;
    const states = dependsOn.map((id) => history.snapshot.tasks.get(id)?.row.state);
    const reason = states.some((state) => state === "dead" || state === "cancelled" || state === "waiting");
    check(row.blockedBy > 0 && reason, `${row.id} is ${row.state} in the end, and nothing holds it`);
  }
}
