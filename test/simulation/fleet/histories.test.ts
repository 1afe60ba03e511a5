import { describe, expect, it } from "vitest";
import { playElection } from "./election/play.ts";
import { play } from "./play.ts";

/** Fixed in the suite, so that a change is judged by what it changes; give another by DROVER_TEST_SEED. */
const SEED = Number(process.env["DROVER_TEST_SEED"] ?? 1);
const RUNS = Number(process.env["DROVER_TEST_RUNS"] ?? 120);

/** How often what must happen in an ordinary history, for the whole to prove something. */
const PER_RUN: Readonly<Record<string, number>> = {
  accepted: 8,
  promotions: 0.4,
  effects: 100,
  "task.done": 8,
  "task.retry": 3,
  "task.released": 0.5,
  "sent again after a promotion": 2,
  "tasks held under two hubs at once": 0.5,
  "accepted by a hub alone that was superseded, and lost": 0.1,
  "report stale": 0.2,
  "report journaled": 0.5,
};

/** Each takes a tenth of a second: the long run is `bun run sim:fleet --of election`. */
const ELECTION_RUNS = Number(process.env["DROVER_TEST_RUNS"] ?? 8);
const PER_ELECTION_RUN: Readonly<Record<string, number>> = {
  acknowledged: 100,
  votes: 2,
  "elections won": 0.7,
  "hubs that stepped down": 0.7,
  "voters published": 4,
};

describe("a fleet that elects its hub, over random histories of faults, drifting clocks and changing voters", () => {
  it("has one hub that acknowledges at any instant, and one again when a majority is in touch", async () => {
    const totals = new Map<string, number>();
    const broken: string[] = [];
    for (let seed = SEED; seed < SEED + ELECTION_RUNS; seed += 1) {
      const { breach, counts } = await playElection(seed);
      for (const [name, count] of counts) totals.set(name, (totals.get(name) ?? 0) + count);
      if (breach !== undefined) {
        broken.push(`"${breach.rule}": ${breach.text}; again: bun run sim:fleet --of election --seed ${seed}`);
      }
    }

    const rare = Object.entries(PER_ELECTION_RUN).filter(([name, least]) => {
      return (totals.get(name) ?? 0) < least * ELECTION_RUNS;
    });
    expect(broken).toEqual([]);
    expect(rare).toEqual([]);
  }, 60_000);
});

describe("a fleet over random histories of work, faults, promotions and time", () => {
  it("keeps its rules at every moment and comes to rest when faults stop", async () => {
    const totals = new Map<string, number>();
    const broken: string[] = [];
    for (let seed = SEED; seed < SEED + RUNS; seed += 1) {
      const { breach, counts } = await play(seed);
      for (const [name, count] of counts) totals.set(name, (totals.get(name) ?? 0) + count);
      if (breach !== undefined) {
        broken.push(`"${breach.rule}": ${breach.text}; again: bun run sim:fleet --seed ${seed}`);
      }
    }

    const rare = Object.entries(PER_RUN).filter(([name, count]) => (totals.get(name) ?? 0) < count * RUNS);
    expect(broken).toEqual([]);
    expect(rare).toEqual([]);
  }, 120_000);
});
