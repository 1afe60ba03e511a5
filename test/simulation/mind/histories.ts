/** Random histories: rules, facts, what people do, gaps, and crashes. */
import fc from "fast-check";
import {
  ACTIVE_STATES,
  checkSettings,
  DEFAULT_SETTINGS,
  type Facts,
  type Fault,
  type FaultKind,
  FSM_STATES,
  type FsmSettings,
  type MindEvent,
  QUIET,
  REMEDIATIONS,
  type Remediation,
} from "../../../src/fsm/index.ts";
import { Player } from "./player.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

type Turn = {
  readonly afterMs: number;
  readonly event: MindEvent;
  readonly facts: Facts;
  readonly kept: number | null;
  readonly backMs: number;
};
export type History = { readonly settings: FsmSettings; readonly turns: readonly Turn[] };

const between = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });

const settings = fc
  .record({
    dwellMs: between(1, 20),
    overMs: between(1, 120),
    healingMs: between(30, 120),
    entries: between(1, 4),
    episodes: between(1, 6),
    fruitless: between(1, 3),
    restS: between(1, 120),
    windowMin: between(10, 60),
    sharePercent: between(20, 50),
    atOnce: between(1, 3),
    periodMin: between(1, 30),
  })
  .map((drawn) => {
    const dwell = drawn.dwellMs * SECOND;
    const deadline = Math.max(MINUTE, dwell + drawn.overMs * SECOND);
    return {
      ...DEFAULT_SETTINGS,
      dwellMs: { resting: dwell, executing: dwell, improving: 2 * dwell, contemplating: dwell, healing: dwell },
      deadlineMs: {
        executing: deadline,
        improving: deadline,
        contemplating: deadline,
        healing: drawn.healingMs * SECOND,
      },
      entriesPerPeriod: {
        executing: 2 * drawn.entries,
        improving: drawn.entries,
        contemplating: 1,
        healing: drawn.entries,
      },
      healing: {
        windowMs: drawn.windowMin * MINUTE,
        sharePercent: drawn.sharePercent,
        episodes: drawn.episodes,
        fruitless: drawn.fruitless,
        againMs: drawn.restS * SECOND,
        restMs: drawn.restS * SECOND,
        maxRestMs: 4 * drawn.restS * SECOND,
        holdRetryMs: 5 * MINUTE,
        atOnce: drawn.atOnce,
      },
      pace: { ...DEFAULT_SETTINGS.pace, periodMs: drawn.periodMin * MINUTE },
    };
  })
  .filter((drawn) => checkSettings(drawn).ok);

const KINDS: readonly FaultKind[] = ["stuckTasks", "endpointsDown", "nodeFailing", "memoryLow", "mergeConflict"];
const LEVELS: Readonly<Partial<Record<FaultKind, number>>> = { endpointsDown: 100, memoryLow: 95, mergeConflict: 1 };

const fault: fc.Arbitrary<Fault> = fc
  .record({
    kind: fc.constantFrom(...KINDS),
    target: fc.constantFrom("a", "b"),
    share: fc.constantFrom(0, 0.5, 0.95, 1, 2),
    healthyAttempts: fc.constantFrom(0, 0, 1),
  })
  .map(({ kind, target, share, healthyAttempts }) => ({
    kind,
    target,
    level: Math.floor((LEVELS[kind] ?? 3) * share),
    healthyAttempts,
  }));

const facts: fc.Arbitrary<Facts> = fc
  .record({
    readyGoals: fc.constantFrom(0, 0, 1),
    readyTasks: fc.constantFrom(0, 0, 2),
    runningAttempts: fc.constantFrom(0, 0, 1),
    isActivityDone: fc.boolean(),
    wellForMs: fc.constantFrom(0, 0, SECOND, 10 * MINUTE),
    left: fc.constantFrom(100, 100, 100, 3, 0),
    /** Of one state alone, where it is another one's. */
    own: fc.constantFrom(null, null, ...ACTIVE_STATES.map((state) => ({ state, left: 0 }))),
    sinceScanMs: fc.constantFrom(0, 0, null, 7 * 3_600_000),
    sinceProposalMs: fc.constantFrom(0, 0, null, 2 * 86_400_000),
    wakeEvents: fc.constantFrom(0, 0, 0, 1),
    faults: fc.oneof(fc.constant<readonly Fault[]>([]), fc.array<Fault>(fault, { maxLength: 4 })),
    means: fc.subarray(["endpointService", "fallbackModel", "claude"] as const),
  })
  .map(({ left, own, faults, ...rest }) => ({
    ...QUIET,
    ...rest,
    budgetLeftPercent: {
      executing: left,
      improving: left,
      contemplating: left,
      healing: left,
      ...(own === null ? {} : { [own.state]: own.left }),
    },
    faults: [...faults].filter(
      (one, at) => faults.findIndex((other) => other.kind === one.kind && other.target === one.target) === at,
    ),
  }));

