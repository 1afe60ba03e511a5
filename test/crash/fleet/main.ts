/**
 * `bun run crash:fleet [--seed N] [--faults 100] [--members 3]`: a hub and its members, real processes of the compiled
 * executable, under faults of processes, files and the network between them. Ends with 1 when a promise was broken.
 */
import { parseArgs } from "node:util";
import { seededRandom } from "#base";
import { endOwnOnSignal } from "../end-on-signal.ts";
import { shareOf } from "../swap/swapping.ts";
import { FAULTS } from "./faults.ts";
import { fleetRun, plannedFaults } from "./run.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    faults: { type: "string", default: "100" },
    members: { type: "string", default: "3" },
  },
});

async function main(): Promise<number> {
  const [seed, count, members] = [Number(values.seed), Number(values.faults), Number(values.members)];
  console.log(`seed ${seed}, ${count} faults, a hub and ${members} members`);
  const report = await fleetRun({
    seed,
    members,
    faults: plannedFaults(count, seededRandom(seed)),
    onFault: (kind, healedMs) => console.log(`${kind.padEnd(24)} healed after ${Math.round(healedMs)} ms`),
  });
  const { healMs, rows, ledger } = report;
  for (const kind of FAULTS) {
    const times = healMs.filter(([one]) => one === kind).map(([, ms]) => ms);
    if (times.length > 0)
      console.log(`${kind.padEnd(24)} ${times.length} times, at most ${Math.round(Math.max(...times))} ms`);
  }
  const all = healMs.map(([, ms]) => ms);
  console.log(
    `to heal: ${Math.round(shareOf(all, 0.5))} ms at the median, ${Math.round(shareOf(all, 0.99))} ms at p99`,
  );
  console.log(
    `${ledger.accepted.length} accepted submissions, ${ledger.repeated} repeated, ${ledger.unanswered} requests unanswered; ` +
      `${rows.tasks.length} tasks, ${rows.attempts.length} attempts, ${report.orphaned} orphaned reports, ` +
      `${report.resent} resent commands, ${report.ranAgain} attempts given back and run again`,
  );
  const statuses = [...report.repeatedStatus].map(([status, many]) => `${many} with ${status}`);
  console.log(`requests that arrived twice were answered: ${statuses.join(", ") || "none arrived"}`);
  for (const violation of report.violations) console.log(`BROKEN: ${violation}`);
  return report.violations.length === 0 ? 0 : 1;
}

const removeFolder = endOwnOnSignal();
process.exitCode = await main();
removeFolder();
