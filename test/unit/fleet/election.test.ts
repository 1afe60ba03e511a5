import { describe, expect, it } from "vitest";
import { createIdFactory, type NodeId, SimulatedClock, seededRandom } from "#base";
import { nextEpoch, type Voters } from "#fleet";
import {
  beginElection,
  type ElectionFacts,
  type ElectionNote,
  type ElectionState,
  EMPTY_NOTE,
  holdsLease,
  SAFE_SHARE,
  step,
} from "../../../src/fleet/election.ts";
import type { ElectionAnswer, ElectionRequest } from "../../../src/fleet/election-words.ts";

const ids = createIdFactory(new SimulatedClock(), seededRandom(1));
const [hub, a, b] = [ids.node(), ids.node(), ids.node()];
const LEASE_MS = 1_000;
const voters: Voters = {
  epoch: 1,
  version: 3,
  mode: "automatic",
  leaseMs: LEASE_MS,
  nodes: [hub, a, b],
  isHandover: false,
};
const EPOCH = nextEpoch(1, a);

function facts(self: NodeId, nowMs: number, more: Partial<ElectionFacts> = {}): ElectionFacts {
  return {
    nowMs,
    wallMs: nowMs,
    self,
    isHub: self === hub,
    epoch: 1,
    hub,
    position: { epoch: 1, seq: 10 },
    voters,
    asked: self === hub ? [a, b] : [],
    url: "http://node",
    chance: 0,
    ...more,
  };
}

function begun(self: NodeId, note: Partial<ElectionNote> = {}): ElectionState {
  return beginElection({ ...EMPTY_NOTE, ...note }, { nowMs: 0, self, chance: 0 });
}

function asked(state: ElectionState, from: NodeId, request: ElectionRequest, at: ElectionFacts) {
  const done = step(state, { kind: "asked", from, request }, at);
  const effect = done.effects.find(({ kind }) => kind === "answer");
  return { state: done.state, answer: effect?.kind === "answer" ? effect.answer : undefined };
}

function voteOf(from: NodeId, more: Partial<Extract<ElectionRequest, { kind: "vote" | "pre_vote" }>> = {}) {
  const epoch = nextEpoch(1, from);
  return { kind: "vote", epoch, position: { epoch: 1, seq: 10 }, voters: { epoch: 1, version: 3 }, ...more } as const;
}

const lease: ElectionRequest = { kind: "lease", epoch: 1, url: "http://hub" };

describe("a voter", () => {
  it("E1: gives one vote in a round, and the same one again to whom it has it", () => {
    const first = asked(begun(b), a, voteOf(a), facts(b, 5_000));
    const other = asked(first.state, hub, voteOf(hub), facts(b, 90_000));
    const again = asked(first.state, a, voteOf(a), facts(b, 5_001));

    expect(first.answer?.granted).toBe(true);
    expect(first.state.note.voted).toEqual({ epoch: EPOCH, node: a });
    expect(other.answer).toMatchObject({ granted: false, why: "voted" });
    expect(again.answer?.granted).toBe(true);
  });

  it.each([
    ["behind", { position: { epoch: 1, seq: 9 } }],
    ["old_voters", { voters: { epoch: 1, version: 2 } }],
    ["old_epoch", { epoch: 1 }],
  ] as const)("E2, E7: refuses a candidate as %s", (why, more) => {
    expect(asked(begun(b), a, voteOf(a, more), facts(b, 5_000)).answer).toMatchObject({ granted: false, why });
  });

  it("E2: does not vote for a copy of an epoch before the one that it has shown, though its own copy is gone", () => {
    const state = begun(b, { shown: EPOCH });
    const gone = facts(b, 5_000, { position: { epoch: 0, seq: 0 } });

    expect(asked(state, a, voteOf(a, { epoch: nextEpoch(EPOCH, a) }), gone).answer?.why).toBe("behind");
  });

  it("E3: votes for nobody before the lease that it lent is over, by its own clock", () => {
    const { state, answer } = asked(begun(b), hub, lease, facts(b, 100));

    expect(answer).toMatchObject({ granted: true, leaseMs: LEASE_MS });
    expect(asked(state, a, voteOf(a), facts(b, 100 + LEASE_MS - 1)).answer?.why).toBe("hub_heard");
    expect(asked(state, a, voteOf(a), facts(b, 100 + LEASE_MS)).answer?.granted).toBe(true);
  });

  it("E3: that starts anew waits for the lease that it may have lent before", () => {
    const state = begun(b, { longestMs: LEASE_MS });

    expect(asked(state, a, voteOf(a), facts(b, LEASE_MS - 1)).answer?.why).toBe("hub_heard");
    expect(asked(state, a, voteOf(a), facts(b, LEASE_MS)).answer?.granted).toBe(true);
  });

  it("E4: lends a hub of another epoch nothing while the one before has its lease", () => {
    const lent = asked(begun(b), hub, lease, facts(b, 100));
    const request: ElectionRequest = { kind: "lease", epoch: EPOCH, url: "http://a" };
    const known = { epoch: EPOCH, hub: a };

    expect(asked(lent.state, a, request, facts(b, 500, known)).answer?.why).toBe("lent");
    expect(asked(lent.state, a, request, facts(b, 1_100, known)).answer?.granted).toBe(true);
  });

  it("E8: that voted for another node lends the old hub nothing until that one had time to come", () => {
    const voted = asked(begun(b), a, voteOf(a), facts(b, 5_000));

    expect(asked(voted.state, hub, lease, facts(b, 6_000)).answer?.why).toBe("voted");
    expect(asked(voted.state, hub, lease, facts(b, 60_000)).answer?.granted).toBe(true);
  });

  it("goes by the newer voters that somebody tells it of", () => {
    const newer = { ...voters, version: 4, nodes: [hub, a] };
    const answer: ElectionAnswer = {
      granted: false,
      why: "old_voters",
      epoch: 1,
      voted: 0,
      leaseMs: LEASE_MS,
      shown: 1,
      voters: newer,
    };
    const event = { kind: "answered", from: b, request: voteOf(a), sentAtMs: 0, sentWallMs: 0, answer } as const;

    expect(step(begun(a), event, facts(a, 5_000)).state.note.voters).toEqual(newer);
  });
});

