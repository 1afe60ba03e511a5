/**
 * Which processes there are, from /proc. A pid is reused, so a process is identified by pid, start time and boot; a
 * zombie is not alive. Where there is no /proc nothing is found: then a process is ended with its group alone, and none
 * is taken over.
 */
import { readdirSync, readFileSync } from "node:fs";

export type ProcessIdentity = {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot, decimal. */
  readonly startTicks: string;
  readonly bootId: string;
};

export type ProcessEntry = {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly isZombie: boolean;
  readonly startTicks: string;
};

const hasProc = process.platform === "linux";

/** @returns the identity of a living process; undefined when there is none, or only its zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  const entry = entryOf(pid);
  if (entry === undefined || entry.isZombie) return undefined;
  return { pid, startTicks: entry.startTicks, bootId: bootId() };
}

/** Whether that very process lives; a pid that another process took over does not count. */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = identify(identity.pid);
  return now !== undefined && now.startTicks === identity.startTicks && now.bootId === identity.bootId;
}

/** @returns the entry, zombies included; undefined when the pid is free. */
export function entryOf(pid: number): ProcessEntry | undefined {
  const text = readProc(`${pid}/stat`);
  return text === undefined ? undefined : parseStat(text);
}

export function processTable(): readonly ProcessEntry[] {
  if (!hasProc) return [];
  return readdirSync("/proc").flatMap((name) => {
    const pid = Number(name);
    const entry = Number.isInteger(pid) ? entryOf(pid) : undefined;
    return entry === undefined ? [] : [entry];
  });
}

/** @returns children of this process, without a look at every process of the host where the kernel offers that. */
export function childrenOf(pid: number): readonly number[] {
  const listed = readProc(`${pid}/task/${pid}/children`);
  if (listed !== undefined)
    return listed
      .split(" ")
      .filter((text) => text !== "")
      .map(Number);
  return processTable()
    .filter((entry) => entry.parent === pid)
    .map((entry) => entry.pid);
}

/** The value of a variable that a process was started with; undefined when it has none or may not be looked into. */
export function variableOf(pid: number, name: string): string | undefined {
  const assignments = readProc(`${pid}/environ`)?.split("\0");
  return assignments?.find((text) => text.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** What it was started with; empty when it has ended. */
export function commandLineOf(pid: number): readonly string[] {
  return (readProc(`${pid}/cmdline`) ?? "").split("\0").slice(0, -1);
}

/** Memory in use (VmRSS), bytes; undefined when the process ended or the system does not say. */
export function rssBytesOf(pid: number): number | undefined {
  const kib = /^VmRSS:\s*(\d+) kB$/m.exec(readProc(`${pid}/status`) ?? "")?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** Reads one line of /proc/PID/stat (proc_pid_stat(5)); the name may itself hold spaces and parentheses. */
export function parseStat(text: string): ProcessEntry | undefined {
  const nameEnd = text.lastIndexOf(")");
  const pid = Number.parseInt(text, 10);
  const fields = text.slice(nameEnd + 2).split(" ");
  const [state, parent, group, session] = fields;
  const startTicks = fields[19]; // field 22 of the line, 3 of which stand before
  if (nameEnd === -1 || !Number.isInteger(pid) || state === undefined || startTicks === undefined) return undefined;
  const isZombie = state === "Z" || state === "X";
  return { pid, parent: Number(parent), group: Number(group), session: Number(session), isZombie, startTicks };
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, "latin1");
  } catch {
    return undefined; // It ended, is another user's, or there is no /proc.
  }
}

let knownBootId: string | undefined;

function bootId(): string {
  knownBootId ??= readProc("sys/kernel/random/boot_id")?.trim() ?? "unknown";
  return knownBootId;
}
