import { describe, expect, it } from "vitest";
import { checkHistories } from "../../simulation/queue/properties.ts";
import { Tally } from "../../simulation/queue/tally.ts";
import { serverHarness } from "../../support/queue-server-harness.ts";
import { hasSqld } from "../../support/sqld.ts";

/** As for the plain file: another seed by DROVER_TEST_SEED. */
const SEED = Number(process.env["DROVER_TEST_SEED"] ?? 20_261_127);
/**
 * Each commit asks a server, so there are few here. More of them, and longer ones:
 * DROVER_TEST_SERVER_RUNS=300 bun --bun vitest run --project sources test/conformance/store-histories/server.test.ts
 */
const RUNS = Number(process.env["DROVER_TEST_SERVER_RUNS"] ?? 4);
const MAX_STEPS = RUNS > 10 ? 60 : 25;
const LIMIT_MS = 60_000 + RUNS * 10_000;

describe.skipIf(!hasSqld)("the queue of a hub over random histories of work, faults and time", () => {
  const makeHarness = serverHarness(true);

  it(
    "keeps Q1 to Q14 after every step, comes to rest, and its server holds the same",
    async () => {
      const tally = new Tally();

      await checkHistories({ seed: SEED, runs: RUNS, maxSteps: MAX_STEPS, makeHarness, tally });

      expect(tally.missing({ claims: RUNS, "task.done": RUNS })).toEqual([]);
    },
    LIMIT_MS,
  );
});
