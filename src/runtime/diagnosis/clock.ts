/** Whether the time of day can be believed: certificates, schedules and the age of everything hang on it. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "#cli";
import { entryOf } from "#watchdog";
import { finding } from "./finding.ts";
import { PROC, readOptional } from "./proc.ts";

export type ClockFacts = {
  readonly nowMs: number;
  /** When the newest file of the state folder was changed; null without one. */
  readonly newest: { readonly name: string; readonly atMs: number } | null;
  /** When the watchdog started: by the clock at that time, and by the time since, which no clock jump changes. */
  readonly started: { readonly atMs: number; readonly agoMs: number } | null;
  /** Null where nothing says. */
  readonly isSynchronised: boolean | null;
};

/** This release was written later, so that no right clock shows less. */
export const EARLIEST_NOW_MS = Date.UTC(2026, 10, 1);
/** Clocks of one network differ by less; hosts that sleep or are slow to start by more than seconds. */
export const TOLERANCE_MS = 5 * 60_000;
const REMEDY = "Set the clock, and keep it set: timedatectl set-ntp true";

export function clockFindings({ nowMs, newest, started, isSynchronised }: ClockFacts): readonly Finding[] {
  const now = new Date(nowMs).toISOString();
  if (nowMs < EARLIEST_NOW_MS) {
    return [finding("clock", "fail", `the clock shows ${now}, which is before this release was made`, REMEDY)];
  }
  if (newest !== null && newest.atMs > nowMs + TOLERANCE_MS) {
    const detail = `the clock shows ${now}, but ${newest.name} was written at ${new Date(newest.atMs).toISOString()}`;
    return [finding("clock", "warn", `${detail}: it was or is wrong`, REMEDY)];
  }
  const jumpMs = started === null ? 0 : nowMs - started.atMs - started.agoMs;
  if (Math.abs(jumpMs) > TOLERANCE_MS) {
    const direction = jumpMs > 0 ? "forward" : "back";
    const detail = `the clock was set ${direction} by ${Math.round(Math.abs(jumpMs) / 1_000)} s since drover started`;
    return [finding("clock", "warn", detail, "See that it is right now: timedatectl")];
  }
  if (isSynchronised === false) {
    const detail = "systemd-timesyncd has not set the clock since the host started";
    return [finding("clock", "warn", detail, "See why: timedatectl timesync-status")];
  }
  return [finding("clock", "ok", isSynchronised === true ? `${now}, synchronised` : now)];
}

/** @param timesync the folder of systemd-timesyncd, `/run/systemd/timesync` but for tests. */
export function lookAtClock(
  stateDir: string,
  nowMs: number,
  watchdog: { readonly pid: number; readonly startedAtMs: number } | undefined,
  timesync = "/run/systemd/timesync",
): ClockFacts {
  const agoMs = watchdog === undefined ? null : ageMs(watchdog.pid);
  return {
    nowMs,
    newest: newestIn(stateDir),
    started: watchdog === undefined || agoMs === null ? null : { atMs: watchdog.startedAtMs, agoMs },
    isSynchronised: existsSync(timesync) ? existsSync(join(timesync, "synchronized")) : null,
  };
}

/** Files of a folder that are looked at; a state folder holds a few dozen. */
const MAX_FILES = 1_000;

function newestIn(folder: string): ClockFacts["newest"] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return null;
  const files = readdirSync(folder)
    .slice(0, MAX_FILES)
    .map((name) => ({ name, atMs: statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0 }));
  return files.reduce<ClockFacts["newest"]>(
    (newest, file) => (newest === null || file.atMs > newest.atMs ? file : newest),
    null,
  );
}

/** USER_HZ: the unit of /proc/PID/stat, 100 on every platform that drover runs on. */
const TICKS_PER_SECOND = 100;

function ageMs(pid: number): number | null {
  const entry = entryOf(pid);
  const uptimeSeconds = Number.parseFloat(readOptional(join(PROC, "uptime")) ?? "");
  if (entry === undefined || Number.isNaN(uptimeSeconds)) return null;
  return (uptimeSeconds - Number(entry.startTicks) / TICKS_PER_SECOND) * 1_000;
}
