/**
 * The libSQL server of a hub by itself: from nothing to healthy, the start after that, its memory and its share of a
 * core while nothing is asked.
 *   bun test/bench/fleet/main.ts [--idle SECONDS]
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sleep } from "#base";
import { type OpenHub, openHub } from "../../support/hub-server.ts";
import { realClock } from "../../support/real-clock.ts";

/** A tick of /proc/PID/stat, in milliseconds: USER_HZ is 100 on every Linux that drover runs on. */
const TICK_MS = 10;

const { values } = parseArgs({ options: { idle: { type: "string", default: "10" } } });
const stateDir = mkdtempSync(join(tmpdir(), "drover-bench-"));
try {
  const first = await timed();
  console.log(`first start to healthy    ${first.ms.toFixed(0)} ms`);
  await first.hub.kept.stop(5_000);
  const { hub, ms } = await timed();
  console.log(`next start to healthy     ${ms.toFixed(0)} ms`);
  const pid = hub.report().pid ?? 0;
  const beforeMs = cpuMs(pid);
  const idleMs = Number(values.idle) * 1_000;
  await sleep(realClock, idleMs);
  console.log(`idle, probed often        ${(((cpuMs(pid) - beforeMs) / idleMs) * 100).toFixed(2)} % of a core`);
  for (const name of ["VmRSS", "RssAnon"]) console.log(`${name.padEnd(26)}${memory(pid, name)} kB`);
  const stoppedMs = performance.now();
  await hub.kept.stop(5_000);
  console.log(`SIGTERM to its end        ${(performance.now() - stoppedMs).toFixed(0)} ms`);
} finally {
  rmSync(stateDir, { recursive: true, force: true });
}

async function timed(): Promise<{ readonly hub: OpenHub; readonly ms: number }> {
  const startedMs = performance.now();
  const hub = await openHub(stateDir);
  return { hub, ms: performance.now() - startedMs };
}

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function memory(pid: number, name: string): string {
  return new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? "?";
}
