/**
 * Kills a swap at the entry of every call on a file, and at every label: bun run crash:kill-at-step [every N-th call]
 * Ends with 1 when a point was not hit, when a release could not be started afterwards or a next start did not come to
 * an end, or when the control, which copies in place, shows nothing of the kind and so proves nothing.
 */
import { hasStrace, openWorkshop } from "./killing.ts";
import { reportLine, runRounds } from "./rounds.ts";

async function main(every: number): Promise<number> {
  if (!hasStrace()) {
    console.error("strace is needed: it injects the kills (package strace)");
    return 2;
  }
  const shop = await openWorkshop();
  try {
    const startedMs = performance.now();
    const reports = await runRounds(shop, every, (report) => {
      console.log(reportLine(report));
      for (const missed of report.missed) console.log(`  not hit: ${missed}`);
      for (const fault of report.faults) console.log(`  ${fault}`);
    });
    const ours = reports.filter(({ mode }) => mode !== "naive");
    const points = ours.reduce((sum, report) => sum + report.points, 0);
    const bad = ours.reduce((sum, { unrunnable, faults }) => sum + unrunnable + faults.length, 0);
    const missed = reports.reduce((sum, report) => sum + report.missed.length, 0);
    const control = reports.filter(({ mode }) => mode === "naive").reduce((sum, { unrunnable }) => sum + unrunnable, 0);
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    console.log(
      `${points} points, ${missed} not hit, ${bad} bad; the control leaves nothing to start at ${control}; ${seconds} s`,
    );
    return bad === 0 && missed === 0 && control > 0 ? 0 : 1;
  } finally {
    shop.remove();
  }
}

process.exitCode = await main(Number(process.argv[2] ?? 1));
