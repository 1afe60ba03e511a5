/** Rules with numbers so small that every state of the mind can be visited; one unit of time is a millisecond. */
import { DEFAULT_SETTINGS, type FsmRules, type Remediation } from "../../../src/fsm/index.ts";

const LADDER: readonly Remediation[] = [
  {
    fault: "stuckTasks",
    name: "requeueTasks",
    attempts: 2,
    withinMs: 4,
    coolDownMs: 1,
    rule: { kind: "lowers", withinMs: 1 },
    mayInterrupt: false,
    needs: null,
    costs: false,
  },
  {
    fault: "stuckTasks",
    name: "restartNode",
    attempts: 1,
    withinMs: 3,
    coolDownMs: 1,
    rule: { kind: "clears", withinMs: 2 },
    mayInterrupt: true,
    needs: null,
    costs: false,
  },
  {
    fault: "clockSkew",
    name: "askPerson",
    attempts: 1,
    withinMs: 3,
    coolDownMs: 1,
    rule: { kind: "handsOver", forMs: 2 },
    mayInterrupt: false,
    needs: null,
    costs: true,
  },
];

/** @param size `tiny` for the suite, `small` for the command. */
export function smallRules(size: "tiny" | "small"): FsmRules {
  const isTiny = size === "tiny";
  return {
    settings: {
      ...DEFAULT_SETTINGS,
      dwellMs: { resting: 1, executing: 1, improving: 2, contemplating: isTiny ? 1 : 2, healing: 1 },
      deadlineMs: { executing: 2, improving: 3, contemplating: isTiny ? 2 : 3, healing: 2 },
      entriesPerPeriod: { executing: 1, improving: 1, contemplating: 1, healing: isTiny ? 1 : 2 },
      enterAt: { ...DEFAULT_SETTINGS.enterAt, stuckTasks: 3, clockSkew: 2 },
      leaveAt: { ...DEFAULT_SETTINGS.leaveAt, stuckTasks: 0, clockSkew: 0 },
      healing: {
        windowMs: isTiny ? 3 : 4,
        sharePercent: 75,
        episodes: 2,
        fruitless: isTiny ? 1 : 2,
        againMs: 1,
        restMs: 1,
        maxRestMs: 1,
        holdRetryMs: 1,
        atOnce: isTiny ? 1 : 2,
      },
      pace: { periodMs: isTiny ? 2 : 3, scanEveryMs: 5, proposeEveryMs: 5, budgetPercent: 5 },
    },
    remediations: isTiny ? LADDER.slice(0, 2) : LADDER,
  };
}
