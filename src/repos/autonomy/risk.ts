/**
 * How much a diff may break, as a number with its terms. Invariants:
 * A2: risk never falls when a diff grows: by lines, by files, or by what it removes.
 * A5: the risk is the sum of its terms, and each term says why.
 */
import { type Change, kindsOf, type PathKind } from "./change.ts";

export type RiskFacts = {
  readonly changes: readonly Change[];
  /** Of each model that had a part in it: the share of its tasks that passed, null when too few are known. */
  readonly models: readonly { readonly name: string; readonly passRate: number | null }[];
  /** Of the last deliveries to the repository: how many, and how many of them were taken back. */
  readonly history: { readonly deliveries: number; readonly reverted: number };
};

export type RiskTerm = { readonly name: string; readonly points: number; readonly because: string };
export type Risk = { readonly points: number; readonly terms: readonly RiskTerm[] };

/** A line that was changed is read in some seconds; ten of them are a glance, a thousand nobody reads whole. */
const POINTS_PER_DOUBLING = 6;
const LINES_OF_A_GLANCE = 10;
const MAX_SIZE_POINTS = 60;
const MAX_FILE_POINTS = 20;
/** A binary file cannot be read at all. */
const BINARY_POINTS = 15;
const MAX_BINARY_POINTS = 45;
const DELETED_POINTS = 4;
const MAX_DELETED_POINTS = 20;
/** What a test no longer holds, nothing notices. */
const TEST_REMOVED_POINTS = 15;
const TEST_DELETED_POINTS = 20;
const MAX_TEST_POINTS = 60;
const REVERT_POINTS = 20;
const MAX_REVERT_POINTS = 60;
/** A model that never passes; one that nothing is known of stands between. */
const WORST_MODEL_POINTS = 30;
const UNKNOWN_MODEL_POINTS = 10;

/** What a file of a kind adds, once, however many there are: by what may go wrong outside the repository. */
const KIND_POINTS: readonly (readonly [PathKind, number, string])[] = [
  ["ci", 45, "what runs on every change is changed"],
  ["publication", 45, "what is let out of the repository is changed"],
  ["migration", 35, "a change of stored data cannot be taken back by a revert"],
  ["dependencies", 25, "code of others comes in"],
  ["sensitive", 20, "it is about who may do what"],
  ["build", 15, "how it is built or installed is changed"],
  ["configuration", 10, "settings are changed"],
];

/** Rates what a diff may break. Pure; the order of the changes does not matter. */
export function riskOf({ changes, models, history }: RiskFacts): Risk {
  const terms = [
    ...sizeTerms(changes),
    ...kindTerms(changes),
    ...testTerms(changes),
    ...modelTerms(models),
    ...historyTerms(history),
  ].filter(({ points }) => points > 0);
  return { points: terms.reduce((sum, { points }) => sum + points, 0), terms };
}

function sizeTerms(changes: readonly Change[]): readonly RiskTerm[] {
  const lines = changes.reduce((sum, { added, removed }) => sum + added + removed, 0);
  const binary = changes.filter(({ isBinary }) => isBinary).length;
  const deleted = changes.filter(({ isDeleted }) => isDeleted).length;
  const doublings = Math.log2(1 + lines / LINES_OF_A_GLANCE);
  return [
    {
      name: "size",
      points: Math.min(MAX_SIZE_POINTS, Math.floor(POINTS_PER_DOUBLING * doublings)),
      because: `${lines} lines are changed`,
    },
    {
      name: "files",
      points: Math.min(MAX_FILE_POINTS, changes.length),
      because: `${changes.length} files are changed`,
    },
    {
      name: "binary",
      points: Math.min(MAX_BINARY_POINTS, binary * BINARY_POINTS),
      because: `${binary} files cannot be read as text`,
    },
    {
      name: "deleted",
      points: Math.min(MAX_DELETED_POINTS, deleted * DELETED_POINTS),
      because: `${deleted} files are deleted`,
    },
  ];
}

function kindTerms(changes: readonly Change[]): readonly RiskTerm[] {
  return KIND_POINTS.map(([kind, points, because]) => {
    const paths = changes.filter(({ path }) => kindsOf(path).has(kind)).map(({ path }) => path);
    return { name: kind, points: paths.length === 0 ? 0 : points, because: `${because}: ${named(paths)}` };
  });
}

function testTerms(changes: readonly Change[]): readonly RiskTerm[] {
  const tests = changes.filter(({ path }) => kindsOf(path).has("test"));
  const removed = tests.reduce((sum, change) => sum + change.removed, 0);
  const deleted = tests.filter(({ isDeleted }) => isDeleted);
  const points = (removed > 0 ? TEST_REMOVED_POINTS : 0) + deleted.length * TEST_DELETED_POINTS;
  const files = deleted.length === 0 ? "" : `, and deleted: ${named(deleted.map(({ path }) => path))}`;
  const because = `${removed} lines of tests are removed${files}`;
  return [{ name: "testsRemoved", points: Math.min(MAX_TEST_POINTS, points), because }];
}

/** The worst of them counts: a chain is as good as that. */
function modelTerms(models: RiskFacts["models"]): readonly RiskTerm[] {
  return models
    .map(({ name, passRate }) =>
      passRate === null
        ? { name: "model", points: UNKNOWN_MODEL_POINTS, because: `too little is known of ${name}` }
        : {
            name: "model",
            points: Math.round(WORST_MODEL_POINTS * (1 - Math.min(1, Math.max(0, passRate)))),
            because: `${Math.round(passRate * 100)} % of the tasks of ${name} pass`,
          },
    )
    .toSorted((left, right) => right.points - left.points || (left.because < right.because ? -1 : 1))
    .slice(0, 1);
}

function historyTerms({ deliveries, reverted }: RiskFacts["history"]): readonly RiskTerm[] {
  const because = `${reverted} of the last ${deliveries} deliveries were taken back`;
  return [{ name: "history", points: Math.min(MAX_REVERT_POINTS, reverted * REVERT_POINTS), because }];
}

const SHOWN_PATHS = 3;

function named(paths: readonly string[]): string {
  const more = paths.length - SHOWN_PATHS;
  return `${paths.slice(0, SHOWN_PATHS).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
