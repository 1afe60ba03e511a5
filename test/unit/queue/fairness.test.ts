import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom } from "#base";
import {
  AGED_TURN_EVERY,
  emptyLane,
  type KeyPolicy,
  type KeyRow,
  LANE_PATIENCE_MS,
  type TaskRow,
  UNLIMITED,
} from "#queue";
import { admitOne, chooseLane, freshKey, hasRoom, nextTag } from "../../../src/queue/fairness.ts";
import { accepted, ready } from "../../../src/queue/transition.ts";
import { newTask } from "../../support/queue-world.ts";

const ids = createIdFactory(new SimulatedClock(), seededRandom(1));

function head(lane: number, readyAtMs: number): TaskRow {
  return ready(accepted(newTask(ids.task(), { lane }), 1, 0, 0), 1, true, readyAtMs);
}

/** Per lane, for how long its head has waited; undefined for an empty lane. */
const waits = fc.array(fc.option(fc.nat({ max: 1_000_000 }), { nil: undefined }), { minLength: 5, maxLength: 5 });

describe("the choice between lanes", () => {
  it("is none when no lane has a task, and otherwise a lane that has one", () => {
    fc.assert(
      fc.property(waits, fc.nat(), (waitsMs, turn) => {
        const heads = waitsMs.map((waitMs, lane) =>
          waitMs === undefined ? undefined : head(lane, 1_000_000 - waitMs),
        );

        const chosen = chooseLane(heads, 1_000_000, turn);

        expect(chosen !== undefined).toBe(heads.some((each) => each !== undefined));
        expect(heads[chosen ?? -1] !== undefined).toBe(chosen !== undefined);
      }),
    );
  });

  it("Q11: of four successive turns three serve the most urgent lane and one an overdue lane, if there is one", () => {
    fc.assert(
      fc.property(waits, fc.nat({ max: 1_000_000 }), (waitsMs, turn) => {
        const heads = waitsMs.map((waitMs, lane) =>
          waitMs === undefined ? undefined : head(lane, 1_000_000 - waitMs),
        );
        fc.pre(heads.some((each) => each !== undefined));
        const overdue = waitsMs.flatMap((waitMs, lane) => {
          const patienceMs = LANE_PATIENCE_MS[lane] ?? 0;
          return waitMs !== undefined && patienceMs > 0 && waitMs > patienceMs ? [lane] : [];
        });

        const chosen = Array.from({ length: AGED_TURN_EVERY }, (_, index) =>
          chooseLane(heads, 1_000_000, turn + index),
        );

        const urgent = heads.findIndex((each) => each !== undefined);
        expect(chosen.filter((lane) => lane === urgent).length).toBeGreaterThanOrEqual(AGED_TURN_EVERY - 1);
        const others = chosen.filter((lane) => lane !== urgent);
        expect(others.every((lane) => overdue.includes(lane ?? -1))).toBe(true);
        expect(chosen.some((lane) => overdue.includes(lane ?? -1))).toBe(overdue.length > 0);
      }),
    );
  });

  it("gives the aged turn to the lane that is most overdue for its patience, not to the longest wait", () => {
    const heads = [head(0, 0), undefined, undefined, head(3, 1_000_000 - 200_000), head(4, 1_000_000 - 400_000)];

    expect(chooseLane(heads, 1_000_000, AGED_TURN_EVERY)).toBe(3);
  });

  it("is not moved by a wall clock that went back", () => {
    expect(chooseLane([head(0, 500), undefined, undefined, undefined, head(4, 500)], 0, AGED_TURN_EVERY)).toBe(0);
  });
});

describe("tags", () => {
  it("Q12: rise within a key, start at the lane's virtual time, and are 1/weight apart", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 1, maxLength: 50 }),
        fc.constantFrom(0.25, 0.5, 1, 2, 10),
        fc.nat({ max: 4 }),
        (times, weight, lane) => {
          let key: KeyRow = { ...freshKey("k", 0), policy: { ...UNLIMITED, weight } };
          let last = 0;
          for (const virtualTime of times) {
            const tagged = nextTag(key, { ...emptyLane(lane), virtualTime });
            expect(tagged.tag).toBeCloseTo(Math.max(last, virtualTime) + 1 / weight, 9);
            expect(tagged.key.tags.filter((tag) => tag > 0)).toEqual([tagged.tag]);
            ({ key } = tagged);
            last = tagged.tag;
          }
        },
      ),
    );
  });
});

