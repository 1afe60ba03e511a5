/** The short form of `bun run crash:fleet`: one seed, eight faults. */
import { describe, expect, it } from "vitest";
import type { FaultKind } from "./faults.ts";
import { MUTATIONS } from "./mutations.ts";
import { fleetRun } from "./run.ts";
import { MOVABLE_CLOCK, misplaced } from "./variants.ts";

const LIMIT_MS = 240_000;
const SEED = 7;
const KINDS: readonly FaultKind[] = [
  "duplicated",
  "hub_node_killed",
  "answers_lost",
  "server_killed",
  "replica_truncated",
  "member_node_killed",
];

describe("a fleet of real processes", () => {
  it(
    "keeps what it accepted, applies each result once, and heals to equal copies after faults",
    async () => {
      const report = await fleetRun({ seed: SEED, members: 2, faults: KINDS, isLong: false });

      expect(report.violations).toEqual([]);
      expect(report.ledger.accepted.length).toBeGreaterThan(KINDS.length);
      // Copies of a request arrived, and none of them was taken.
      expect([...report.repeatedStatus.keys()]).toEqual([401]);
    },
    LIMIT_MS,
  );

  it("has every place in the source that executables for its long form replace", () => {
    expect(misplaced([...MOVABLE_CLOCK, ...MUTATIONS.flatMap(({ edits }) => edits)])).toEqual([]);
  });
});
