/**
 * `bun run crash:fleet [--seed N] [--faults 110] [--members 3]`: a hub and its members, real processes of the executable with
 * a wall clock that can be moved, under faults of processes, files, clocks and the network between them.
 *   --only KIND[,KIND…]   plays these faults alone
 *   --logs FOLDER         gets the logs of all nodes
 *   --mutants [--mutant NAME]   plays executables with one defect each: the checks must notice every one, and nothing else
 * Ends with 1 when a promise was broken, or a kind of fault was played less often than it should have been.
 */
import { parseArgs } from "node:util";
import { seededRandom } from "#base";
import { endOwnOnSignal } from "../end-on-signal.ts";
import { shareOf } from "../swap/swapping.ts";
import { FAULTS, type FaultKind } from "./faults.ts";
import { tellMutants } from "./mutants.ts";
import { type FleetReport, fleetRun, plannedFaults } from "./run.ts";
import { MOVABLE_CLOCK, Variants } from "./variants.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    faults: { type: "string", default: "110" },
    members: { type: "string", default: "3" },
    only: { type: "string" },
    logs: { type: "string" },
    mutants: { type: "boolean", default: false },
    mutant: { type: "string" },
  },
});

async function main(): Promise<boolean> {
  if (values.mutants) return tellMutants(values.mutant);
  const [seed, count, members] = [Number(values.seed), Number(values.faults), Number(values.members)];
  const kinds = FAULTS.filter((kind) => values.only === undefined || values.only.split(",").includes(kind));
  console.log(`seed ${seed}, ${count} faults of ${kinds.length} kinds, a hub and ${members} members`);
  const variants = new Variants();
  try {
    const report = await fleetRun({
      seed,
      members,
      executable: variants.build(MOVABLE_CLOCK),
      ...(values.logs === undefined ? {} : { logsTo: values.logs }),
      faults: plannedFaults(kinds, count, seededRandom(seed)),
      onFault: (kind, healedMs) => console.log(`${kind.padEnd(24)} healed after ${Math.round(healedMs)} ms`),
    });
    const seldom = tellFaults(report, kinds, Math.floor(count / kinds.length));
    tellCounts(report);
    for (const text of [...seldom, ...report.violations]) console.log(`BROKEN: ${text}`);
    return seldom.length === 0 && report.violations.length === 0;
  } finally {
    variants.end();
  }
}

/** @returns the kinds that were not played as often as they should have been. */
function tellFaults({ healMs }: FleetReport, kinds: readonly FaultKind[], atLeast: number): readonly string[] {
  console.log(`${"fault".padEnd(24)} times   heal p50   heal max`);
  const seldom: string[] = [];
  for (const kind of kinds) {
    const times = healMs.filter(([one]) => one === kind).map(([, ms]) => ms);
    const figures = [times.length, Math.round(shareOf(times, 0.5)), Math.round(Math.max(0, ...times))];
    console.log(`${kind.padEnd(24)} ${figures.map((figure) => String(figure).padStart(8)).join("  ")}`);
    if (times.length < atLeast) seldom.push(`${kind} was played ${times.length} times, not ${atLeast}`);
  }
  const all = healMs.map(([, ms]) => ms);
  console.log(
    `to heal: ${Math.round(shareOf(all, 0.5))} ms at the median, ${Math.round(shareOf(all, 0.99))} ms at p99`,
  );
  return seldom;
}

function tellCounts({ ledger, rows, orphaned, resent, ranAgain, repeatedStatus, verdict }: FleetReport): void {
  console.log(
    `${ledger.accepted.length} accepted submissions, ${ledger.repeated} repeated, ${ledger.unanswered} requests unanswered; ` +
      `${rows.tasks.length} tasks, ${rows.attempts.length} attempts, ${orphaned} orphaned reports, ` +
      `${resent} resent commands, ${ranAgain} attempts given back and run again`,
  );
  console.log(
    `of hubs that were replaced: ${verdict.quarantined.length} submissions in their quarantine alone, ` +
      `${verdict.superseded} results that the new hub lacks`,
  );
  const statuses = [...repeatedStatus].map(([status, many]) => `${many} with ${status}`);
  console.log(`copies of requests were answered: ${statuses.join(", ") || "none arrived"}`);
}

const removeFolder = endOwnOnSignal();
try {
  process.exitCode = (await main()) ? 0 : 1;
} finally {
  removeFolder();
}
