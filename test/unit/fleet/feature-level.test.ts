import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  AWAY_MS,
  announcedLevels,
  FEATURE_LEVEL,
  fleetLevel,
  levelsSaid,
  notSpoken,
  OLDEST_FEATURE_LEVEL,
  OWN_LEVELS,
  speaks,
  unfit,
} from "../../../src/fleet/feature-level.ts";

const level = fc.integer({ min: 1, max: 9 });
const range = fc.tuple(level, level).map(([a, b]) => ({ oldest: Math.min(a, b), newest: Math.max(a, b) }));
const others = fc.array(fc.record({ newest: level, silentMs: fc.integer({ min: 0, max: 2 * AWAY_MS }) }), {
  maxLength: 5,
});

describe("the level of a fleet", () => {
  it("never falls (FL1), and never rises above what a node that is there speaks (FL2)", () => {
    fc.assert(
      fc.property(level, range, others, fc.boolean(), (stored, own, nodes, isSettled) => {
        const found = fleetLevel({ stored, own, others: nodes, isSettled });

        expect(found).toBeGreaterThanOrEqual(stored);
        const there = nodes.filter(({ silentMs }) => silentMs <= AWAY_MS).map(({ newest }) => newest);
        expect(found).toBeLessThanOrEqual(Math.max(stored, own.oldest, Math.min(own.newest, ...there)));
      }),
    );
  });

  it("waits for a node that was away for weeks only until the hub has heard of everybody", () => {
    const facts = { stored: 1, own: { oldest: 1, newest: 2 }, others: [{ newest: 1, silentMs: AWAY_MS + 1 }] };

    expect(fleetLevel({ ...facts, isSettled: false })).toBe(1);
    expect(fleetLevel({ ...facts, isSettled: true })).toBe(2);
    expect(fleetLevel({ ...facts, others: [{ newest: 1, silentMs: AWAY_MS }], isSettled: true })).toBe(1);
  });
});

describe("a node", () => {
  const fleet = { level: 2, version: "0.2.0" };
  const node = (oldest: number, newest: number) => ({ name: "gpu1", version: "0.1.0", levels: { oldest, newest } });

  it("works in a fleet exactly while the level of that lies in its range (FL3)", () => {
    fc.assert(
      fc.property(level, range, (at, levels) => {
        const isIn = levels.oldest <= at && at <= levels.newest;
        expect(unfit({ name: "n", version: "1.0.0", levels }, { level: at, version: "1.0.0" }) === undefined).toBe(
          isIn,
        );
      }),
    );
  });

  it("that is too old or too new is told both versions and what to do", () => {
    expect(unfit(node(1, 1), fleet)).toMatchObject({
      message:
        "gpu1 runs drover 0.1.0, which speaks feature level 1; this fleet is at 2, and its hub runs drover 0.2.0",
      remedy: "Update that node to drover 0.2.0: drover update",
    });
    expect(unfit(node(3, 4), fleet)?.remedy).toContain("drover update --fleet");
  });

  it("of this release works with that of the release before, in both directions", () => {
    const before = { oldest: 1, newest: FEATURE_LEVEL - 1 };

    const together = fleetLevel({
      stored: 1,
      own: OWN_LEVELS,
      others: [{ newest: before.newest, silentMs: 0 }],
      isSettled: true,
    });

    for (const levels of [before, OWN_LEVELS]) {
      expect(unfit({ name: "n", version: "1", levels }, { level: together, version: "1" })).toBeUndefined();
    }
    expect(OLDEST_FEATURE_LEVEL).toBeLessThan(FEATURE_LEVEL);
  });

  it("says its levels in a form that is read back; one that says none speaks the first, one not heard of what it joined with", () => {
    expect(levelsSaid(announcedLevels({ oldest: 2, newest: 5 }), 1)).toEqual({ oldest: 2, newest: 5 });
    expect(levelsSaid({ version: "0.1.0" }, 2)).toEqual({ oldest: 0, newest: 1 });
    expect(levelsSaid({ levels: { oldest: 5, newest: 2 } }, 2)).toEqual({ oldest: 0, newest: 1 });
    expect(levelsSaid({}, 2)).toEqual({ oldest: 0, newest: 2 });
  });
});

describe("a feature", () => {
  it("is used from the level on at which every node understands it, and its refusal names both levels", () => {
    expect(speaks(1, "queue")).toBe(true);
    expect(speaks(1, "rollout")).toBe(false);
    expect(speaks(2, "rollout")).toBe(true);
    expect(notSpoken(1, "settings", "a setting of the fleet").message).toBe(
      "a setting of the fleet needs feature level 2 on every node, and this fleet is at 1",
    );
  });
});
