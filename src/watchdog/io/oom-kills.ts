/**
 * How many processes the kernel ended because memory ran out, in the control group of this process: memory.events of
 * cgroup v2, memory.oom_control of v1 (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst), else of the
 * whole host (/proc/vmstat). A supervised process is in the same group, so a count that rose beside a SIGKILL that
 * nobody of us sent was its end.
 */
import { readFileSync } from "node:fs";

/** @param root "/" but for tests. @returns undefined where nothing counts them. */
export function oomKills(root = "/"): number | undefined {
  const groups = (read(`${root}proc/self/cgroup`) ?? "").split("\n");
  const v2 = groups.find((line) => line.startsWith("0::"))?.slice(3);
  const v1 = groups.find((line) => line.split(":")[1]?.split(",").includes("memory") === true)?.split(":")[2];
  const paths = [
    ...(v1 === undefined
      ? []
      : [`sys/fs/cgroup/memory${v1}/memory.oom_control`, "sys/fs/cgroup/memory/memory.oom_control"]),
    ...(v2 === undefined ? [] : [`sys/fs/cgroup${v2}/memory.events`, "sys/fs/cgroup/memory.events"]),
    "proc/vmstat",
  ];
  for (const path of paths) {
    const count = /^oom_kill (\d+)$/m.exec(read(`${root}${path}`) ?? "")?.[1];
    if (count !== undefined) return Number(count);
  }
  return undefined;
}

/**
 * Whether the kernel ended a process about now. Since the start of a process would say too much: a command of a task that
 * was ended last week is no reason to call today's SIGKILL one for want of memory.
 */
export class RecentOomKills {
  readonly #count: () => number | undefined;
  /** At the last two looks; an end may fall between a kill and the news of it, so the older one is compared with. */
  #seen: readonly [older: number | undefined, newer: number | undefined];

  constructor(count: () => number | undefined = oomKills) {
    this.#count = count;
    const now = count();
    this.#seen = [now, now];
  }

  /** To be called now and then, such as each second. */
  look(): void {
    this.#seen = [this.#seen[1], this.#count()];
  }

  /** Whether there was one since the look before the last. */
  get isRisen(): boolean {
    const [before, now] = [this.#seen[0], this.#count()];
    return before !== undefined && now !== undefined && now > before;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined; // Not this version of control groups.
  }
}
