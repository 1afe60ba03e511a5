import { readdirSync, readFileSync } from "node:fs";

/** Linux counts process time in hundredths of a second on every architecture that drover builds for. */
const TICK_US = 10_000;

type ProcessStat = { readonly parent: number; readonly cpuUs: number; readonly reapedCpuUs: number };

/**
 * CPU time of a process and all its descendants so far, in microseconds, to 10 ms exact. Children that ended and were
 * waited for count too, so PostgreSQL's short-lived backends are not lost. 0 for a process that does not exist.
 */
export function treeCpuUs(pid: number): number {
  const all = new Map<number, ProcessStat>();
  for (const name of readdirSync("/proc")) {
    const found = /^\d+$/.test(name) ? readStat(Number(name)) : undefined;
    if (found !== undefined) all.set(Number(name), found);
  }
  let sum = 0;
  const work = [pid];
  for (let current = work.pop(); current !== undefined; current = work.pop()) {
    const found = all.get(current);
    if (found === undefined) continue;
    sum += found.cpuUs + found.reapedCpuUs;
    for (const [child, { parent }] of all) if (parent === current) work.push(child);
  }
  return sum;
}

/** proc_pid_stat(5): fields 4 (parent), 14 to 17 (user, system, and both of waited-for children). */
function readStat(pid: number): ProcessStat | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name stands in parentheses and may itself hold any character.
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
    const field = (number: number): number => Number(fields[number - 3]);
    return {
      parent: field(4),
      cpuUs: (field(14) + field(15)) * TICK_US,
      reapedCpuUs: (field(16) + field(17)) * TICK_US,
    };
  } catch {
    return undefined; // it ended in between
  }
}

/** CPU time of the threads of a process so far, in microseconds, as the scheduler counts it: to the nanosecond. */
export function threadsCpuUs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    const [ranNs = "0"] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ");
    return sum + Number(ranNs) / 1000;
  }, 0);
}

export type Memory = {
  readonly residentBytes: number;
  readonly proportionalBytes: number;
  readonly anonymousBytes: number;
};

/** What a process holds now, from `/proc/<pid>/smaps_rollup`. */
export function memoryOf(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1] ?? 0) * 1024;
  return { residentBytes: bytes("Rss"), proportionalBytes: bytes("Pss"), anonymousBytes: bytes("Anonymous") };
}
