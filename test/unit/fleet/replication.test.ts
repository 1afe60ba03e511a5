import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createIdFactory, type NodeId, SimulatedClock, seededRandom } from "#base";
import { LIVE_MS, liveReplicas, type ReplicaReport, replicatedSeq } from "../../../src/fleet/replication.ts";

const ids = createIdFactory(new SimulatedClock(), seededRandom(5));
const NODES = Array.from({ length: 6 }, () => ids.node());
const EPOCH = 3;

/** Of up to six nodes, each with a copy of this epoch or another, or none yet. */
const reports = fc
  .dictionary(
    fc.constantFrom(...NODES),
    fc.record({
      position: fc.option(fc.record({ epoch: fc.integer({ min: EPOCH - 1, max: EPOCH + 1 }), seq: fc.nat(9) }), {
        nil: undefined,
      }),
      heardAtMs: fc.nat(2 * LIVE_MS),
    }),
  )
  // `as`: the keys are ids of nodes.
  .map((said) => new Map(Object.entries(said) as [NodeId, ReplicaReport][]));
const replicas = fc.integer({ min: 1, max: 7 });

function having(said: ReadonlyMap<NodeId, ReplicaReport>, seq: number): number {
  return [...said.values()].filter(({ position }) => position?.epoch === EPOCH && position.seq >= seq).length;
}

describe("the commits that replicas have", () => {
  it("D1, D3: are those that so many nodes said to have of this epoch, and not one more", () => {
    fc.assert(
      fc.property(reports, replicas, (said, count) => {
        const seq = replicatedSeq(said, count, EPOCH);

        expect(seq === 0 || having(said, seq) >= count).toBe(true);
        expect(having(said, seq + 1)).toBeLessThan(count);
      }),
    );
  });

  it("are no more when more nodes must have them", () => {
    fc.assert(
      fc.property(reports, replicas, (said, count) => {
        expect(replicatedSeq(said, count + 1, EPOCH)).toBeLessThanOrEqual(replicatedSeq(said, count, EPOCH));
      }),
    );
  });

  it("D2: become fewer when a node that had them lost its copy, and never by one that comes to have more", () => {
    fc.assert(
      fc.property(reports, replicas, fc.constantFrom(...NODES), fc.nat(9), (said, count, node, seq) => {
        const before = said.get(node)?.position;
        const after = new Map(said).set(node, { position: { epoch: EPOCH, seq }, heardAtMs: 0 });
        const had = before?.epoch === EPOCH ? before.seq : 0;

        const change = replicatedSeq(after, count, EPOCH) - replicatedSeq(said, count, EPOCH);

        expect(seq >= had ? change >= 0 : change <= 0).toBe(true);
      }),
    );
  });
});

it("a replica is expected to follow while its node was heard of and has a copy", () => {
  const position = { epoch: EPOCH, seq: 1 };
  const [a, b, c] = NODES as [NodeId, NodeId, NodeId];
  const said = new Map<NodeId, ReplicaReport>([
    [a, { position, heardAtMs: 0 }],
    [b, { position, heardAtMs: 1 }],
    [c, { position: undefined, heardAtMs: LIVE_MS }],
  ]);

  expect(liveReplicas(said, LIVE_MS)).toBe(1);
});
