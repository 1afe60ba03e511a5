/** What the API says of the mind of this node. */
import { z } from "zod";
import { type Entry, FAULT_MEASURES, FSM_STATES } from "#fsm";
import type { MindStanding } from "./ports.ts";

const instant = z.int();

export const entrySchema = z.object({
  /** Without gaps; names the entry, and the treatment that it begins. */
  seq: z.int(),
  atMs: instant,
  kind: z.string(),
  /** `mind`, or the name of a person. */
  by: z.string(),
  /** What belongs to its kind, such as `from`, `to`, `cause`, `reason` and `lastedMs` of a change. */
  detail: z.record(z.string(), z.unknown()),
});

const treatmentSchema = z.object({
  id: z.int(),
  fault: z.string(),
  target: z.string(),
  remediation: z.string(),
  startedMs: instant,
  untilMs: instant,
  /** Null while it may still help. */
  verdict: z.string().nullable(),
});

export const mindStateSchema = z.object({
  node: z.string(),
  isEnabled: z.boolean(),
  /** Why it does not act although it is enabled. */
  problem: z.string().nullable(),
  state: z.enum(FSM_STATES),
  sinceMs: instant,
  cause: z.string(),
  reason: z.string(),
  /** When the state ends at the latest; null at rest. */
  deadlineMs: instant.nullable(),
  /** Instants here are of the mind's own time, which never goes back; this is the present one. */
  nowMs: instant,
  /** Nothing is begun before, and no healing before. */
  restUntilMs: instant,
  healAgainMs: instant,
  pause: z.object({ by: z.string(), reason: z.string(), sinceMs: instant, untilMs: instant.nullable() }).nullable(),
  hold: z.object({ sinceMs: instant, reason: z.string(), retryAtMs: instant.nullable() }).nullable(),
  faults: z.array(
    z.object({
      kind: z.string(),
      target: z.string(),
      level: z.int(),
      /** Of all three levels: ms, %, or what is counted. */
      unit: z.string(),
      /** From which level on it is healed. */
      enterAt: z.int(),
      /** Down to which level it must fall. */
      leaveAt: z.int(),
      healthyAttempts: z.int(),
    }),
  ),
  work: z.object({ readyGoals: z.int(), readyTasks: z.int(), runningAttempts: z.int(), wakeEvents: z.int() }),
  budgetLeftPercent: z.record(z.string(), z.int()),
  treatments: z.array(treatmentSchema),
  episodes: z.array(z.object({ startedMs: instant, endedMs: instant, outcome: z.string() })),
  seq: z.int(),
});
export type MindStateView = z.output<typeof mindStateSchema>;
export type MindEntryView = z.output<typeof entrySchema>;

/** Those that nobody needs to see any more are left out. */
const TREATMENTS_SHOWN = 20;

export function mindStateView(node: string, standing: MindStanding): MindStateView {
  const { mind, facts, rules, nowMs, isEnabled, problem } = standing;
  const { state, sinceMs, cause, reason, deadlineMs, restUntilMs, healAgainMs, pause, hold, episodes, seq } = mind;
  const { readyGoals, readyTasks, runningAttempts, wakeEvents, budgetLeftPercent } = facts;
  return {
    node,
    isEnabled,
    problem,
    state,
    sinceMs,
    cause,
    reason,
    deadlineMs,
    nowMs,
    restUntilMs,
    healAgainMs,
    pause: pause === null ? null : { ...pause },
    hold: hold === null ? null : { ...hold },
    faults: facts.faults.map((fault) => ({
      ...fault,
      unit: FAULT_MEASURES[fault.kind].unit,
      enterAt: rules.settings.enterAt[fault.kind],
      leaveAt: rules.settings.leaveAt[fault.kind],
    })),
    work: { readyGoals, readyTasks, runningAttempts, wakeEvents },
    budgetLeftPercent: { ...budgetLeftPercent },
    treatments: mind.treatments
      .slice(-TREATMENTS_SHOWN)
      .map(({ levelBefore: _level, endedMs: _ended, ...shown }) => ({ ...shown })),
    episodes: episodes.map((episode) => ({ ...episode })),
    seq,
  };
}

export function entryView(entry: Entry): MindEntryView {
  const { seq, atMs, kind, by, ...detail } = entry;
  return { seq, atMs, kind, by, detail };
}

export const exampleState: z.input<typeof mindStateSchema> = {
  node: "node_01hf7yat00000000000000000",
  isEnabled: true,
  problem: null,
  state: "healing",
  sinceMs: 1_700_000_000_000,
  cause: "faultToTreat",
  reason: "stuckTasks of node_b is at 4",
  deadlineMs: 1_700_000_300_000,
  nowMs: 1_700_000_004_000,
  restUntilMs: 1_700_000_000_000,
  healAgainMs: 1_700_000_000_000,
  pause: null,
  hold: null,
  faults: [
    { kind: "stuckTasks", target: "node_b", level: 4, unit: "tasks", enterAt: 3, leaveAt: 0, healthyAttempts: 0 },
  ],
  work: { readyGoals: 0, readyTasks: 0, runningAttempts: 0, wakeEvents: 0 },
  budgetLeftPercent: { executing: 100, improving: 100, contemplating: 100, healing: 100 },
  treatments: [
    {
      id: 12,
      fault: "stuckTasks",
      target: "node_b",
      remediation: "requeueTasks",
      startedMs: 1_700_000_001_000,
      untilMs: 1_700_000_021_000,
      verdict: null,
    },
  ],
  episodes: [],
  seq: 12,
};

export const exampleEntry: z.input<typeof entrySchema> = {
  seq: 11,
  atMs: 1_700_000_000_000,
  kind: "changed",
  by: "mind",
  detail: {
    from: "resting",
    to: "healing",
    cause: "faultToTreat",
    reason: "stuckTasks of node_b is at 4",
    lastedMs: 60_000,
  },
};
