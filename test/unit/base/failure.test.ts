import { describe, expect, it } from "vitest";
import {
  assert,
  describeFailure,
  during,
  err,
  InvariantBroken,
  ok,
  present,
  refused,
  retryable,
  seededRandom,
  terminal,
} from "#base";

describe("failures", () => {
  it("say what was attempted, what happened and what to do", () => {
    const failure = during(during(refused("invalid", "no such lane", "Use one of five"), "read lane"), "submit task");

    expect(describeFailure(failure)).toBe("submit task: read lane: no such lane. Use one of five");
    expect(failure).toMatchObject({ kind: "refused", code: "invalid" });
  });

  it("carry no empty fields", () => {
    expect(Object.keys(retryable("disk_full", "no room"))).toEqual(["kind", "code", "message"]);
    expect(Object.keys(terminal("corrupt", "damaged", "Restore"))).toEqual(["kind", "code", "message", "remedy"]);
    expect(describeFailure(terminal("corrupt", "damaged"))).toBe("damaged");
  });

  it("are told from values by one field", () => {
    expect([ok(1), err("no")]).toEqual([
      { ok: true, value: 1 },
      { ok: false, error: "no" },
    ]);
  });
});

describe("assertions", () => {
  it("throw an invariant broken, with the rule, and only then", () => {
    expect(() => assert(1 + 1 === 2, "Q1: sums")).not.toThrow();
    expect(() => assert(Number("1") === 2, "Q1: sums")).toThrow(new InvariantBroken("Q1: sums"));
  });

  it("let through every value but null and undefined", () => {
    expect([present(0, "r"), present("", "r"), present(false, "r")]).toEqual([0, "", false]);
    expect(() => present(null, "Q8: there")).toThrow(InvariantBroken);
    expect(() => present(undefined, "Q8: there")).toThrow(InvariantBroken);
  });
});

describe("the seeded random source", () => {
  it("gives the same draws in [0, 1) for the same seed, and others for another", () => {
    const draws = (seed: number) => {
      const random = seededRandom(seed);
      return Array.from({ length: 1_000 }, () => random.next());
    };

    expect(draws(5)).toEqual(draws(5));
    expect(draws(5)).not.toEqual(draws(6));
    expect(draws(5).every((draw) => draw >= 0 && draw < 1)).toBe(true);
    const mean = draws(5).reduce((sum, draw) => sum + draw, 0) / 1_000;
    expect(mean).toBeGreaterThan(0.45);
    expect(mean).toBeLessThan(0.55);
  });

  it("gives as many bytes as asked for", () => {
    expect([...seededRandom(1).bytes(4)]).toEqual([...seededRandom(1).bytes(4)]);
    expect(seededRandom(1).bytes(33)).toHaveLength(33);
  });
});
