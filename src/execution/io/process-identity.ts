/**
 * Which process a pid means. Pids are reused, so a process is identified by pid, start time and boot. On Linux all
 * three come from /proc; elsewhere the start time is the text of `ps -o lstart` (whole seconds) and the boot is not
 * known, which is weaker: two processes with one pid within one second would be taken for one.
 */
import { readFileSync } from "node:fs";

export type ProcessIdentity = {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot, decimal. */
  readonly startTicks: string;
  readonly bootId: string;
};

const onLinux = process.platform === "linux";

/** One line of the process table. */
export type ProcessEntry = {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly zombie: boolean;
  readonly startTicks: string;
};

/** @returns the identity of a running process; undefined when there is none, or only its zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  if (!onLinux) {
    const startTicks = ps(["-o", "lstart=", "-p", String(pid)]).trim();
    return startTicks === "" ? undefined : { pid, startTicks, bootId: bootId() };
  }
  const entry = readEntry(pid);
  return entry === undefined || entry.zombie ? undefined : { pid, startTicks: entry.startTicks, bootId: bootId() };
}

/** Whether that very process still runs; a pid taken over by another process does not count. */
export function isRunning(identity: ProcessIdentity): boolean {
  const now = identify(identity.pid);
  return now !== undefined && now.startTicks === identity.startTicks && now.bootId === identity.bootId;
}

let knownBootId: string | undefined;

export function bootId(): string {
  knownBootId ??= onLinux ? readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim() : "unknown";
  return knownBootId;
}

/** @returns the entry of a process, zombies included; undefined when the pid is free. Linux only. */
export function readEntry(pid: number): ProcessEntry | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return undefined; // The process ended, which is what undefined says.
  }
}

/** Reads one line of /proc/PID/stat (proc_pid_stat(5)); the name may itself hold spaces and parentheses. */
export function parseStat(text: string): ProcessEntry | undefined {
  const nameEnd = text.lastIndexOf(")");
  const pid = Number.parseInt(text, 10);
  const fields = text.slice(nameEnd + 2).split(" ");
  const [state, parent, group, session] = fields;
  const startTicks = fields[19]; // field 22 of the line, 3 of which stand before
  if (nameEnd === -1 || !Number.isInteger(pid) || state === undefined || startTicks === undefined) return undefined;
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    zombie: state === "Z" || state === "X",
    startTicks,
  };
}

/** Output of `ps` where there is no /proc. */
export function ps(args: readonly string[]): string {
  return Bun.spawnSync(["ps", ...args], { stdio: ["ignore", "pipe", "ignore"] }).stdout.toString();
}
