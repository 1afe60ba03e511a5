import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ChoiceRules,
  choose,
  DEFAULT_CHOICE_RULES,
  isTryOpen,
  type KnownFinding,
  keyOf,
  MAX_REVERTS,
  TRY_STATES,
  type Try,
} from "#activities";

const NOW = 1_700_000_000_000;
const DAY = 86_400_000;
const REPOSITORIES = ["one", "two", "three"];

const finding = (given: Partial<KnownFinding> = {}): KnownFinding => ({
  repository: "one",
  fingerprint: "a1",
  kind: "dead-code",
  rule: "unused-name",
  path: "src/a.ts",
  line: 1,
  severity: "medium",
  effort: "small",
  title: "t",
  evidence: "e",
  source: "scan",
  state: "open",
  firstSeenMs: NOW,
  lastSeenMs: NOW,
  returns: 0,
  reason: null,
  ...given,
});

const tried = (given: Partial<Try> = {}): Try => {
  const state = given.state ?? "failed";
  return {
    repository: "one",
    fingerprint: "a1",
    n: 1,
    kind: "dead-code",
    rule: "unused-name",
    path: "src/a.ts",
    files: ["src/a.ts"],
    goal: "g",
    why: "",
    chosenAtMs: NOW - 100 * DAY,
    endedAtMs: isTryOpen({ state }) ? null : NOW - 90 * DAY,
    ...given,
    state,
  };
};

const chosenOf = (
  findings: readonly KnownFinding[],
  tries: readonly Try[],
  rules: Partial<ChoiceRules> = {},
): { readonly chosen: readonly string[]; readonly left: readonly string[] } => {
  const { chosen, left } = choose(findings, tries, REPOSITORIES, NOW, { ...DEFAULT_CHOICE_RULES, ...rules });
  return { chosen: chosen.map((one) => one.finding.fingerprint), left: [...left.values()] };
};

