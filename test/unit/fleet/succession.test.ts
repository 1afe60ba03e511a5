import { describe, expect, it } from "vitest";
import type { NodeId } from "../../../src/base/index.ts";
import { type FleetNode, hubToFollow, obstacleToPromotion, type PromotionFacts } from "../../../src/fleet/index.ts";

const MAY: PromotionFacts = {
  role: "member",
  url: "http://a:1",
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
    ["one by force alone", { isHubOff: false, isForced: true }, /two hubs/],
  ])("%s", (_name, facts, why) => {
    expect(obstacleToPromotion({ ...MAY, ...facts })?.message ?? "none").toMatch(why ?? /^none$/);
  });
});

const [A, B, C, D] = ["n_a", "n_b", "n_c", "n_d"] as readonly string[] as readonly [NodeId, NodeId, NodeId, NodeId];

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

const NODES = [node(A), node(B, { state: "removed" }), node(C, { url: null }), node(D, { role: "reader" })];

describe("which hub is followed", () => {
  it.each<[string, number, readonly (readonly [number, NodeId])[], NodeId | undefined]>([
    ["one of a higher epoch", 1, [[2, A]], A],
    ["none of the same epoch", 2, [[2, A]], undefined],
    ["none of a lower epoch", 3, [[2, A]], undefined],
    ["none that was removed", 1, [[2, B]], undefined],
    ["none that cannot be reached", 1, [[2, C]], undefined],
    ["none that only reads", 1, [[2, D]], undefined],
    ["none that the fleet does not know", 1, [[2, "n_x" as NodeId]], undefined],
    [
      "the highest that can be followed",
      1,
      [
        [2, A],
        [9, B],
      ],
      A,
    ],
  ])("%s", (_name, known, words, expected) => {
    const found = hubToFollow(
      known,
      words.map(([epoch, hub]) => ({ epoch, hub })),
      NODES,
    );
    expect(found?.hub.id).toBe(expected);
  });
});
