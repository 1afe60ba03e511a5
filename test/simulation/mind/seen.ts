/** A step of the mind with everything that it was decided by, and levels reckoned anew. */
import {
  type Facts,
  type FaultKind,
  type FsmRules,
  type FsmSettings,
  type FsmState,
  type Mind,
  type MindEvent,
  type MindStep,
} from "../../../src/fsm/index.ts";

/** One step as it was seen. `nowMs` is not before the mind's last entry. */
export type Seen = {
  readonly before: Mind;
  readonly event: MindEvent;
  readonly facts: Facts;
  readonly rules: FsmRules;
  readonly nowMs: number;
  readonly result: MindStep;
};

const COUNTED: readonly FaultKind[] = ["stuckTasks", "spentTasks"];

export function levelOf({ faults }: Facts, kind: FaultKind): number {
  let sum = 0;
  let worst = 0;
  for (const fault of faults) {
    if (fault.kind !== kind) continue;
    sum += fault.level;
    worst = Math.max(worst, fault.level);
  }
  return COUNTED.includes(kind) ? sum : worst;
}

/** FSM4: whether healing may begin. */
export function isSick(facts: Facts, { settings }: FsmRules): boolean {
  return facts.faults.some(({ kind }) => levelOf(facts, kind) >= settings.enterAt[kind]);
}

/** @returns the kinds that are above the lower threshold. */
export function above(facts: Facts, { settings }: FsmRules): readonly FaultKind[] {
  return facts.faults.map(({ kind }) => kind).filter((kind) => levelOf(facts, kind) > settings.leaveAt[kind]);
}

/** Whether all that is wrong of a kind, but for what may stay, was handed over and still is. */
export function isHandedOver({ before, facts, rules, nowMs, result }: Seen, kind: FaultKind): boolean {
  const treatments = [...before.treatments, ...result.mind.treatments];
  const open = facts.faults.filter(
    ({ kind: other, target }) =>
      !treatments.some(
        (each) =>
          each.fault === other && each.target === target && each.verdict === "handedOver" && each.untilMs > nowMs,
      ),
  );
  return levelOf({ ...facts, faults: open }, kind) <= rules.settings.leaveAt[kind];
}

/** FSM4: how long a state is kept at least before that way is taken. */
export function leastMs(from: FsmState, to: FsmState, { dwellMs }: FsmSettings): number {
  if (to !== "healing" || (from !== "improving" && from !== "contemplating")) return dwellMs[from];
  return Math.min(dwellMs.resting, dwellMs[from]);
}
