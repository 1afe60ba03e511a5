import { memoryHarness } from "../../support/queue-world.ts";
import { checkHistories } from "./properties.ts";
import { checkSharing } from "./sharing.ts";
import { Tally } from "./tally.ts";

/**
 * The properties in a process of their own, for mutants and for long runs: `bun main.ts SEED RUNS`. Exits with 0 when
 * all hold, with BROKEN when one does not, and otherwise when the program itself does not run.
 */
const BROKEN = 3;

const [seed = "1", runs = "1000"] = process.argv.slice(2);
const tally = new Tally();
try {
  const common = { maxSteps: 60, makeHarness: memoryHarness, tally, endOnFailure: true };
  // A few histories find most defects at once, the rest is for the rare ones.
  const few = Math.min(40, Number(runs));
  await checkHistories({ ...common, seed: Number(seed), runs: few });
  await checkSharing({ seed: Number(seed), runs: Math.ceil(Number(runs) / 10) });
  if (Number(runs) > few) await checkHistories({ ...common, seed: Number(seed) + 1, runs: Number(runs) - few });
  console.log(tally.toString());
} catch (cause) {
  // fast-check wraps what a property threw.
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const isRule = inner instanceof Error && (inner.name === "Violation" || inner.name === "InvariantBroken");
  console.log(inner instanceof Error ? inner.stack : String(inner));
  process.exit(isRule ? BROKEN : 1);
}
