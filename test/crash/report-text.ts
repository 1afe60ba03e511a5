/** The result of a crash run for people. */
import type { CrashReport } from "./crash-run.ts";

/** @returns the lines to print. */
export function reportLines(report: CrashReport): readonly string[] {
  const { rounds, ledger, hits, rows, violations, leftovers, faults } = report;
  const starts = rounds.flatMap(({ readyMs }) => (readyMs === undefined ? [] : [readyMs])).toSorted((a, b) => a - b);
  const kinds = Map.groupBy(rounds, ({ round }) => (round.kind === "kill" ? `kill ${round.victim}` : "label"));
  const states = Map.groupBy(rows.tasks, ({ state }) => state);
  const outcomes = Map.groupBy(rows.attempts, ({ outcome }) => outcome);
  const lost = violations.filter(({ rule }) => rule === "lost").length;
  const twice = violations.filter(({ rule }) => rule === "applied twice").length;
  return [
    `rounds: ${rounds.length} (${sizes(kinds)}), without effect: ${rounds.filter(({ isHit }) => !isHit).length}`,
    `crashes at labels: ${[...hits].map(([label, many]) => `${label} ${many}`).join(", ")}`,
    `accepted: ${ledger.accepted.length} tasks, requests cut off: ${ledger.unanswered}, repeated on purpose: ${ledger.repeated}`,
    `tasks: ${sizes(states)}; attempts: ${sizes(outcomes)}; events: ${rows.events.length}`,
    `start to ready after a crash: median ${at(starts, 0.5)} ms, longest ${at(starts, 1)} ms`,
    `accepted and lost: ${lost}; results applied twice: ${twice}; other violations: ${violations.length - lost - twice}; left over: ${leftovers.length}`,
    ...violations.slice(0, 20).map(({ rule, detail }) => `VIOLATION ${rule}: ${detail}`),
    ...leftovers.slice(0, 20).map((what) => `LEFT OVER ${what}`),
    ...faults.slice(0, 20).map((what) => `FAULT ${what}`),
  ];
}

function sizes(groups: ReadonlyMap<string, readonly unknown[]>): string {
  return [...groups].map(([name, items]) => `${items.length} ${name}`).join(", ");
}

function at(sorted: readonly number[], ratio: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * ratio))] ?? 0);
}
