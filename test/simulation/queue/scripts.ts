import { KEYS, type Step, type Submission } from "./steps.ts";

/**
 * Histories written by hand for meetings that chance arranges too seldom. They run before the random ones, under the
 * same checks.
 */
const plain: Submission = {
  lane: 2,
  key: 0,
  policy: "wait",
  dependsOn: [],
  runInMs: null,
  maxAttempts: 2,
  retryBaseMs: 1_000,
  idempotency: null,
  body: 0,
  requirements: 0,
};
const KEY = KEYS.indexOf("a");
const keyed: Submission = { ...plain, key: KEY };
const claim: Step = { kind: "claim", limit: 4, holder: 0, picky: false };
const lose: Step = { kind: "finish", pick: 0, outcome: "lost", terminal: false };

/** Places in the list of policies. */
const ONE_AT_A_TIME = 1;
const SLOW_RATE = 3;
const PAUSED = 6;

export const SCRIPTS: readonly (readonly Step[])[] = [
  // A key waits for its next token, and only time can bring it; then the wall clock goes back by an hour.
  [
    { kind: "key policy", key: KEY, policy: SLOW_RATE },
    { kind: "submit", tasks: [keyed, keyed, keyed] },
    claim,
    { kind: "finish", pick: 0, outcome: "passed", terminal: false },
    { kind: "wall clock jumps", ms: -3_600_000 },
  ],
  // A key that holds tasks back is paused.
  [
    { kind: "key policy", key: KEY, policy: ONE_AT_A_TIME },
    { kind: "submit", tasks: [keyed, keyed] },
    { kind: "key policy", key: KEY, policy: PAUSED },
  ],
  // A dead letter that another task still waits for is to be dropped, then pruned.
  [
    { kind: "submit", tasks: [plain] },
    { kind: "submit", tasks: [{ ...plain, dependsOn: [1] }] },
    claim,
    { kind: "finish", pick: 0, outcome: "failed", terminal: true },
    { kind: "drop", pick: 1 },
    { kind: "time passes", ms: 1_000 },
    { kind: "prune", olderThanMs: 0 },
  ],
  // A retry waits, and the wall clock goes back by an hour.
  [
    { kind: "submit", tasks: [plain] },
    claim,
    { kind: "finish", pick: 0, outcome: "failed", terminal: false },
    { kind: "wall clock jumps", ms: -3_600_000 },
  ],
  // The process stands still for a minute while a worker works on.
  [
    { kind: "submit", tasks: [plain] },
    claim,
    { kind: "time passes", ms: 1_000 },
    { kind: "process stands still", ms: 60_000 },
    { kind: "time passes", ms: 1_000 },
    { kind: "finish", pick: 0, outcome: "passed", terminal: false },
  ],
  // Every attempt of a task is lost: more often than it may be attempted, and then no more.
  [{ kind: "submit", tasks: [plain] }, ...Array.from({ length: 6 }, () => [claim, lose]).flat()],
];
