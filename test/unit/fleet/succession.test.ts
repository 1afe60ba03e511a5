import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createIdFactory, type NodeId, SimulatedClock, seededRandom } from "../../../src/base/index.ts";
import {
  type FleetNode,
  type HubIdentity,
  type HubWord,
  hubToFollow,
  type KnownHub,
  markOf,
  nextEpoch,
  obstacleToPromotion,
  type PromotionFacts,
} from "../../../src/fleet/index.ts";

const MAY: PromotionFacts = {
  role: "member",
  url: "http://a:1",
  levels: { oldest: 1, newest: 2 },
  fleetLevel: 2,
  isHubOff: true,
  isForced: false,
  doesHubAnswer: false,
};

describe("who may take the hub's place", () => {
  it.each<[string, Partial<PromotionFacts>, RegExp | undefined]>([
    ["a member", {}, undefined],
    ["an operator", { role: "operator" }, undefined],
    ["a node without a hub", { role: undefined }, /follows no hub/],
    ["a reader", { role: "reader" }, /joined as reader/],
    ["a node that nobody reaches", { url: null }, /cannot reach/],
    ["one of which nobody says that the hub is off", { isHubOff: false }, /two hubs/],
    ["one whose hub answers", { doesHubAnswer: true }, /still answers/],
    ["one whose hub answers, by force", { doesHubAnswer: true, isForced: true }, undefined],
    [
      "one that is older than the fleet, by force too",
      { fleetLevel: 3, isForced: true },
      /speaks feature level 2, and/,
    ],
    ["one that the others could not follow", { levels: { oldest: 3, newest: 4 } }, /below feature level 3/],
    ["one of the release before", { fleetLevel: 1 }, undefined],
    ["one by force alone", { isHubOff: false, isForced: true }, /two hubs/],
  ])("%s", (_name, facts, why) => {
    expect(obstacleToPromotion({ ...MAY, ...facts })?.message ?? "none").toMatch(why ?? /^none$/);
  });
});

// `as`: ids need no more here than to differ.
const [A, B, C, D, E] = ["n_a", "n_b", "n_c", "n_d", "n_e"] as unknown as readonly NodeId[] as readonly [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
];

function node(id: NodeId, more: Partial<FleetNode> = {}): FleetNode {
  return {
    id,
    name: id,
    role: "member",
    publicKey: `key of ${id}`,
    url: `http://${id}:1`,
    version: "1",
    featureLevel: 1,
    state: "active",
    leaseClass: "strict",
    joinedAtMs: 0,
    seenAtMs: 0,
    announced: {},
    ...more,
  };
}

const NODES = [node(A), node(B, { state: "removed" }), node(C, { url: null }), node(D, { role: "reader" }), node(E)];
const X = "n_x" as NodeId;
const STRANGER: HubIdentity = { id: X, name: "x", url: "http://x:1", publicKey: "key of x" };

/** What a node says of itself, or of another one. */
function word(epoch: number, hub: NodeId, more: Partial<HubWord> = {}): HubWord {
  return { epoch, hub, by: hub, ...more };
}

