/**
 * How far a delivery goes by itself. Invariants:
 * A1: a diff with a finding that blocks is never published, in any form.
 * A3: nothing is merged unless the tests of the merged tree ran and passed.
 * A4: more risk never means more autonomy.
 * A6: no rule goes further than the most that the repository allows.
 * A7: what somebody outside asked for is never merged without a person.
 */
import { type Change, isCode, kindsOf } from "./change.ts";
import type { Risk } from "./risk.ts";

/** From the least to the most that happens without a person. */
export const TIERS = ["blocked", "ask", "pullRequest", "merge"] as const;
export type Tier = (typeof TIERS)[number];

export type Policy = {
  readonly atMost: Exclude<Tier, "blocked">;
  /** Risk below which is merged, in points. */
  readonly mergeBelow: number;
  /** Risk from which on a person is asked first. */
  readonly askFrom: number;
  /** The most that happens to what somebody outside asked for. */
  readonly outside: "pullRequest" | "ask";
};

export type DecisionFacts = {
  readonly risk: Risk;
  readonly changes: readonly Change[];
  /** Findings of the scan that block. */
  readonly blocking: number;
  /** Of the merged tree: null when they have not run, or there are none. */
  readonly testsPassed: boolean | null;
  /** Files in which the branch and the main branch conflict. */
  readonly conflicts: readonly string[];
  /** Whether somebody outside asked for it, or nobody knows who did. */
  readonly isFromOutside: boolean;
};

export type Decision = {
  readonly tier: Tier;
  /** Each rule that was asked: the most that it lets happen, and why. */
  readonly rules: readonly { readonly name: string; readonly atMost: Tier; readonly because: string }[];
};

/** Changes of code that no test shows, from this many lines on. */
const UNTESTED_LINES = 20;

/** The tier is the least that any rule lets happen. Pure. */
export function decide(facts: DecisionFacts, policy: Policy): Decision {
  const rules = [
    publication(facts),
    conflict(facts),
    allowed(policy),
    ...(facts.isFromOutside ? [fromOutside(policy)] : []),
    byRisk(facts.risk.points, policy),
    ...byKind(facts.changes),
    untested(facts.changes),
    tests(facts.testsPassed),
  ];
  const tier = TIERS.find((one) => rules.some(({ atMost }) => atMost === one)) ?? "merge";
  return { tier, rules };
}

type Rule = Decision["rules"][number];

function publication({ blocking }: DecisionFacts): Rule {
  return blocking > 0
    ? { name: "publication", atMost: "blocked", because: `${blocking} findings must not leave the repository` }
    : { name: "publication", atMost: "merge", because: "nothing in it must stay here" };
}

function conflict({ conflicts }: DecisionFacts): Rule {
  return conflicts.length > 0
    ? { name: "conflict", atMost: "blocked", because: `it conflicts with the main branch in ${conflicts.join(", ")}` }
    : { name: "conflict", atMost: "merge", because: "it fits the main branch" };
}

function allowed({ atMost }: Policy): Rule {
  return { name: "policy", atMost, because: `the repository allows at most: ${atMost}` };
}

/** Pushing a branch already runs it: with a forge that has CI, beside the secrets of that. */
function fromOutside({ outside }: Policy): Rule {
  return { name: "outside", atMost: outside, because: `somebody outside asked for it: at most ${outside}` };
}

function byRisk(points: number, { mergeBelow, askFrom }: Policy): Rule {
  if (points >= askFrom) return { name: "risk", atMost: "ask", because: `its risk ${points} is ${askFrom} or more` };
  if (points < mergeBelow)
    return { name: "risk", atMost: "merge", because: `its risk ${points} is below ${mergeBelow}` };
  const because = `its risk ${points} is neither below ${mergeBelow} nor ${askFrom} or more`;
  return { name: "risk", atMost: "pullRequest", because };
}

/** Of these no number of points makes a merge: what they do cannot be seen in the tests of the repository. */
function byKind(changes: readonly Change[]): readonly Rule[] {
  return (["ci", "migration", "publication"] as const).flatMap((kind): readonly Rule[] => {
    const found = changes.find(({ path }) => kindsOf(path).has(kind));
    if (found === undefined) return [];
    return [{ name: kind, atMost: "pullRequest", because: `a person looks at ${found.path}` }];
  });
}

function untested(changes: readonly Change[]): Rule {
  const lines = changes.filter(isCode).reduce((sum, { added, removed }) => sum + added + removed, 0);
  const hasTests = changes.some(({ path, added }) => added > 0 && kindsOf(path).has("test"));
  return lines >= UNTESTED_LINES && !hasTests
    ? { name: "untested", atMost: "pullRequest", because: `${lines} lines of code are changed, and no test with them` }
    : { name: "untested", atMost: "merge", because: "it is small, or tests are changed with it" };
}

function tests(passed: boolean | null): Rule {
  switch (passed) {
    case true:
      return { name: "tests", atMost: "merge", because: "the checks of the merged tree pass" };
    case false:
      return { name: "tests", atMost: "pullRequest", because: "the checks of the merged tree fail" };
    case null:
      return { name: "tests", atMost: "pullRequest", because: "no checks of the merged tree ran" };
  }
}
