/** The short form of all proofs together, for mutants: throws when a law is broken. */
import fc from "fast-check";
import { live } from "./flapping.ts";
import { histories, playHistory } from "./histories.ts";
import { alphabetOf, search } from "./search.ts";
import { smallRules } from "./small-rules.ts";

export function checkAll(seed: number, runs: number, hours: number): void {
  checkHistories(seed, runs);
  live(hours, seed);
  search(smallRules("tiny"), alphabetOf("tiny"));
}

/** @returns how often what happened in all of them. */
export function checkHistories(seed: number, runs: number): ReadonlyMap<string, number> {
  const tally = new Map<string, number>();
  let played = 0;
  fc.assert(
    fc.property(histories, (history) => {
      played += 1;
      for (const [name, count] of playHistory(history, played % 10 === 0))
        tally.set(name, (tally.get(name) ?? 0) + count);
    }),
    { seed, numRuns: runs, endOnFailure: false },
  );
  return tally;
}
