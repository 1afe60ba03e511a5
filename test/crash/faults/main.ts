/**
 * `bun run crash:faults [--child | --watched] [--faults 1000] [--seed N] [--json]`: faults of `drover up`, of nine kinds,
 * or of eight kinds on a supervised child. `--watched` is the default where dist/drover is built. Ends with 1 when one
 * was taken for another, a task or a connection was lost, or a process, a zombie or a descriptor was left.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { childEnvironment } from "#watchdog";
import { BINARY } from "../../support/binary-node.ts";
import { endOwnOnSignal } from "../end-on-signal.ts";
import { faultRun } from "./fault-run.ts";
import { linesOfChild, linesOfWatched } from "./report-text.ts";
import { isClean, watchedRun } from "./watched-run.ts";

const { values } = parseArgs({
  options: {
    faults: { type: "string", default: "80" },
    seed: { type: "string", default: String(process.pid) },
    child: { type: "boolean", default: false },
    watched: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const faults = Number.parseInt(values.faults, 10);
const seed = Number.parseInt(values.seed, 10);
const removeFolder = endOwnOnSignal();
process.exitCode = (values.watched || (!values.child && existsSync(BINARY)) ? await watched() : await child()) ? 0 : 1;
removeFolder();

async function watched(): Promise<boolean> {
  const report = await watchedRun({ faults, seed });
  if (values.json)
    console.log(JSON.stringify({ ...report, answeredAgainMs: Object.fromEntries(report.answeredAgainMs) }));
  else for (const line of linesOfWatched(report)) console.log(line);
  return isClean(report);
}

async function child(): Promise<boolean> {
  const report = await faultRun({
    faults,
    seed,
    target: (socketPath, tag) => ({
      command: [process.execPath, join(import.meta.dirname, "faulty-child-main.ts"), socketPath, tag],
      env: childEnvironment(process.env, {}),
    }),
  });
  if (values.json) console.log(JSON.stringify(report));
  else for (const line of linesOfChild(report, seed)) console.log(line);
  return (
    report.wrong.length + report.leakedProcesses + report.zombies === 0 &&
    report.descriptorsAfter <= report.descriptorsBefore
  );
}
