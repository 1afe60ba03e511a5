import type { Mutation } from "./mutation.ts";

const STEP = "step.ts";
const JOURNAL = "journal.ts";

/** Of FSM11. */
export const HOLD_MUTATIONS: readonly Mutation[] = [
  {
    name: "FSM11: only a person ends a hold whose cause is gone",
    file: STEP,
    find: "if (isOver) pen",
    replace: "if (isOver && hold.sinceMs < 0) pen",
  },
  {
    name: "FSM11: a hold is over at the first moment without a fault",
    file: STEP,
    find: "moment.facts.wellForMs >= moment.rules.settings.healing.againMs && isWell",
    replace: "isWell",
  },
  {
    name: "FSM11: a hold is over by hearsay",
    file: STEP,
    find: " && isWell(pen.mind, moment);",
    replace: " && (isWell(pen.mind, moment) || pen.mind.hold !== null);",
  },
  {
    name: "FSM11: a hold is over where no remediation is left",
    file: "healing-policy.ts",
    find: `return kind === "recovered" || kind === "handedOver";`,
    replace: `return kind === "recovered" || kind === "handedOver" || kind === "exhausted";`,
  },
  {
    name: "FSM11: work waits on after a hold that is over",
    file: JOURNAL,
    find: "return { ...next, hold: null, restUntilMs: entry.atMs };",
    replace: "return { ...next, hold: null };",
  },
  {
    name: "FSM11: the end of a hold forgets its episodes",
    file: JOURNAL,
    find: "return { ...next, hold: null, restUntilMs: entry.atMs };",
    replace: "return { ...next, hold: null, restUntilMs: entry.atMs, episodes: [] };",
  },
  {
    name: "FSM11: the end of a hold lets healing begin at once",
    file: JOURNAL,
    find: "return { ...next, hold: null, restUntilMs: entry.atMs };",
    replace: "return { ...next, hold: null, restUntilMs: entry.atMs, healAgainMs: entry.atMs };",
  },
  {
    name: "FSM11: the end of a hold takes its one retry",
    file: JOURNAL,
    find: "return { ...next, hold: null, restUntilMs: entry.atMs };",
    replace: "return { ...next, hold: null, restUntilMs: entry.atMs, retriedAtMs: entry.atMs };",
  },
];
