import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createIdFactory, type NodeId, SimulatedClock, seededRandom } from "#base";
import { canElect, majority, type Voters } from "#fleet";
import { bindsHub, nextVoters, type VotersFacts } from "../../../src/fleet/voters.ts";

const ids = createIdFactory(new SimulatedClock(), seededRandom(1));
const all: readonly NodeId[] = Array.from({ length: 6 }, () => ids.node());
const [hub = ids.node()] = all;
const automatic = { mode: "automatic", leaseMs: 1_000 } as const;

function facts(more: Partial<VotersFacts> = {}): VotersFacts {
  return { hub, epoch: 1, wish: automatic, eligible: all, hasPresent: () => true, hasDatabase: () => true, ...more };
}

function grown(more: Partial<VotersFacts> = {}): Voters {
  let present: Voters | undefined;
  for (let next = nextVoters(present, facts(more)); next !== undefined; next = nextVoters(present, facts(more))) {
    present = next;
  }
  if (present === undefined) throw new Error("there are no voters");
  return present;
}

/** What M1 and M4 say of a set and the one after it, where the first can elect. */
function faultsBetween(present: Voters, next: Voters): readonly string[] {
  const union = new Set([...next.nodes, ...present.nodes]).size;
  const shared = next.nodes.filter((node) => present.nodes.includes(node)).length;
  return [
    ...(canElect(next) && union - shared > 1 ? ["they differ by more than one"] : []),
    ...(canElect(next) && majority(next) + majority(present) <= union ? ["two majorities have nobody in common"] : []),
    ...(next.isHandover === canElect(next) ? ["the hub is bound twice or not at all"] : []),
  ];
}

describe("the voters of a fleet", () => {
  it("are the hub alone at first, and nobody while a person replaces it", () => {
    expect(nextVoters(undefined, facts())).toMatchObject({ nodes: [hub], version: 1 });
    expect(nextVoters(undefined, facts({ wish: { ...automatic, mode: "manual" } }))).toBeUndefined();
  });

  it("M3: become more by those that have shown the database", () => {
    expect(grown({ hasDatabase: (node) => all.indexOf(node) < 3 }).nodes).toEqual(all.slice(0, 3));
    expect(grown().nodes).toEqual(all);
  });

  it("M2: stay as they are while a majority has not shown that it has them", () => {
    const hasPresent = (node: NodeId): boolean => all.indexOf(node) < 3;
    const gone = { eligible: all.slice(0, 5), hasPresent };

    expect(nextVoters(grown(), facts(gone))).toBeUndefined();
    expect(nextVoters(grown(), facts({ eligible: all.slice(0, 5) }))?.nodes).toEqual(all.slice(0, 5));
  });

  it("M4: that cannot elect any more bind the hub until a majority of them knows", () => {
    const three = grown({ eligible: all.slice(0, 3) });
    const two = nextVoters(three, facts({ eligible: all.slice(0, 2) }));

    expect(two).toMatchObject({ nodes: all.slice(0, 2), isHandover: true });
    expect(bindsHub(two)).toBe(true);
    expect(nextVoters(two, facts({ eligible: all.slice(0, 2), hasPresent: (node) => node === hub }))).toBeUndefined();
    expect(nextVoters(two, facts({ eligible: all.slice(0, 2) }))).toMatchObject({ isHandover: false });
  });

  it("M1: of any two sets that follow each other and could elect, any two majorities have a node in common", () => {
    const choice = fc.subarray([...all], { minLength: 1 });
    fc.assert(
      fc.property(fc.array(fc.tuple(choice, fc.boolean()), { maxLength: 30 }), (wishes) => {
        let present: Voters | undefined;
        const faults: string[] = [];
        for (const [eligible, isAutomatic] of wishes) {
          const wish = { ...automatic, mode: isAutomatic ? ("automatic" as const) : ("manual" as const) };
          const next = nextVoters(present, facts({ eligible: [...new Set([hub, ...eligible])], wish }));
          if (next !== undefined && canElect(present)) faults.push(...faultsBetween(present, next));
          present = next ?? present;
        }
        expect(faults).toEqual([]);
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});
