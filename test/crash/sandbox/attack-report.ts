/** What an attack run found, for people and for the verdict. */
import type { SandboxMode } from "../../../src/execution/sandbox/policy.ts";
import type { Who } from "./harness.ts";
import { isHeldInLimits } from "./not-held-in-limits.ts";
import { ATTACK_NAMES, type SettingReport } from "./suite.ts";

/** From ABI 6 on Landlock keeps signals inside; below it mode kernel says that it does not. */
const ABI_WITH_SIGNALS = 6;
const SIGNALS = [
  "processes: signal another process",
  "processes: signal the worker",
  "processes: signal by a process descriptor",
];

/** @returns what got through and must not have: the gaps that the mode states itself are left out. */
export function breaches(report: SettingReport): readonly string[] {
  const { mode, landlockAbi } = report.setting;
  const signals = mode === "kernel" && (landlockAbi ?? ABI_WITH_SIGNALS) < ABI_WITH_SIGNALS ? SIGNALS : [];
  const isStated = (name: string): boolean => (mode === "limits" ? !isHeldInLimits(name) : signals.includes(name));
  // With namespaces not even names may be seen.
  const sights = mode === "strict" ? report.sights : [];
  return [...report.succeeded, ...sights].filter((name) => !isStated(name));
}

/** Fewer, and somebody deleted some. */
export const LEAST_ATTACKS = 90;
/**
 * Attacks that fail without a sandbox too show nothing here. An unprivileged user may do less without one as well, and
 * hosts lack one thing or another (a terminal, a disk's device, python).
 */
export const MOST_NOT_SHOWN: Readonly<Record<Who, number>> = { dropped: 36, unprivileged: 60 };

/** @returns everything for which the run fails, in words. */
export function verdictOf(
  who: Who,
  reports: readonly SettingReport[],
  mayMiss: readonly SandboxMode[],
): readonly string[] {
  const faults: string[] = [];
  if (ATTACK_NAMES.length < LEAST_ATTACKS) faults.push(`there are ${ATTACK_NAMES.length} attacks`);
  const control = reports.find(({ setting }) => setting.mode === "none");
  if (control === undefined) return [...faults, "nothing was tried without a sandbox"];
  const idle = provesNothing(control, ATTACK_NAMES);
  if (idle.length > MOST_NOT_SHOWN[who])
    faults.push(`${idle.length} attacks fail without a sandbox too, more than ${MOST_NOT_SHOWN[who]}`);
  for (const report of reports) {
    const { mode } = report.setting;
    if (mode === "none") continue;
    if (report.notRun !== undefined) {
      if (!mayMiss.includes(mode)) faults.push(`${title(report)} could not be run: ${report.notRun}`);
      continue;
    }
    faults.push(...breaches(report).map((name) => `${title(report)}: ${name} got through`));
    faults.push(...report.brokenWork.map((name) => `${title(report)}: ordinary work did not go on: ${name}`));
  }
  return faults;
}

/** @returns the lines of a table, one for each setting, with the names of everything that got through. */
export function reportLines(who: Who, reports: readonly SettingReport[]): readonly string[] {
  const control = reports.find(({ setting }) => setting.mode === "none");
  const lines = [
    `as ${who === "dropped" ? "root, commands as another user" : "an unprivileged user"}`,
    "mode            attacks  breaches  stated gaps  sights  broken work  p50 ms  p95 ms  added p50",
  ];
  for (const report of reports) {
    if (report.notRun !== undefined) {
      lines.push(`${title(report).padEnd(15)} NOT RUN: ${report.notRun}`);
      continue;
    }
    const isControl = report === control;
    const found = isControl ? report.succeeded : breaches(report);
    const stated = isControl ? 0 : report.succeeded.filter((name) => !found.includes(name)).length;
    const [p50, p95] = [at(report.latencyMs, 0.5), at(report.latencyMs, 0.95)];
    const added = control === undefined || isControl ? "" : String(p50 - at(control.latencyMs, 0.5));
    const cells = [
      report.attacks,
      found.length,
      stated,
      report.sights.length,
      report.brokenWork.length,
      p50,
      p95,
      added,
    ];
    const widths = [7, 9, 12, 7, 12, 7, 7, 10];
    lines.push(
      `${title(report).padEnd(15)}${cells.map((cell, index) => String(cell).padStart(widths[index] ?? 8)).join(" ")}`,
    );
    if (!isControl) lines.push(...found.map((name) => `  BREACH ${name}`));
    if (report.setting.mode === "limits")
      lines.push(...report.succeeded.filter((name) => !found.includes(name)).map((name) => `  not held ${name}`));
    lines.push(...report.brokenWork.map((name) => `  BROKEN ${name}`));
  }
  if (control !== undefined) lines.push(...controlLines(control));
  return lines;
}

function controlLines(control: SettingReport): readonly string[] {
  const { attacks, succeeded, sights, byWorker } = control;
  const idle = attacks < ATTACK_NAMES.length ? [] : provesNothing(control, ATTACK_NAMES);
  return [
    `without a sandbox ${succeeded.length + sights.length} of ${attacks} attacks succeed`,
    `  ended by the worker itself, with or without: ${byWorker.length}`,
    `  fail without a sandbox too, and show nothing here: ${idle.length}`,
    ...idle.map((name) => `    ${name}`),
  ];
}

/** Attacks that prove nothing about the sandbox on this host, since they fail without it as well. */
export function provesNothing(control: SettingReport, all: readonly string[]): readonly string[] {
  const succeeded = new Set([...control.succeeded, ...control.sights, ...control.byWorker]);
  return all.filter((name) => !succeeded.has(name));
}

function title({ setting }: SettingReport): string {
  const abi = setting.landlockAbi === undefined ? "" : ` ABI ${setting.landlockAbi}`;
  return setting.mode === "none" ? "no sandbox" : `${setting.mode}${abi}`;
}

function at(values: readonly number[], ratio: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * ratio))] ?? 0);
}
