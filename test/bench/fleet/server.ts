/**
 * The libSQL server of a hub by itself: from nothing to healthy, the start after that, its memory and its share of a
 * core while nothing is asked.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "#base";
import { type OpenHub, openHub } from "../../support/hub-server.ts";
import { realClock } from "../../support/real-clock.ts";
import { memoryOf, threadsCpuUs } from "../machine/processes.ts";

export async function measureServer(idleMs: number): Promise<void> {
  const stateDir = mkdtempSync(join(tmpdir(), "drover-bench-"));
  try {
    const first = await timed(stateDir);
    console.log(`first start to healthy    ${first.ms.toFixed(0)} ms`);
    await first.hub.kept.stop(5_000);
    const { hub, ms } = await timed(stateDir);
    console.log(`next start to healthy     ${ms.toFixed(0)} ms`);
    const pid = hub.report().pid ?? 0;
    const beforeUs = threadsCpuUs(pid);
    await sleep(realClock, idleMs);
    console.log(`idle, probed often        ${((threadsCpuUs(pid) - beforeUs) / idleMs / 10).toFixed(2)} % of a core`);
    const { residentBytes, anonymousBytes } = memoryOf(pid);
    console.log(
      `resident, anonymous       ${Math.round(residentBytes / 1024)} kB, ${Math.round(anonymousBytes / 1024)} kB`,
    );
    const stoppedMs = performance.now();
    await hub.kept.stop(5_000);
    console.log(`SIGTERM to its end        ${(performance.now() - stoppedMs).toFixed(0)} ms`);
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
}

async function timed(stateDir: string): Promise<{ readonly hub: OpenHub; readonly ms: number }> {
  const startedMs = performance.now();
  const hub = await openHub(stateDir);
  return { hub, ms: performance.now() - startedMs };
}
