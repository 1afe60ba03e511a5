import { killWhole, startVoters, untilServing } from "../../support/voters.ts";
import { benchArguments } from "../machine/arguments.ts";

/**
 * From the death of a hub until the fleet serves again: three nodes of the compiled executable on this machine, the hub is
 * killed whole (watchdog, node and server), and another one is elected, starts as the hub and takes a task.
 *
 *   bun run build --without-selftest && bun run bench:failover [--runs N] [--lease MS]
 *
 * Of the time, the lease and up to half as much again are waited out on purpose.
 */
const { runs, lease: leaseMs } = benchArguments("bun run bench:failover [--runs 5] [--lease 1000]", {
  runs: 5,
  /** Milliseconds. */
  lease: 1_000,
});

const measured: number[] = [];
for (let run = 1; run <= runs; run += 1) {
  const { hub, others } = await startVoters(leaseMs);
  try {
    const beganMs = performance.now();
    killWhole(hub);
    const { name } = await untilServing(others);
    const tookMs = Math.round(performance.now() - beganMs);
    measured.push(tookMs);
    console.log(`run ${run}: ${name} serves ${tookMs} ms after the hub was killed`);
  } finally {
    for (const { world } of [hub, ...others]) world.remove();
  }
}
const sorted = [...measured].sort((a, b) => a - b);
const median = sorted[Math.floor((sorted.length - 1) / 2)];
console.log(`lease ${leaseMs} ms, ${runs} runs: median ${median} ms, least ${sorted[0]} ms, most ${sorted.at(-1)} ms`);
