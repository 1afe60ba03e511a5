/** A control group with a limit on memory, in which the kernel really ends processes when it is passed. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type MemoryGroup = {
  /** To be written to by a process that wants in, such as `sh -c 'echo $$ >FILE; exec …'`. */
  readonly entrance: string;
  readonly usedBytes: () => number;
  readonly limit: (bytes: number) => void;
  /** Once nothing of it runs any more. */
  readonly remove: () => void;
};

/** As cgroup v1 and v2 name them (Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst). */
const VERSIONS = [
  { root: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes" },
  { root: "/sys/fs/cgroup", limit: "memory.max", used: "memory.current" },
] as const;

/** @returns undefined where this process may make none, or memory is not limited by control groups. */
export function makeMemoryGroup(): MemoryGroup | undefined {
  for (const { root, limit, used } of VERSIONS) {
    const path = join(root, `drover-test-${process.pid}-${Math.round(performance.now())}`);
    try {
      mkdirSync(path);
    } catch {
      continue; // Not root, or this version is not mounted.
    }
    if (existsSync(join(path, limit))) {
      return {
        entrance: join(path, "cgroup.procs"),
        usedBytes: () => Number(readFileSync(join(path, used), "utf8")),
        limit: (bytes) => writeFileSync(join(path, limit), String(bytes)),
        remove: () => rmdirSync(path),
      };
    }
    rmdirSync(path);
  }
  return undefined;
}
