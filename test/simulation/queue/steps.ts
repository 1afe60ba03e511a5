import fc from "fast-check";
import { type AttemptOutcome, DEPENDENCY_POLICIES, type DependencyPolicy } from "#queue";

/** `pick`s choose among what exists when the step is taken, so that a shortened history still makes sense. */
export type Submission = {
  readonly lane: number;
  readonly key: number;
  readonly policy: DependencyPolicy;
  /** Tasks that exist, or (at and above BATCH_PICK) members of the same batch. */
  readonly dependsOn: readonly number[];
  readonly runInMs: number | null;
  readonly maxAttempts: number;
  readonly retryBaseMs: number;
  readonly idempotency: number | null;
  readonly body: number;
  readonly requirements: number;
};

export type Step =
  | { readonly kind: "submit"; readonly tasks: readonly Submission[] }
  | { readonly kind: "claim"; readonly limit: number; readonly holder: number; readonly picky: boolean }
  | { readonly kind: "finish"; readonly pick: number; readonly outcome: AttemptOutcome; readonly terminal: boolean }
  /** A report under a fence that was held once, whatever became of it. */
  | { readonly kind: "report again"; readonly pick: number; readonly outcome: AttemptOutcome }
  | { readonly kind: "worker dies"; readonly pick: number }
  | { readonly kind: "release"; readonly pick: number }
  | { readonly kind: "progress"; readonly pick: number }
  | { readonly kind: "cancel"; readonly pick: number }
  | { readonly kind: "retry"; readonly pick: number }
  | { readonly kind: "drop"; readonly pick: number }
  | { readonly kind: "node restarts" }
  | { readonly kind: "key policy"; readonly key: number; readonly policy: number }
  | { readonly kind: "pause"; readonly paused: boolean }
  | { readonly kind: "time passes"; readonly ms: number }
  | { readonly kind: "process stands still"; readonly ms: number }
  | { readonly kind: "wall clock jumps"; readonly ms: number }
  | { readonly kind: "add schedule"; readonly overlap: "skip" | "allow" }
  | { readonly kind: "remove schedule"; readonly pick: number }
  | { readonly kind: "prune"; readonly olderThanMs: number };

export const KEYS = ["", "a", "b", "c"] as const;
export const REQUIREMENTS = ["{}", '{"models":["large"]}'] as const;
/** A dependency pick that names no task. */
export const MISSING_PICK = 0;
/** A dependency pick from here on names a member of the same batch. */
export const BATCH_PICK = 1_000;

const pick = fc.nat({ max: 999 });
const dependencyPick = fc.oneof(
  { weight: 30, arbitrary: fc.integer({ min: 1, max: 999 }) },
  { weight: 1, arbitrary: fc.constant(MISSING_PICK) },
);
const outcome = fc.constantFrom<AttemptOutcome>(
  "passed",
  "passed",
  "failed",
  "timed_out",
  "partial_pass",
  "cancelled",
  "lost",
);

const submission: fc.Arbitrary<Submission> = fc.record({
  lane: fc.nat({ max: 4 }),
  key: fc.nat({ max: KEYS.length - 1 }),
  policy: fc.constantFrom(...DEPENDENCY_POLICIES),
  dependsOn: fc.oneof(
    { weight: 10, arbitrary: fc.constant<number[]>([]) },
    { weight: 8, arbitrary: fc.array(dependencyPick, { minLength: 1, maxLength: 3 }) },
    {
      weight: 1,
      arbitrary: fc.array(
        fc.nat({ max: 2 }).map((index) => BATCH_PICK + index),
        { maxLength: 2 },
      ),
    },
  ),
  runInMs: fc.option(fc.integer({ min: -1_000, max: 6_000 }), { freq: 4 }),
  maxAttempts: fc.integer({ min: 1, max: 3 }),
  retryBaseMs: fc.constantFrom(0, 100, 1_000, 4_000),
  idempotency: fc.option(fc.nat({ max: 5 }), { freq: 3 }),
  body: fc.integer({ min: 0, max: 11 }).map((n) => (n === 0 ? 1 : 0)),
  requirements: fc.constantFrom(0, 0, 0, 1),
});

const weighted: readonly (readonly [number, fc.Arbitrary<Step>])[] = [
  [14, fc.record({ kind: fc.constant("submit"), tasks: fc.array(submission, { minLength: 1, maxLength: 4 }) })],
  [
    16,
    fc.record({
      kind: fc.constant("claim"),
      limit: fc.integer({ min: 1, max: 4 }),
      holder: fc.nat({ max: 1 }),
      picky: fc.boolean(),
    }),
  ],
  [
    14,
    fc.record({
      kind: fc.constant("finish"),
      pick,
      outcome,
      terminal: fc.integer({ max: 7, min: 0 }).map((n) => n === 0),
    }),
  ],
  [7, fc.record({ kind: fc.constant("report again"), pick, outcome })],
  [6, fc.record({ kind: fc.constant("worker dies"), pick })],
  [2, fc.record({ kind: fc.constant("release"), pick })],
  [1, fc.record({ kind: fc.constant("progress"), pick })],
  [4, fc.record({ kind: fc.constant("cancel"), pick })],
  [5, fc.record({ kind: fc.constant("retry"), pick })],
  [1, fc.record({ kind: fc.constant("drop"), pick })],
  [2, fc.record({ kind: fc.constant("node restarts") })],
  [
    3,
    fc.record({
      kind: fc.constant("key policy"),
      key: fc.integer({ min: 1, max: KEYS.length - 1 }),
      policy: fc.nat({ max: 6 }),
    }),
  ],
  [1, fc.record({ kind: fc.constant("pause"), paused: fc.constantFrom(true, false, false) })],
  [8, fc.record({ kind: fc.constant("time passes"), ms: fc.integer({ min: 1, max: 6_000 }) })],
  [1, fc.record({ kind: fc.constant("process stands still"), ms: fc.integer({ min: 1, max: 60_000 }) })],
  [2, fc.record({ kind: fc.constant("wall clock jumps"), ms: fc.integer({ min: -3_600_000, max: 3_600_000 }) })],
  [1, fc.record({ kind: fc.constant("add schedule"), overlap: fc.constantFrom("skip", "allow") })],
  [1, fc.record({ kind: fc.constant("remove schedule"), pick })],
  [1, fc.record({ kind: fc.constant("prune"), olderThanMs: fc.nat({ max: 5_000 }) })],
];

export function histories(maxSteps: number): fc.Arbitrary<Step[]> {
  const step = fc.oneof(...weighted.map(([weight, arbitrary]) => ({ weight, arbitrary })));
  return fc.array(step, { minLength: Math.floor(maxSteps / 2), maxLength: maxSteps, size: "max" });
}

/** @returns one of them, the same for the same pick; undefined when there is none. */
export function choose<T>(from: readonly T[], pick: number): T | undefined {
  return from[pick % Math.max(1, from.length)];
}
