import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Change, type DecisionFacts, decide, type Policy, type RiskFacts, riskOf, TIERS, type Tier } from "#repos";

const PATHS = [
  "src/app.ts",
  "src/auth/login.ts",
  "test/app.test.ts",
  "docs/guide.md",
  "package.json",
  "settings.toml",
  "db/migrations/0001.sql",
  ".github/workflows/ci.yml",
  "install.sh",
  ".drover-publish.toml",
  "logo.png",
];

const count = fc.nat({ max: 5_000 });
const change: fc.Arbitrary<Change> = fc.record({
  path: fc.constantFrom(...PATHS),
  added: count,
  removed: count,
  isBinary: fc.boolean(),
  isDeleted: fc.boolean(),
});
const rate = fc.option(fc.double({ min: 0, max: 1, noNaN: true }));
const facts: fc.Arbitrary<RiskFacts> = fc.record({
  changes: fc.array(change, { maxLength: 30 }),
  models: fc.array(fc.record({ name: fc.constantFrom("a:7b", "b:70b"), passRate: rate }), { maxLength: 3 }),
  history: fc.record({ deliveries: fc.constant(20), reverted: fc.nat({ max: 20 }) }),
});
const threshold = fc.nat({ max: 300 });
const policy: fc.Arbitrary<Policy> = fc.record({
  atMost: fc.constantFrom("merge", "pullRequest", "ask"),
  mergeBelow: threshold,
  askFrom: threshold,
  outside: fc.constantFrom("pullRequest", "ask"),
});
const decisionFacts: fc.Arbitrary<DecisionFacts> = fc.record({
  risk: facts.map(riskOf),
  changes: fc.array(change, { maxLength: 10 }),
  blocking: fc.oneof(fc.constant(0), fc.nat({ max: 3 })),
  testsPassed: fc.constantFrom(true, false, null),
  conflicts: fc.oneof(fc.constant([]), fc.constant(["a.ts"])),
  isFromOutside: fc.boolean(),
});
const rank = (tier: Tier): number => TIERS.indexOf(tier);

const NONE: RiskFacts = { changes: [], models: [], history: { deliveries: 0, reverted: 0 } };
const small: Change = { path: "src/app.ts", added: 3, removed: 1, isBinary: false, isDeleted: false };
const nothing: DecisionFacts = {
  risk: riskOf(NONE),
  changes: [small],
  blocking: 0,
  testsPassed: true,
  conflicts: [],
  isFromOutside: false,
};
const open: Policy = { atMost: "merge", mergeBelow: 30, askFrom: 120, outside: "ask" };

describe("the risk of a diff", () => {
  it("A2: never falls when a line more is changed, a file more, or more is removed", () => {
    fc.assert(
      fc.property(facts, change, fc.nat(), count, count, (before, more, which, added, removed) => {
        const { changes } = before;
        const at = changes.length === 0 ? -1 : which % changes.length;
        const grown = changes.map((one, index) =>
          index === at
            ? { ...one, added: one.added + added, removed: one.removed + removed, isDeleted: true, isBinary: true }
            : one,
        );
        const { points } = riskOf(before);

        expect(riskOf({ ...before, changes: grown }).points).toBeGreaterThanOrEqual(points);
        expect(riskOf({ ...before, changes: [...changes, more] }).points).toBeGreaterThanOrEqual(points);
      }),
    );
  });

  it("A5: is the sum of its terms, each of which says why, whatever the order of the files", () => {
    fc.assert(
      fc.property(facts, (given) => {
        const { points, terms } = riskOf(given);

        expect(terms.reduce((sum, term) => sum + term.points, 0)).toBe(points);
        expect(terms.every(({ because, points: own }) => because !== "" && own > 0 && Number.isInteger(own))).toBe(
          true,
        );
        expect(riskOf({ ...given, changes: given.changes.toReversed() }).points).toBe(points);
      }),
    );
  });

  it("grows with a model that passes less often, and with deliveries that were taken back", () => {
    const of = (passRate: number | null, reverted = 0) =>
      riskOf({ ...NONE, models: [{ name: "a:7b", passRate }], history: { deliveries: 20, reverted } }).points;

    expect(of(1)).toBeLessThan(of(0.5));
    expect(of(null)).toBeGreaterThan(of(1));
    expect(of(1, 1)).toBeGreaterThan(of(1));
  });

  it.each([
    ["ci", ".github/workflows/ci.yml"],
    ["migration", "db/migrations/0001.sql"],
    ["dependencies", "package.json"],
    ["configuration", "settings.toml"],
    ["build", "install.sh"],
    ["sensitive", "src/auth/login.ts"],
    ["publication", ".drover-publish.toml"],
  ])("names %s for %s", (name, path) => {
    const { terms } = riskOf({ ...NONE, changes: [{ ...small, path }] });

    expect(terms.find((term) => term.name === name)?.because).toContain(path);
  });

  it.each([
    ["lib/colours.sh", false],
    ["src/installer/page.ts", false],
    ["tools/rebuild-index.sh", false],
    ["bin/start.bash", false],
    ["lib/build.sh", true],
    ["scripts/build-release.sh", true],
    ["uninstall.ps1", true],
    ["ci/run.sh", true],
    [".ci/steps/one.sh", true],
    ["packaging/deb/rules.sh", true],
    ["Makefile", true],
    ["install", true],
  ])("takes a script for what it is by its name and place: %s is part of the build: %s", (path, isBuild) => {
    const { terms } = riskOf({ ...NONE, changes: [{ ...small, path }] });

    expect(terms.some(({ name }) => name === "build")).toBe(isBuild);
  });

  it("names tests that are removed", () => {
    const removed = { ...small, path: "test/app.test.ts", added: 0, removed: 40, isDeleted: true };

    const { terms } = riskOf({ ...NONE, changes: [removed] });

    expect(terms.find(({ name }) => name === "testsRemoved")).toMatchObject({
      points: 35,
      because: "40 lines of tests are removed, and deleted: test/app.test.ts",
    });
  });
});

