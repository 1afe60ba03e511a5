import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";

/** What a reader must know of the machine to judge a figure. */
export type MachineFacts = {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly fileSystem: string;
  /** Median of appending 4 KiB and fdatasync. Far below a millisecond means that no medium is flushed. */
  readonly fdatasyncUs: number;
  readonly bun: string;
  readonly load1: number;
};

export function machineFacts(folder: string): MachineFacts {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    fileSystem: fileSystemOf(folder),
    fdatasyncUs: Math.round(fdatasyncUs(folder)),
    bun: Bun.version,
    load1: loadavg()[0] ?? 0,
  };
}

export function describeMachine(facts: MachineFacts): string {
  const { cpu, cores, memoryGiB, kernel, fileSystem, fdatasyncUs, bun, load1 } = facts;
  return [
    `${cores} × ${cpu}, ${memoryGiB} GiB, Linux ${kernel}, bun ${bun}`,
    `databases on ${fileSystem}, 4 KiB + fdatasync ${fdatasyncUs} µs, load ${load1.toFixed(2)} at the start`,
  ].join("\n");
}

function fdatasyncUs(folder: string): number {
  const file = openSync(join(folder, "fdatasync-probe"), "w");
  const page = Buffer.alloc(4096, 1);
  const times = Array.from({ length: 200 }, () => {
    const startedMs = performance.now();
    writeSync(file, page);
    fdatasyncSync(file);
    return (performance.now() - startedMs) * 1000;
  });
  closeSync(file);
  return times.sort((a, b) => a - b)[100] ?? Number.NaN;
}

/** The type of the deepest mount that holds the folder. */
function fileSystemOf(folder: string): string {
  let deepest = { at: "", type: "unknown" };
  for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n")) {
    const [, at = "", type = ""] = line.split(" ");
    const holds = folder === at || folder.startsWith(at.endsWith("/") ? at : `${at}/`);
    if (at !== "" && holds && at.length >= deepest.at.length) deepest = { at, type };
  }
  return deepest.type;
}
