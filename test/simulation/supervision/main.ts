/** `bun test/simulation/supervision/main.ts SEED RUNS`: 0 when W1…W9 hold in every history, 3 when one is broken. */
import fc from "fast-check";
import { histories } from "./histories.ts";
import { play } from "./player.ts";

const [seed, runs] = process.argv.slice(2).map(Number);
const details = fc.check(fc.property(histories, play), { seed: seed ?? 1, numRuns: runs ?? 1_000, endOnFailure: true });
if (details.failed) {
  console.log(String(details.errorInstance), JSON.stringify(details.counterexample));
  process.exitCode = 3;
}
