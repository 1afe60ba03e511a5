import { describe, expect, it } from "vitest";
import { checkHistories } from "../../simulation/queue/properties.ts";
import { Tally } from "../../simulation/queue/tally.ts";
import { libsqlHarness } from "../../support/queue-libsql-harness.ts";

/** Fixed in the suite, so that a change is judged by what it changes; give another by DROVER_TEST_SEED. */
const SEED = Number(process.env["DROVER_TEST_SEED"] ?? 20_261_121);
/** Each history opens and drops a real database, so there are fewer than on the memory store. */
const RUNS = Number(process.env["DROVER_TEST_STORE_RUNS"] ?? 25);

describe("the queue on libSQL over random histories of work, faults and time", () => {
  it("keeps Q1 to Q14 after every step and comes to rest when faults stop", async () => {
    const tally = new Tally();

    await checkHistories({ seed: SEED, runs: RUNS, maxSteps: 60, makeHarness: libsqlHarness, tally });

    expect(tally.missing({ claims: RUNS, restarts: 1, "task.done": RUNS })).toEqual([]);
  }, 120_000);
});