describe("which hub is followed", () => {
  it.each<[string, KnownHub, readonly HubWord[], NodeId | undefined]>([
    ["one of a higher epoch", { epoch: 1, hub: undefined }, [word(2, A)], A],
    ["S2: the one that is known of the same epoch", { epoch: 2, hub: A }, [word(2, A)], undefined],
    ["S2: of two under one epoch the one with the greater id", { epoch: 2, hub: A }, [word(2, E)], E],
    ["S2: and nobody changes back", { epoch: 2, hub: E }, [word(2, A)], undefined],
    ["S2: none of a lower epoch", { epoch: 3, hub: A }, [word(2, E)], undefined],
    ["S3: none that was removed", { epoch: 1, hub: A }, [word(2, B)], undefined],
    ["none that cannot be reached", { epoch: 1, hub: A }, [word(2, C)], undefined],
    ["S3: none that only reads", { epoch: 1, hub: A }, [word(2, D)], undefined],
    ["S3: none that the fleet does not know, on its own word", { epoch: 1, hub: A }, [word(2, X)], undefined],
    [
      "S3: one that came later, on the word of a node that could lead itself",
      { epoch: 1, hub: A },
      [word(2, X, { by: E, identity: STRANGER })],
      X,
    ],
    [
      "S3: none that came later on the word of a reader",
      { epoch: 1, hub: A },
      [word(2, X, { by: D, identity: STRANGER })],
      undefined,
    ],
    [
      "S3: none that came later on the word of a node that was removed",
      { epoch: 1, hub: A },
      [word(2, X, { by: B, identity: STRANGER })],
      undefined,
    ],
    [
      "S3: none that came later on the word of another one that did",
      { epoch: 1, hub: A },
      [word(2, X, { identity: STRANGER })],
      undefined,
    ],
    ["the highest that can be followed", { epoch: 1, hub: undefined }, [word(2, A), word(9, B)], A],
  ])("%s", (_name, known, words, expected) => {
    expect(hubToFollow(known, words, NODES)?.hub.id).toBe(expected);
  });

  it("S3: a known hub is followed under the key of the table, whatever key somebody says that it has", () => {
    const claimed = { ...STRANGER, id: A, publicKey: "another key" };

    const found = hubToFollow({ epoch: 1, hub: E }, [word(2, A, { by: E, identity: claimed })], NODES);

    expect(found?.hub).toEqual({ id: A, name: A, url: `http://${A}:1`, publicKey: `key of ${A}` });
  });

  it("S2: everybody ends with the same hub, whomever they knew and in whatever order they hear", () => {
    const hubs = [A, E];
    const claim = fc.record({ epoch: fc.integer({ min: 1, max: 3 }), hub: fc.constantFrom(...hubs) });
    const heard = fc
      .uniqueArray(claim, { minLength: 1, maxLength: 6 })
      .map((claims) => claims.map(({ epoch, hub }) => word(epoch, hub)))
      .chain((words) => {
        const length = { minLength: words.length, maxLength: words.length };
        return fc.tuple(fc.constant(words), fc.array(fc.shuffledSubarray(words, length), length));
      });
    const follow = (known: KnownHub, said: HubWord): KnownHub => {
      const found = hubToFollow(known, [said], NODES);
      return found === undefined ? known : { epoch: found.epoch, hub: found.hub.id };
    };
    fc.assert(
      fc.property(heard, ([words, orders]) => {
        const ends = words.map(({ epoch, hub }, index) =>
          (orders[index] ?? []).reduce<KnownHub>(follow, { epoch, hub }),
        );
        expect(new Set(ends.map((end) => JSON.stringify(end))).size).toBe(1);
      }),
    );
  });
});

describe("the epoch of a promotion", () => {
  const ids = createIdFactory(new SimulatedClock(), seededRandom(5));

  it("S1: is higher than what was known, and of no other node", () => {
    const marks = fc.integer({ min: 1, max: 2 ** 50 });
    fc.assert(
      fc.property(marks, marks, (known, alsoKnown) => {
        const [one, other] = [ids.node(), ids.node()];
        fc.pre(markOf(one) !== markOf(other));

        const epoch = nextEpoch(known, one);

        expect(epoch).toBeGreaterThan(known);
        expect(epoch).not.toBe(nextEpoch(alsoKnown, other));
        expect(Number.isSafeInteger(epoch)).toBe(true);
      }),
    );
  });

  it("S1: stays a number that is exact through eight million promotions", () => {
    const last = "n_zzzzzzzzzzzzzzzzzzzzzzzzzz" as NodeId;

    expect(Number.isSafeInteger(nextEpoch((8_000_000 - 1) * 2 ** 30, last))).toBe(true);
  });
});