describe("what is improved next", () => {
  test.each<[string, readonly KnownFinding[], readonly Try[], RegExp]>([
    [
      "a file that is being changed (AO2)",
      [finding({ fingerprint: "b2" })],
      [tried({ state: "working" })],
      /is being changed \(AO2\)/,
    ],
    [
      "a file that was changed a day ago (AO2)",
      [finding({ fingerprint: "b2" })],
      [tried({ state: "done", files: ["src/other.ts", "src/a.ts"], endedAtMs: NOW - DAY })],
      /left alone until then \(AO2\)/,
    ],
    [
      "what was reverted twice, however long ago (AO3)",
      [finding()],
      [tried({ state: "reverted" }), tried({ state: "reverted", n: 2 })],
      /taken back 2 times/,
    ],
    [
      "the same rule for the same file under another name, reverted twice (AO3)",
      [finding({ fingerprint: "c3" })],
      [tried({ state: "reverted" }), tried({ state: "reverted", fingerprint: "b2" })],
      /taken back 2 times/,
    ],
    [
      "what failed an hour ago (AO4)",
      [finding({ path: "" })],
      [tried({ files: [], endedAtMs: NOW - 3_600_000 })],
      /rests for 1380 min/,
    ],
    [
      "what failed three times in a row (AO4)",
      [finding()],
      [tried(), tried({ n: 2 }), tried({ n: 3 })],
      /failed 3 times in a row/,
    ],
    ["what is dismissed (AO5)", [finding({ state: "dismissed", reason: "wanted" })], [], /it is dismissed/],
    ["what came back twice (AO6)", [finding({ returns: 2 })], [], /came back 2 times/],
    ["a secret, which no model may read", [finding({ kind: "secret", severity: "critical" })], [], /for a person/],
    [
      "a missing LICENSE, which is no matter for a model",
      [finding({ kind: "missing-document", rule: "license", path: "", severity: "low" })],
      [],
      /for a person: under which terms/,
    ],
    ["what is in no repository that is known", [finding({ repository: "gone" })], [], /not known any more/],
    ["what is not worth a goal", [finding({ severity: "low", effort: "large" })], [], /below 1/],
  ])("is not %s", (_name, findings, tries, why) => {
    const { chosen, left } = chosenOf(findings, tries);

    expect(chosen).toEqual([]);
    expect(left).toEqual([expect.stringMatching(why) as unknown]);
  });

  test("is one finding of a file, one of a repository and three in all, what is broken first (AO1, AO8)", () => {
    const findings = [
      finding({ fingerprint: "a1" }),
      finding({ fingerprint: "a2" }),
      finding({ fingerprint: "a3", path: "src/b.ts" }),
      finding({ fingerprint: "b1", repository: "two", severity: "low" }),
      finding({ fingerprint: "c1", repository: "three", kind: "failing-test", severity: "high", effort: "large" }),
    ];

    expect(chosenOf(findings, []).chosen).toEqual(["c1", "a1", "b1"]);
    expect(chosenOf(findings, [], { perRepository: 2 }).chosen).toEqual(["c1", "a1", "a3"]);
    expect(chosenOf(findings, [], { perDay: 1 }).chosen).toEqual(["c1"]);
  });

  test("is again what failed, once it has rested, twice as long each time (AO4)", () => {
    const twice = [tried(), tried({ n: 2, endedAtMs: NOW - 2 * DAY })];
    const rules = { coolDownMs: 0 };

    expect(chosenOf([finding()], twice, rules).chosen).toEqual(["a1"]);
    expect(chosenOf([finding()], [tried(), tried({ n: 2, endedAtMs: NOW - 2 * DAY + 60_000 })], rules).chosen).toEqual(
      [],
    );
  });

  test("keeps AO1 to AO8 for whatever is known and was tried", () => {
    const name = fc.constantFrom("f1", "f2", "f3", "f4", "f5");
    const place = {
      repository: fc.constantFrom(...REPOSITORIES, "gone"),
      path: fc.constantFrom("", "a.ts", "b.ts", "c.ts"),
      kind: fc.constantFrom("dead-code" as const, "note" as const, "secret" as const),
    };
    const findings = fc.uniqueArray(
      fc.record({
        ...place,
        fingerprint: name,
        state: fc.constantFrom("open" as const, "gone" as const, "dismissed" as const),
        severity: fc.constantFrom("high" as const, "medium" as const, "low" as const),
        returns: fc.nat(3),
      }),
      { selector: (one) => `${one.repository} ${one.fingerprint}`, maxLength: 12 },
    );
    const agoMs = fc.integer({ min: 0, max: 8 * DAY });
    const tries = fc.uniqueArray(
      fc.record({
        ...place,
        fingerprint: name,
        n: fc.integer({ min: 1, max: 4 }),
        state: fc.constantFrom(...TRY_STATES),
        agoMs,
      }),
      { selector: (one) => `${one.repository} ${one.fingerprint} ${one.n}`, maxLength: 14 },
    );
    const rules = fc.record({
      atOnce: fc.integer({ min: 1, max: 4 }),
      perRepository: fc.integer({ min: 1, max: 2 }),
      perDay: fc.integer({ min: 1, max: 5 }),
    });

    fc.assert(
      fc.property(findings, tries, rules, (some, before, limits) => {
        const known = some.map((one) => finding(one));
        const past = before.map(({ agoMs: ago, ...one }) =>
          tried({
            ...one,
            files: one.path === "" ? [] : [one.path],
            chosenAtMs: NOW - ago,
            endedAtMs: isTryOpen(one) ? null : NOW - ago,
          }),
        );
        const all = { ...DEFAULT_CHOICE_RULES, ...limits };
        const { chosen, left } = choose(known, past, REPOSITORIES, NOW, all);
        const open = past.filter(isTryOpen);

        expect(chosen.length + left.size).toBe(known.length);
        expect(chosen.length).toBeLessThanOrEqual(Math.max(0, all.atOnce - open.length)); // AO1
        for (const repository of REPOSITORIES) {
          const of = (one: { readonly repository: string }): boolean => one.repository === repository;
          const begun = chosen.filter((one) => of(one.finding)).length;
          expect(begun).toBeLessThanOrEqual(Math.max(0, all.perRepository - open.filter(of).length));
        }
        const today = past.filter(({ chosenAtMs }) => chosenAtMs > NOW - DAY).length;
        expect(chosen.length).toBeLessThanOrEqual(Math.max(0, all.perDay - today)); // AO7
        const files = chosen.flatMap(({ finding: { repository, path } }) =>
          path === "" ? [] : [`${repository} ${path}`],
        );
        expect(new Set(files).size).toBe(files.length); // AO8
        for (const { finding: one } of chosen) {
          expect(one.state).toBe("open"); // AO5
          expect(one.kind).not.toBe("secret");
          expect(one.returns).toBeLessThan(all.maxReturns); // AO6
          const own = past.filter((other) => keyOf(other) === keyOf(one));
          expect(own.some(isTryOpen)).toBe(false);
          expect(own.filter(({ state }) => state === "reverted").length).toBeLessThan(MAX_REVERTS); // AO3
          for (const other of past) {
            if (other.repository !== one.repository || one.path === "" || !other.files.includes(one.path)) continue;
            expect(isTryOpen(other)).toBe(false); // AO2
            expect(NOW - (other.endedAtMs ?? NOW)).toBeGreaterThanOrEqual(all.coolDownMs);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
