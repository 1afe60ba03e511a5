/**
 * Ends a command with everything it started. Five ways find a descendant, since each can be evaded alone:
 * the process group and session of the command; the chain of parents; the marker in the environment, which survives
 * setsid and double forks; in the sandbox a mark that cannot be put down (sandbox/process-mark.ts); and, in a worker,
 * being a child of the worker: as a subreaper (prctl(2)) it inherits every orphan below it, so there nothing is missed.
 * Without subreaper and mark a process that left group and session, lost its parents and cleared its environment is not
 * found.
 */
import { readdirSync, readFileSync } from "node:fs";
import { assert, type Clock, sleep } from "#base";
import { libc } from "./libc.ts";
import { belongsTo } from "./marked-process.ts";
import { type ProcessEntry, parseStat, ps, readEntry } from "./process-identity.ts";

/** How long a process may take to end by itself after SIGTERM. */
export const TERM_GRACE_MS = 2_000;
/** SIGKILL acts at once; only a process stuck in the kernel is still there after this. */
const KILL_LIMIT_MS = 5_000;
/** Short: a well-behaved command's leftovers end within milliseconds, and somebody waits for the result. */
const POLL_MS = 10;
/** An execve takes about a millisecond; on a machine that is short of CPU its process may have to wait in it. */
const EXEC_LIMIT_MS = 1_000;

/** The bit of SIGTERM, number 15, in the masks of /proc/PID/status (proc_pid_status(5)). */
const TERM_BIT = 1n << 14n;
/** include/linux/sched.h */
const PF_KTHREAD = 0x0020_0000;

export type TreeScope = {
  /** The command's own process, which leads its group and session. Absent when only the marker is known. */
  readonly leader?: number | undefined;
  readonly marker: string;
  /** Whether this process is a subreaper all of whose children belong to the command. */
  readonly adoptsOrphans: boolean;
};

/**
 * Asks every process in scope to end, then ends it.
 * @returns how many were still there at the end: 0 unless one is stuck in the kernel.
 */
export async function endTree(scope: TreeScope, clock: Clock, graceMs = TERM_GRACE_MS): Promise<number> {
  assert(scope.leader === undefined || scope.leader > 1, "X1: a tree to end is never the whole system");
  const startMs = clock.monotonicMs();
  const asked = new Set<number>();
  let left = await settledMembers(scope, clock);
  while (left.length > 0 && clock.monotonicMs() - startMs < graceMs + KILL_LIMIT_MS) {
    if (clock.monotonicMs() - startMs < graceMs) {
      const fresh = left.filter((entry) => !asked.has(entry.pid));
      // One that ignores the signal may be a sandbox about to become the command, and is asked again until it listens.
      const listening = fresh.filter((entry) => !ignoresTerm(entry.pid));
      // One by one, not as a group: a trap that runs is not started again by a signal meant for another.
      for (const entry of fresh) send(entry.pid, "SIGTERM");
      for (const entry of listening) asked.add(entry.pid);
    } else {
      // Again and again: a fork bomb makes new processes between the look and the signal.
      kill(scope, left);
    }
    await sleep(clock, POLL_MS);
    left = await settledMembers(scope, clock);
  }
  if (scope.adoptsOrphans) reapOrphans(scope.leader);
  return left.length;
}

/**
 * As {@link members}, but nothing is only said to be there after two looks that found nothing: a process that was made
 * during the first look is not in its list, and its parent may have ended meanwhile. One that is being replaced by its
 * program (execve) has no environment to be known by for that moment, so such a look is repeated.
 */
async function settledMembers(scope: TreeScope, clock: Clock): Promise<readonly ProcessEntry[]> {
  const endMs = clock.monotonicMs() + EXEC_LIMIT_MS;
  for (let emptyLooks = 0; emptyLooks < 2; ) {
    const found = members(scope);
    if (found.length > 0) return found;
    const isUndecided = !scope.adoptsOrphans && clock.monotonicMs() < endMs && processTable().some(isBeingReplaced);
    if (isUndecided) await sleep(clock, POLL_MS);
    emptyLooks = isUndecided ? 0 : emptyLooks + 1;
  }
  return [];
}

/** Where that cannot be known, false: then a process is asked once. */
function ignoresTerm(pid: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return mask !== undefined && (BigInt(`0x${mask}`) & TERM_BIT) !== 0n;
  } catch {
    return false; // It ended.
  }
}

function kill(scope: TreeScope, entries: readonly ProcessEntry[]): void {
  // The whole group in one call first: it cannot fork between two of our looks.
  if (scope.leader !== undefined && entries.some((entry) => entry.group === scope.leader))
    send(-scope.leader, "SIGKILL");
  for (const entry of entries) send(entry.pid, "SIGKILL");
}

function send(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended meanwhile, or it is not ours to signal: the next look tells.
  }
}

/** @returns the living processes in scope. */
export function members(scope: TreeScope): readonly ProcessEntry[] {
  const all = processTable().filter((entry) => !entry.zombie && entry.pid > 1 && entry.pid !== process.pid);
  const found = new Map<number, ProcessEntry>();
  for (const entry of all) if (isRoot(scope, entry)) found.set(entry.pid, entry);
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const entry of all) if (found.has(entry.parent)) found.set(entry.pid, entry);
  }
  return [...found.values()];
}

function isRoot(scope: TreeScope, entry: ProcessEntry): boolean {
  if (scope.adoptsOrphans) return entry.parent === process.pid;
  const { leader } = scope;
  if (leader !== undefined && (entry.pid === leader || entry.group === leader || entry.session === leader)) return true;
  return belongsTo(entry.pid, scope.marker);
}

/**
 * Whether a process is within execve: its new memory is there, but the bounds of its environment (fields 50 and 51 of
 * /proc/PID/stat) are not set. Kernel threads have none either and are told by their flag; of a process that may not be
 * looked into both read 0 as well, and such a one cannot be ours.
 */
function isBeingReplaced(entry: ProcessEntry): boolean {
  if (entry.zombie || process.platform !== "linux") return false;
  try {
    const fields = readFileSync(`/proc/${entry.pid}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
    const isKernelThread = (Number(fields[6]) & PF_KTHREAD) !== 0;
    return !isKernelThread && fields[47] === "0" && readFileSync(`/proc/${entry.pid}/environ`).length === 0;
  } catch {
    return false; // Ended, or another user's.
  }
}

function processTable(): readonly ProcessEntry[] {
  if (process.platform !== "linux") return ps(["-A", "-o", "pid=,ppid=,pgid=,stat="]).split("\n").flatMap(parsePsLine);
  return readdirSync("/proc").flatMap((name) => {
    const pid = Number(name);
    const entry = Number.isInteger(pid) ? readEntry(pid) : undefined;
    return entry === undefined ? [] : [entry];
  });
}

function parsePsLine(line: string): readonly ProcessEntry[] {
  const [pid, parent, group, state] = line.trim().split(/\s+/);
  if (state === undefined) return [];
  const entry = parseStat(`${pid} () ${state.charAt(0)} ${parent} ${group} ${group}${" 0".repeat(18)}`);
  return entry === undefined ? [] : [entry];
}

/** Reaps ended orphans: zombies count against the process limit of the user. The leader is reaped by Bun itself. */
function reapOrphans(leader: number | undefined): void {
  if (libc === undefined) return;
  for (const entry of processTable()) {
    if (entry.zombie && entry.parent === process.pid && entry.pid !== leader) libc.reap(entry.pid);
  }
}