describe("admission", () => {
  const limited = (over: Partial<KeyPolicy>): KeyPolicy => ({ ...UNLIMITED, ...over });

  it("Q6: lets no more through than may run at once", () => {
    let key: KeyRow = { ...freshKey("k", 0), policy: limited({ maxConcurrent: 3 }), running: 1 };
    const decisions = Array.from({ length: 4 }, () => {
      const decision = admitOne(key, 0);
      ({ key } = decision);
      return decision.admitted;
    });

    expect(decisions).toEqual([true, true, false, false]);
    expect(key.admitted).toBe(2);
  });

  it("by a token bucket never exceeds burst plus rate, however the wall clock jumps", () => {
    const moves = fc.array(
      fc.record({ ms: fc.integer({ min: 0, max: 3_000 }), jumpMs: fc.constantFrom(0, 0, 0, -3_600_000, 3_600_000) }),
      {
        minLength: 1,
        maxLength: 100,
      },
    );
    fc.assert(
      fc.property(moves, fc.constantFrom(0.5, 1, 7, 100), fc.constantFrom(1, 3, 10), (steps, ratePerSecond, burst) => {
        let key: KeyRow = { ...freshKey("k", 0), policy: limited({ ratePerSecond, burst }), rateTokens: burst };
        let nowMs = 0;
        let elapsedMs = 0;
        let jumps = 0;
        let started = 0;
        for (const { ms, jumpMs } of steps) {
          nowMs += ms + jumpMs;
          elapsedMs += ms;
          if (jumpMs > 0) jumps += 1;
          const decision = admitOne(key, nowMs);
          // Each is claimed at once.
          key = { ...decision.key, admitted: 0 };
          if (decision.admitted) started += 1;
          expect(decision.key.wakeAtMs === null).toBe(decision.admitted);
          expect(decision.key.wakeAtMs ?? Number.POSITIVE_INFINITY).toBeGreaterThan(nowMs);
        }

        expect(started).toBeLessThanOrEqual(burst * (1 + jumps) + (elapsedMs / 1_000) * ratePerSecond + 1e-6);
      }),
    );
  });

  it("by rate says when to ask again, and then says yes", () => {
    const key = { ...freshKey("k", 0), policy: limited({ ratePerSecond: 4 }), rateTokens: 0 };

    const refusal = admitOne(key, 1_000_000);
    expect(refusal.admitted).toBe(true); // the bucket filled since

    const second = admitOne({ ...refusal.key, admitted: 0 }, 1_000_000);
    expect([second.admitted, second.key.wakeAtMs]).toEqual([false, 1_000_250]);
    expect(admitOne(second.key, 1_000_249).admitted).toBe(false);
    expect(admitOne(second.key, 1_000_250).admitted).toBe(true);
  });

  it.each([
    ["paused", limited({ paused: true, ratePerSecond: 1 }), 0, 0],
    ["full", limited({ maxConcurrent: 1, ratePerSecond: 1 }), 1, 0],
    ["waiting for its claims", limited({ ratePerSecond: 1 }), 0, 1],
  ])("of a key that is %s leaves no instant that would be due for ever", (_why, policy, running, admitted) => {
    const key = { ...freshKey("k", 0), policy, running, admitted, wakeAtMs: 5 };

    const decision = admitOne(key, 10);

    expect([decision.admitted, decision.key.wakeAtMs]).toEqual([false, null]);
  });

  it("of a key without limits is always given, and counted", () => {
    expect(admitOne(freshKey("k", 0), 0)).toMatchObject({ admitted: true, key: { admitted: 1 } });
  });
});

describe("room at the claim", () => {
  it.each([
    ["no limits", { ...UNLIMITED }, 100, 100, true],
    ["a place left", { ...UNLIMITED, maxConcurrent: 2 }, 1, 1, true],
    ["no place left", { ...UNLIMITED, maxConcurrent: 2 }, 2, 1, false],
    ["a pause", { ...UNLIMITED, paused: true }, 0, 1, false],
    ["as many let through as its burst", { ...UNLIMITED, ratePerSecond: 1, burst: 2 }, 9, 2, true],
    ["more let through than its burst", { ...UNLIMITED, ratePerSecond: 1, burst: 2 }, 0, 3, false],
  ])("of a key with %s: see the table", (_what, policy, running, admitted, expected) => {
    expect(hasRoom({ ...freshKey("k", 0), policy, running, admitted })).toBe(expected);
  });
});
