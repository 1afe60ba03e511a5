/** The machine as text for people: its diagram, its states, its thresholds and what it does about faults. */
import { FAULT_KINDS, FAULT_MEASURES } from "./facts.ts";
import { FSM_STATES } from "./mind.ts";
import { duration, levelText } from "./quantity.ts";
import type { Remediation, Rule } from "./remediations.ts";
import type { FsmRules, FsmSettings } from "./settings.ts";
import { GUARDS, TRANSITIONS } from "./transitions.ts";

/** @returns the table of transitions as a mermaid state diagram. The hold is a part of resting that has a way out of its own. */
export function renderDiagram(): string {
  const arrows = new Map<string, string[]>();
  for (const { from, to, when } of TRANSITIONS) {
    const arrow = `${from} --> ${to}`;
    arrows.set(arrow, [...(arrows.get(arrow) ?? []), when.join(" and ")]);
  }
  return [
    "stateDiagram-v2",
    "  [*] --> resting",
    ...[...arrows].map(([arrow, guards]) => `  ${arrow}: ${guards.join(", ")}`),
    "  healing --> hold: did not help again and again",
    "  hold --> resting: its cause is gone, or released by a person, or once by itself",
  ].join("\n");
}

/** @returns the guards of the diagram, one row each. */
export function renderGuards(): string {
  return table(
    ["guard", "holds when"],
    Object.entries(GUARDS).map(([name, { says }]) => [name, says]),
  );
}

/** @returns one row a state: the least and the longest time in it, entries in a period. */
export function renderStates({ dwellMs, deadlineMs, entriesPerPeriod, pace }: FsmSettings): string {
  return table(
    ["state", "at least", "at most", `entries in ${duration(pace.periodMs)}`],
    FSM_STATES.map((state) =>
      state === "resting"
        ? [state, duration(dwellMs[state]), "–", "–"]
        : [state, duration(dwellMs[state]), duration(deadlineMs[state]), String(entriesPerPeriod[state])],
    ),
  );
}

/** @returns one row a kind of fault: what its level measures and its two thresholds. */
export function renderThresholds({ enterAt, leaveAt }: FsmSettings): string {
  return table(
    ["fault", "level", "of a", "heals from", "until"],
    FAULT_KINDS.map((kind) => {
      const { says, target } = FAULT_MEASURES[kind];
      return [kind, says, target, levelText(kind, enterAt[kind]), levelText(kind, leaveAt[kind])];
    }),
  );
}

/** @returns one row a remediation, in the order in which they are tried. */
export function renderRemediations({ remediations }: FsmRules): string {
  return table(
    ["fault", "remediation", "attempts on a target", "cool-down", "counts as help", "only if"],
    remediations.map((row) => [
      row.fault,
      row.name,
      `${row.attempts} in ${duration(row.withinMs)}`,
      `${duration(row.coolDownMs)}, doubling`,
      ruleText(row.rule),
      conditionsOf(row),
    ]),
  );
}

function ruleText(rule: Rule): string {
  if (rule.kind === "handsOver") return `handed over for ${duration(rule.forMs)}`;
  const what = rule.kind === "clears" ? "the fault is gone" : "the level is lower";
  return `${what} within ${duration(rule.withinMs)}`;
}

const MEANS_TEXT = {
  endpointService: "its service is configured",
  fallbackModel: "there is a fallback model",
  claude: "Claude is allowed",
} as const;

function conditionsOf({ mayInterrupt, needs, costs }: Remediation): string {
  const conditions = [
    mayInterrupt ? "no attempt on the target is well" : null,
    needs === null ? null : MEANS_TEXT[needs],
    costs ? "the budget of healing is not spent" : null,
  ];
  return conditions.filter((condition) => condition !== null).join("; ") || "–";
}

/** Padded as the formatter of the documents does it, so that what is generated is what lies there. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(...[head, ...rows].map((row) => (row[column] ?? title).length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rows.map(line)].join("\n");
}
