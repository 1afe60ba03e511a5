import { describe, expect, it } from "vitest";
import { memoryHarness } from "../../support/queue-world.ts";
import { checkHistories } from "./properties.ts";
import { Tally } from "./tally.ts";

/** Fixed in the suite, so that a change is judged by what it changes; give another by DROVER_TEST_SEED. */
const SEED = Number(process.env["DROVER_TEST_SEED"] ?? 20_261_121);
const RUNS = Number(process.env["DROVER_TEST_RUNS"] ?? 1_000);

describe("the queue over random histories of work, faults and time", () => {
  it("keeps Q1 to Q14 after every step and comes to rest when faults stop", async () => {
    const tally = new Tally();

    await checkHistories({ seed: SEED, runs: RUNS, maxSteps: 60, makeHarness: memoryHarness, tally });

    const perRun = {
      claims: 8,
      expiries: 0.2,
      duplicate: 0.5,
      stale: 0.2,
      "attempt.orphaned": 0.15,
      restarts: 0.5,
      jumps: 0.2,
      releases: 0.1,
      redrives: 0.3,
      repeatedSubmits: 0.3,
      refusedSubmits: 0.5,
      cascades: 0.05,
      revivals: 0.01,
      pruned: 0.1,
      "schedule.fired": 0.3,
      "schedule.skipped": 0.05,
      "task.cancelled": 0.5,
      "task.retry": 1,
      "task.dead": 0.5,
      "task.done": 5,
    };
    const minimum = Object.fromEntries(Object.entries(perRun).map(([name, count]) => [name, count * RUNS]));
    expect(tally.missing(minimum)).toEqual([]);
  }, 180_000);
});
