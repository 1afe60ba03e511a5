/**
 * The crash harness for as long as somebody wants it: `bun run crash [--rounds 200] [--seed N]`. Needs dist/drover
 * (`npm run build`). Ends with 1 when a promise was broken, or when a label was never reached.
 */
import { parseArgs } from "node:util";
import { crashRun } from "./crash-run.ts";
import { endOwnOnSignal } from "./end-on-signal.ts";
import { ALL_LABELS } from "./labels.ts";
import { reportLines } from "./report-text.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "200" }, seed: { type: "string", default: String(process.pid) } },
});
const rounds = Number.parseInt(values.rounds, 10);
const seed = Number.parseInt(values.seed, 10);
console.log(`crash run: ${rounds} rounds, seed ${seed}`);
const beganMs = performance.now();
const removeFolder = endOwnOnSignal();
const report = await crashRun({
  rounds,
  seed,
  labels: ALL_LABELS,
  onRound: (_report, index) => {
    if ((index + 1) % 20 === 0)
      console.log(`  ${index + 1} rounds, ${Math.round((performance.now() - beganMs) / 1_000)} s`);
  },
});
removeFolder();
for (const line of reportLines(report)) console.log(line);
const missed = [...report.hits].filter(([, many]) => many === 0).map(([label]) => label);
// Each label has its turn once in twice as many rounds as there are labels.
const isComplete = rounds < 2 * ALL_LABELS.length || missed.length === 0;
if (!isComplete) console.log(`NEVER REACHED: ${missed.join(", ")}`);
const broken = report.violations.length + report.leftovers.length + report.faults.length;
process.exitCode = broken === 0 && isComplete ? 0 : 1;