describe("how far a delivery goes", () => {
  it("A1: is nowhere with a finding that blocks, whatever else is so", () => {
    fc.assert(
      fc.property(decisionFacts, policy, fc.integer({ min: 1, max: 9 }), (given, how, blocking) => {
        expect(decide({ ...given, blocking }, how).tier).toBe("blocked");
      }),
    );
  });

  it("A3: is never a merge without tests that passed", () => {
    fc.assert(
      fc.property(decisionFacts, policy, fc.constantFrom(false, null), (given, how, testsPassed) => {
        expect(decide({ ...given, testsPassed }, how).tier).not.toBe("merge");
      }),
    );
  });

  it("A4: is never further with more risk", () => {
    fc.assert(
      fc.property(decisionFacts, policy, fc.nat({ max: 400 }), (given, how, more) => {
        const worse = { ...given, risk: { ...given.risk, points: given.risk.points + more } };

        expect(rank(decide(worse, how).tier)).toBeLessThanOrEqual(rank(decide(given, how).tier));
      }),
    );
  });

  it("A6: is never further than the repository allows, and the rule that decided is named", () => {
    fc.assert(
      fc.property(decisionFacts, policy, (given, how) => {
        const { tier, rules } = decide(given, how);

        expect(rank(tier)).toBeLessThanOrEqual(rank(how.atMost));
        expect(rules.some(({ atMost, because }) => atMost === tier && because !== "")).toBe(true);
      }),
    );
  });

  it("A7: is never a merge, and no further than the repository lets it, for what somebody outside asked for", () => {
    fc.assert(
      fc.property(decisionFacts, policy, (given, how) => {
        const { tier } = decide({ ...given, isFromOutside: true }, how);

        expect(rank(tier)).toBeLessThanOrEqual(rank(how.outside));
      }),
    );
  });

  it.each<[Tier, string, Partial<DecisionFacts>]>([
    ["merge", "is small, tested and allowed", {}],
    ["pullRequest", "is neither small nor large", { risk: { points: 30, terms: [] } }],
    ["ask", "is large", { risk: { points: 120, terms: [] } }],
    ["blocked", "conflicts with main", { conflicts: ["a.ts"] }],
    ["pullRequest", "changes CI", { changes: [{ ...small, path: ".github/workflows/ci.yml" }] }],
    ["pullRequest", "changes stored data", { changes: [{ ...small, path: "db/migrations/2.sql" }] }],
    ["pullRequest", "changes code without a test", { changes: [{ ...small, added: 20 }] }],
  ])("is %s for what %s", (tier, _why, more) => {
    expect(decide({ ...nothing, ...more }, open).tier).toBe(tier);
  });
});
