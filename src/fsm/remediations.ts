/** The catalogue: what is done about each kind of fault, in order, how often, and what counts as help. */
import type { FaultKind, Means } from "./facts.ts";

export const REMEDIATION_NAMES = [
  "checkpointDatabase",
  "compactDatabase",
  "prune",
  "unloadIdleModels",
  "restartNode",
  "reattachReplica",
  "rebuildReplica",
  "probeEndpoint",
  "reloadModel",
  "restartEndpointService",
  "routeToFallback",
  "routeToClaude",
  "pauseKey",
  "requeueTasks",
  "deadLetterTasks",
  "openFixTask",
  "reportConflicts",
  "askPerson",
] as const;
export type RemediationName = (typeof REMEDIATION_NAMES)[number];

/**
 * When it has helped: the level falls to the threshold of leaving (`clears`) or below what it was (`lowers`) within a
 * time; or somebody else has the fault from now on (`handsOver`), and it makes nobody heal for that time.
 */
export type Rule =
  | { readonly kind: "clears" | "lowers"; readonly withinMs: number }
  | { readonly kind: "handsOver"; readonly forMs: number };

export type Remediation = {
  readonly fault: FaultKind;
  readonly name: RemediationName;
  /** Carried out so often on one target within `withinMs`, whatever kind of fault asks for it (FSM8). */
  readonly attempts: number;
  readonly withinMs: number;
  /** From the end of one to the next on the same target; doubles each time. */
  readonly coolDownMs: number;
  readonly rule: Rule;
  /** Whether attempts on the target could be ended by it; then it is done only where none is well (FSM7). */
  readonly mayInterrupt: boolean;
  readonly needs: Means | null;
  /** Whether it spends tokens or money, and therefore the budget of healing. */
  readonly costs: boolean;
};

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

type Optional = Partial<Pick<Remediation, "mayInterrupt" | "needs" | "costs">>;

function of(
  fault: FaultKind,
  name: RemediationName,
  often: readonly [attempts: number, withinMs: number, coolDownMs: number],
  rule: Rule,
  optional: Optional = {},
): Remediation {
  const [attempts, withinMs, coolDownMs] = often;
  return {
    fault,
    name,
    attempts,
    withinMs,
    coolDownMs,
    rule,
    mayInterrupt: false,
    needs: null,
    costs: false,
    ...optional,
  };
}

const clears = (withinMs: number): Rule => ({ kind: "clears", withinMs });
const lowers = (withinMs: number): Rule => ({ kind: "lowers", withinMs });
const handsOver = (forMs: number): Rule => ({ kind: "handsOver", forMs });

/**
 * The gentlest first. Times to show a result are such that a whole ladder fits into the five minutes of an episode, or
 * goes on in the next one. A restart of a node takes some seconds and a model is loaded within two minutes (hardware
 * of five years ago); copying a replica anew depends on its size, so it is judged by whether it comes nearer.
 */
export const REMEDIATIONS: readonly Remediation[] = [
  of("databaseFailing", "checkpointDatabase", [2, HOUR, 15 * SECOND], clears(20 * SECOND)),
  of("databaseFailing", "compactDatabase", [1, DAY, MINUTE], clears(2 * MINUTE)),
  of("databaseFailing", "restartNode", [2, HOUR, MINUTE], clears(MINUTE), { mayInterrupt: true }),

  of("diskLow", "prune", [2, HOUR, 30 * SECOND], lowers(MINUTE)),
  of("diskLow", "compactDatabase", [1, DAY, MINUTE], lowers(2 * MINUTE)),

  of("memoryLow", "unloadIdleModels", [3, HOUR, 30 * SECOND], lowers(30 * SECOND)),
  of("memoryLow", "restartNode", [2, HOUR, MINUTE], lowers(MINUTE), { mayInterrupt: true }),

  of("nodeFailing", "restartNode", [2, HOUR, MINUTE], clears(MINUTE), { mayInterrupt: true }),

  of("replicaBehind", "reattachReplica", [2, HOUR, 15 * SECOND], clears(MINUTE)),
  of("replicaBehind", "rebuildReplica", [1, 6 * HOUR, MINUTE], lowers(2 * MINUTE)),

  of("endpointsDown", "probeEndpoint", [3, 30 * MINUTE, 5 * SECOND], clears(5 * SECOND)),
  of("endpointsDown", "reloadModel", [1, 30 * MINUTE, MINUTE], clears(2 * MINUTE), { mayInterrupt: true }),
  of("endpointsDown", "restartEndpointService", [1, HOUR, MINUTE], clears(MINUTE), {
    mayInterrupt: true,
    needs: "endpointService",
  }),
  of("endpointsDown", "routeToFallback", [4, DAY, MINUTE], handsOver(HOUR), { needs: "fallbackModel" }),
  of("endpointsDown", "routeToClaude", [4, DAY, MINUTE], handsOver(HOUR), { needs: "claude", costs: true }),

  of("crashLoop", "pauseKey", [3, DAY, 10 * MINUTE], handsOver(30 * MINUTE)),
  of("crashLoop", "askPerson", [2, DAY, HOUR], handsOver(DAY)),

  of("queueGrowing", "pauseKey", [3, DAY, 10 * MINUTE], handsOver(30 * MINUTE)),
  of("queueGrowing", "askPerson", [2, DAY, HOUR], handsOver(DAY)),

  of("stuckTasks", "requeueTasks", [3, HOUR, 10 * SECOND], lowers(20 * SECOND)),
  of("spentTasks", "deadLetterTasks", [3, HOUR, 10 * SECOND], clears(20 * SECOND)),

  of("repositoryBroken", "openFixTask", [3, DAY, HOUR], handsOver(4 * HOUR), { costs: true }),
  of("repositoryBroken", "askPerson", [2, DAY, HOUR], handsOver(DAY)),
  of("mergeConflict", "reportConflicts", [2, DAY, HOUR], handsOver(DAY)),
  of("clockSkew", "askPerson", [2, DAY, HOUR], handsOver(DAY)),
];