const plain = {
  mayInterrupt: false,
  needs: null,
  costs: false,
  attempts: 2,
  coolDownMs: 2 * SECOND,
  withinMs: 5 * MINUTE,
};
/** The catalogue, and rungs that make every condition of a rung matter within a short episode. */
const CATALOGUE: readonly Remediation[] = [
  {
    ...plain,
    fault: "mergeConflict",
    name: "routeToClaude",
    rule: { kind: "clears", withinMs: 5 * SECOND },
    needs: "claude",
    costs: true,
  },
  { ...plain, fault: "mergeConflict", name: "probeEndpoint", rule: { kind: "clears", withinMs: SECOND }, attempts: 3 },
  ...REMEDIATIONS,
  { ...plain, fault: "nodeFailing", name: "pauseKey", rule: { kind: "lowers", withinMs: 30 * SECOND } },
];

const by = "ada";
const event: fc.Arbitrary<MindEvent> = fc.oneof(
  { weight: 30, arbitrary: fc.constant<MindEvent>({ kind: "tick" }) },
  {
    weight: 1,
    arbitrary: between(-1, 300).map(
      (s): MindEvent => ({ kind: "pause", by, reason: "r", forMs: s < 1 ? null : s * SECOND }),
    ),
  },
  { weight: 2, arbitrary: fc.constant<MindEvent>({ kind: "resume", by }) },
  { weight: 1, arbitrary: fc.constant<MindEvent>({ kind: "release", by }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(...FSM_STATES).map((to): MindEvent => ({ kind: "force", by, to, reason: "r" })),
  },
  { weight: 2, arbitrary: between(-1, 100).map((s): MindEvent => ({ kind: "stoodStill", missedMs: s * SECOND })) },
);

const afterMs = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(1, SECOND, 5 * SECOND) },
  { weight: 4, arbitrary: between(0, 90 * SECOND) },
  { weight: 1, arbitrary: between(0, 30 * MINUTE) },
);

/** Facts last for some turns, so that something can come of them; whether attempts are well changes from turn to turn. */
const stretch: fc.Arbitrary<readonly Turn[]> = fc
  .record({
    facts,
    turns: fc.array(
      fc.record({
        afterMs,
        event,
        kept: fc.constantFrom(null, null, null, null, null, null, null, null, null, 0, 1, 2),
        healthyAttempts: fc.constantFrom(null, null, 0, 1),
        backMs: fc.constantFrom(0, 0, 0, 0, SECOND, MINUTE),
      }),
      { minLength: 1, maxLength: 12, size: "max" },
    ),
  })
  .map(({ facts: same, turns }) =>
    turns.map(({ healthyAttempts, ...turn }) => {
      if (healthyAttempts === null) return { ...turn, facts: same };
      return { ...turn, facts: { ...same, faults: same.faults.map((one) => ({ ...one, healthyAttempts })) } };
    }),
  );

export const histories: fc.Arbitrary<History> = fc.record({
  settings,
  turns: fc.array(stretch, { minLength: 2, maxLength: 20, size: "max" }).map((stretches) => stretches.flat()),
});

/** Throws a Violation when a law is broken. @returns how often what happened. */
export function playHistory({ settings: numbers, turns }: History, readsText: boolean): ReadonlyMap<string, number> {
  const player = new Player({ settings: numbers, remediations: CATALOGUE }, 1_000_000, readsText);
  for (const { event: told, facts: seen, afterMs: laterMs, kept, backMs } of turns) {
    player.tell(told, seen, laterMs, kept, backMs);
  }
  return player.laws.tally;
}