describe("a candidate", () => {
  const yes: ElectionAnswer = {
    granted: true,
    why: null,
    epoch: 1,
    voted: 0,
    leaseMs: LEASE_MS,
    shown: 1,
    voters: null,
  };
  const answeredBy = (from: NodeId, request: ElectionRequest) =>
    ({ kind: "answered", from, request, sentAtMs: 5_000, sentWallMs: 5_000, answer: yes }) as const;

  it("E6: asks without consequence first, votes for itself when a majority would, and wins with a majority", () => {
    const stands = step(begun(a), { kind: "tick" }, facts(a, 5_000));
    const [preVote] = stands.effects;
    expect(preVote).toMatchObject({ kind: "ask", nodes: [hub, b], request: { kind: "pre_vote", epoch: EPOCH } });
    expect(stands.state.note.voted).toBeNull();
    if (preVote?.kind !== "ask") throw new Error("it asks nobody");

    const asks = step(stands.state, answeredBy(b, preVote.request), facts(a, 5_010));
    expect(asks.effects[0]).toMatchObject({ kind: "ask", request: { kind: "vote", epoch: EPOCH } });
    expect(asks.state.note.voted).toEqual({ epoch: EPOCH, node: a });

    const wins = step(
      asks.state,
      answeredBy(b, { ...preVote.request, kind: "vote" } as ElectionRequest),
      facts(a, 5_020),
    );
    expect(wins.effects).toEqual([{ kind: "promote", epoch: EPOCH, votes: 2 }]);
  });

  it("does not stand where the mode is manual, or there are two voters", () => {
    for (const other of [
      { ...voters, mode: "manual" as const },
      { ...voters, nodes: [hub, a] },
    ]) {
      expect(step(begun(a), { kind: "tick" }, facts(a, 5_000, { voters: other })).effects).toEqual([]);
    }
  });
});

describe("a hub", () => {
  const lentBy = (state: ElectionState, from: NodeId, sentAtMs: number, leaseMs = LEASE_MS): ElectionState => {
    const answer: ElectionAnswer = {
      granted: true,
      why: null,
      epoch: 1,
      voted: 0,
      leaseMs,
      shown: 1,
      voters,
    };
    const event = { kind: "answered", from, request: lease, sentAtMs, sentWallMs: sentAtMs, answer } as const;
    return step(state, event, facts(hub, sentAtMs + 300)).state;
  };
  const holds = (state: ElectionState, nowMs: number, wallMs = nowMs): boolean =>
    holdsLease(state, voters, { nowMs, wallMs, self: hub });

  it("E5: holds its lease with a majority, from when it asked, for its share", () => {
    const state = lentBy(begun(hub), a, 1_000);

    expect(holds(begun(hub), 1_000)).toBe(false);
    expect(holds(state, 1_000 + SAFE_SHARE * LEASE_MS - 1)).toBe(true);
    expect(holds(state, 1_000 + SAFE_SHARE * LEASE_MS)).toBe(false);
  });

  it("E5: counts what a voter promised, not what it would like", () => {
    expect(holds(lentBy(begun(hub), a, 1_000, 500), 1_400)).toBe(false);
  });

  it("E5: that slept has no lease, though its monotonic clock slept too", () => {
    expect(holds(lentBy(begun(hub), a, 1_000), 1_100, 3_600_000)).toBe(false);
  });

  it.each([0.9, 0.95, 1, 1.05, 1.1])(
    "E3, E5: has stopped before any voter may vote, at a rate of %d of its clock and any within a tenth of theirs",
    (rate) => {
      for (const theirs of [0.9, 1, 1.1]) {
        const hubStopsMs = (SAFE_SHARE * LEASE_MS) / rate;
        const voterVotesMs = LEASE_MS / theirs;
        expect(hubStopsMs).toBeLessThan(voterVotesMs);
      }
    },
  );
});
