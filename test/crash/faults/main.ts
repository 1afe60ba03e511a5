/**
 * `bun run crash:faults [--faults 1000] [--seed N] [--json]`: faults of eight kinds on a supervised process. Ends with 1
 * when one was taken for another, or when a process, a zombie or a descriptor was left.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { childEnvironment } from "#watchdog";
import { type FaultReport, faultRun, INJECTIONS } from "./fault-run.ts";

const { values } = parseArgs({
  options: {
    faults: { type: "string", default: "80" },
    seed: { type: "string", default: String(process.pid) },
    json: { type: "boolean", default: false },
  },
});
const seed = Number.parseInt(values.seed, 10);
const report = await faultRun({
  faults: Number.parseInt(values.faults, 10),
  seed,
  target: (socketPath, tag) => ({
    command: [process.execPath, join(import.meta.dirname, "faulty-child-main.ts"), socketPath, tag],
    env: childEnvironment(process.env, {}),
  }),
});
if (values.json) console.log(JSON.stringify(report));
else for (const line of linesOf(report)) console.log(line);
const isClean =
  report.wrong.length + report.leakedProcesses + report.zombies === 0 &&
  report.descriptorsAfter <= report.descriptorsBefore;
process.exitCode = isClean ? 0 : 1;

function linesOf(result: FaultReport): readonly string[] {
  const row = (name: string, times: readonly number[]): string =>
    `${name.padEnd(14)} ${String(times.length).padStart(5)} ${at(times, 0.5)} ${at(times, 0.99)}`;
  return [
    `${result.faults} faults, seed ${seed}; milliseconds from the fault until ready again`,
    `${"kind".padEnd(14)} ${"count".padStart(5)} ${"p50".padStart(8)} ${"p99".padStart(8)}`,
    ...INJECTIONS.map((kind) => row(kind, result.readyAgainMs[kind])),
    row("all", Object.values(result.readyAgainMs).flat()),
    `processes left ${result.leakedProcesses}, zombies ${result.zombies}, descriptors ${result.descriptorsBefore} before and ${result.descriptorsAfter} after, log ${result.logBytes} bytes`,
    ...result.wrong,
  ];
}

function at(times: readonly number[], share: number): string {
  const sorted = [...times].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return (value === undefined ? "-" : value.toFixed(0)).padStart(8);
}
