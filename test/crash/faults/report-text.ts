/** What fault runs print. */
import { type FaultReport, INJECTIONS } from "./fault-run.ts";
import type { WatchedReport } from "./watched-run.ts";

export function linesOfChild(report: FaultReport, seed: number): readonly string[] {
  return [
    `${report.faults} faults, seed ${seed}; milliseconds from the fault until ready again`,
    ...tableOf(INJECTIONS.map((kind) => [kind, report.readyAgainMs[kind]])),
    `processes left ${report.leakedProcesses}, zombies ${report.zombies}, descriptors ${report.descriptorsBefore} before and ${report.descriptorsAfter} after, log ${report.logBytes} bytes`,
    ...report.wrong,
  ];
}

export function linesOfWatched(report: WatchedReport): readonly string[] {
  return [
    `${report.faults} faults of drover up; milliseconds from the fault until the next node answers`,
    ...tableOf([...report.answeredAgainMs]),
    `processes left ${report.leakedProcesses}, zombies ${report.zombies}, descriptors more ${report.descriptorsGrown}, connections refused ${report.refused}, requests cut ${report.cut}, log ${report.logBytes} bytes`,
    `${report.tasksAccepted} tasks accepted, ${report.tasksWrong.length} of them not done exactly once`,
    ...report.wrong,
    ...report.tasksWrong,
  ];
}

function tableOf(rows: readonly (readonly [name: string, times: readonly number[]])[]): readonly string[] {
  const row = (name: string, times: readonly number[]): string =>
    `${name.padEnd(14)} ${String(times.length).padStart(5)} ${at(times, 0.5)} ${at(times, 0.99)}`;
  return [
    `${"kind".padEnd(14)} ${"count".padStart(5)} ${"p50".padStart(8)} ${"p99".padStart(8)}`,
    ...rows.map(([name, times]) => row(name, times)),
    row(
      "all",
      rows.flatMap(([, times]) => times),
    ),
  ];
}

function at(times: readonly number[], share: number): string {
  const sorted = [...times].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return (value === undefined ? "-" : value.toFixed(0)).padStart(8);
}
