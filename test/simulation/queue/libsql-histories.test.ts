import { describe, expect, it } from "vitest";
import { libsqlHarness } from "../../support/queue-libsql-harness.ts";
import { checkHistories } from "./properties.ts";
import { Tally } from "./tally.ts";

const SEED = Number(process.env["DROVER_TEST_SEED"] ?? 20_261_121);
/** A history on a disk takes fifty times as long as one in memory; a long run asks for more. */
const RUNS = Number(process.env["DROVER_TEST_LIBSQL_RUNS"] ?? 8);

describe("the queue on libSQL over random histories", () => {
  it("keeps Q1 to Q14 after every step and comes to rest when faults stop", async () => {
    const tally = new Tally();

    await checkHistories({ seed: SEED, runs: RUNS, maxSteps: 60, makeHarness: libsqlHarness, tally });

    expect(tally.missing({ claims: 5 * RUNS, restarts: 1, expiries: 1, stale: 1, duplicate: 1 })).toEqual([]);
  }, 120_000);
});
