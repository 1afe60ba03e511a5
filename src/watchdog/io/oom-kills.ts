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

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined; // Not this version of control groups.
  }
}
