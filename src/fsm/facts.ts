/** What the mind is told at each tick. Levels, not edges: a lost event does no harm, because the next facts say the same. */
import type { ActiveState } from "./mind.ts";

/** In the order in which they are treated: what others need to be well comes first. */
export const FAULT_KINDS = [
  "databaseFailing",
  "diskLow",
  "memoryLow",
  "nodeFailing",
  "replicaBehind",
  "endpointsDown",
  "crashLoop",
  "queueGrowing",
  "stuckTasks",
  "spentTasks",
  "repositoryBroken",
  "mergeConflict",
  "clockSkew",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** How the levels of several targets make one: counts add up, of measurements the worst counts. */
type FaultMeasure = { readonly says: string; readonly unit: string; readonly target: string; readonly sum: boolean };

/** What the level of each kind measures, and of what. The larger, the worse; 0 is well. */
export const FAULT_MEASURES: Readonly<Record<FaultKind, FaultMeasure>> = {
  databaseFailing: { says: "checks of a database that failed in a row", unit: "checks", target: "file", sum: false },
  diskLow: { says: "space of a file system that is used", unit: "%", target: "folder", sum: false },
  memoryLow: { says: "memory of a host that is used", unit: "%", target: "node", sum: false },
  nodeFailing: { says: "checks of a node that failed in a row", unit: "checks", target: "node", sum: false },
  replicaBehind: { says: "how far a replica is behind", unit: "ms", target: "node", sum: false },
  endpointsDown: { says: "endpoints that are not healthy, of all", unit: "%", target: "endpoint", sum: false },
  crashLoop: { says: "crashes of the attempts of a key in ten minutes", unit: "crashes", target: "key", sum: false },
  queueGrowing: {
    says: "tasks of a key that were added in a minute, less those that ended",
    unit: "tasks",
    target: "key",
    sum: false,
  },
  stuckTasks: { says: "tasks held by a node that is offline", unit: "tasks", target: "node", sum: true },
  spentTasks: { says: "stuck tasks that were requeued three times", unit: "tasks", target: "node", sum: true },
  repositoryBroken: {
    says: "builds or tests of a repository that fail",
    unit: "checks",
    target: "repository",
    sum: false,
  },
  mergeConflict: { says: "files of a branch in conflict", unit: "files", target: "branch", sum: false },
  clockSkew: { says: "how far the clock of a node is off", unit: "ms", target: "node", sum: false },
};

/** The longest name of a target: that of a path. A fault with a longer one is passed over. */
export const MAX_TARGET_CHARS = 4_096;

export type Fault = {
  readonly kind: FaultKind;
  readonly target: string;
  /** A whole number. */
  readonly level: number;
  /** Attempts that run on the target and are well. What may interrupt them is not done (FSM7). */
  readonly healthyAttempts: number;
};

/** What a remediation may need and not every fleet has. */
export const MEANS = ["endpointService", "fallbackModel", "claude"] as const;
export type Means = (typeof MEANS)[number];

/**
 * Faults that are looked at in one step. A host has some ten disks, models and keys; a fleet that reports more has one
 * cause, and whatever is not reached now is reached when these are well.
 */
export const MAX_FAULTS = 256;

export type Facts = {
  /** Of goals that may be worked on. */
  readonly readyGoals: number;
  /** Of the tasks of goals. */
  readonly readyTasks: number;
  readonly runningAttempts: number;
  /** Whether the activity of the present state says that it has nothing left to do. */
  readonly isActivityDone: boolean;
  /** For how long nothing has been wrong but what was handed over, as far back as this process looked without a gap. */
  readonly wellForMs: number;
  /** Whole percents of what each state may spend; 0 is spent. */
  readonly budgetLeftPercent: Readonly<Record<ActiveState, number>>;
  /** Since repositories were last scanned, and since something was last proposed; null: never. */
  readonly sinceScanMs: number | null;
  readonly sinceProposalMs: number | null;
  /** Events from outside, such as a push to a repository, that nobody has looked at. */
  readonly wakeEvents: number;
  /** One of a kind and target at most. */
  readonly faults: readonly Fault[];
  readonly means: readonly Means[];
};

/** All is well and nothing is to be done. */
export const QUIET: Facts = {
  readyGoals: 0,
  readyTasks: 0,
  runningAttempts: 0,
  isActivityDone: false,
  wellForMs: 0,
  budgetLeftPercent: { executing: 100, improving: 100, contemplating: 100, healing: 100 },
  sinceScanMs: 0,
  sinceProposalMs: 0,
  wakeEvents: 0,
  faults: [],
  means: [],
};

/** A task of which somebody says that it does not move. */
export type SuspectTask = {
  readonly node: string;
  readonly isNodeOnline: boolean;
  /** Its attempt was heard of within its lease. */
  readonly isAttemptHealthy: boolean;
  readonly requeues: number;
};

/** How often a task is taken from a node that went away before it is a dead letter: three nodes in a row mean the task. */
export const MAX_REQUEUES = 3;

/**
 * @returns the faults that suspect tasks make, one per node and kind. A task of a node that is online belongs to that
 *   node, and one whose attempt is well is not stuck (FSM7).
 */
export function faultsOfTasks(tasks: readonly SuspectTask[]): readonly Fault[] {
  const stuck = tasks.filter(({ isNodeOnline, isAttemptHealthy }) => !isNodeOnline && !isAttemptHealthy);
  const nodes = [...new Set(stuck.map(({ node }) => node))];
  return nodes.flatMap((node) => {
    const held = stuck.filter((task) => task.node === node);
    const spent = held.filter(({ requeues }) => requeues >= MAX_REQUEUES).length;
    const healthyAttempts = tasks.filter((task) => task.node === node && task.isAttemptHealthy).length;
    return [
      { kind: "stuckTasks", target: node, level: held.length - spent, healthyAttempts } as const,
      { kind: "spentTasks", target: node, level: spent, healthyAttempts } as const,
    ].filter(({ level }) => level > 0);
  });
}

/** @returns a fault for each endpoint that is not healthy; the level of each is the share of all that are not. */
export function faultsOfEndpoints(
  endpoints: readonly { readonly id: string; readonly isHealthy: boolean; readonly healthyAttempts: number }[],
): readonly Fault[] {
  const down = endpoints.filter(({ isHealthy }) => !isHealthy);
  const level = Math.floor((100 * down.length) / Math.max(1, endpoints.length));
  return down.map(({ id, healthyAttempts }) => ({ kind: "endpointsDown", target: id, level, healthyAttempts }));
}
