/**
 * bun test/bench/queue/main.ts [--quick] [--rounds 3] [--only drover,bullmq] [--measure drain] [--out FILE] [--dir DIR]
 *
 * Measures drover's queue and its rivals side by side. See ../README.md.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { describeMachine, machineFacts } from "../machine/facts.ts";
import type { AdapterInfo, ServerKind } from "./adapter.ts";
import { ADAPTERS } from "./adapters.ts";
import { ANSWER_MARK, type CellAnswer, type CellRequest, runCell } from "./cell.ts";
import { FULL_EFFORT, MEASUREMENTS, type Measurement, QUICK_EFFORT } from "./measurements.ts";
import { type Cell, parseMeasurements, report } from "./report.ts";
import { installRivals, rivalVersions } from "./rivals.ts";
import { missingServer, type Server, serverVersion, startServer } from "./servers.ts";

const CELL_TIMEOUT_MS = 180_000;
const LEAST_ROUNDS = 3;

type Options = {
  readonly rounds: number;
  readonly isQuick: boolean;
  readonly adapters: readonly AdapterInfo[];
  readonly measurements: readonly Measurement[];
  readonly out: string | undefined;
  readonly dir: string;
};

if (process.argv[2] === "cell") {
  // `as`: written by `measureInChild` below.
  await runCell(JSON.parse(process.argv[3] ?? "{}") as CellRequest);
} else {
  process.exitCode = await main();
}

async function main(): Promise<number> {
  const options = readOptions();
  if (typeof options === "string") {
    console.error(options);
    return 2;
  }
  const home = mkdtempSync(join(options.dir, "drover-bench-"));
  chmodSync(home, 0o711); // PostgreSQL runs as another user and has to reach its folder inside
  try {
    const facts = machineFacts(home);
    const adapters = await available(options.adapters);
    console.log(describeMachine(facts));
    const versions = { ...(await rivalVersions()), ...serverVersions(adapters) };
    console.log(
      Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(", "),
    );
    const startedAt = new Date().toISOString();
    const cells = await runRounds(options, adapters, home);
    const load1 = loadavg()[0] ?? 0;
    console.log(`\n${report(cells)}\n\nload ${load1.toFixed(2)} at the end; ${options.rounds} rounds, interleaved`);
    if (options.out !== undefined) {
      const raw = { startedAt, quick: options.isQuick, machine: { ...facts, load1AtEnd: load1 }, versions, cells };
      await Bun.write(options.out, `${JSON.stringify(raw, null, 1)}\n`);
      console.log(`every cell is in ${options.out}`);
    }
    return cells.some(({ answer }) => typeof answer === "string") ? 1 : 0;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function readOptions(): Options | string {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string", default: String(LEAST_ROUNDS) },
      only: { type: "string" },
      measure: { type: "string" },
      out: { type: "string" },
      dir: { type: "string", default: tmpdir() },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isSafeInteger(rounds) || rounds < 1) return "--rounds takes a whole number of 1 or more";
  const names = values.only?.split(",");
  const unknown = names?.find((name) => !ADAPTERS.some((info) => info.name === name));
  if (unknown !== undefined) return `there is no queue "${unknown}": ${ADAPTERS.map(({ name }) => name).join(", ")}`;
  const measurements = values.measure === undefined ? MEASUREMENTS : parseMeasurements(values.measure);
  if (measurements === undefined) return `--measure takes some of: ${MEASUREMENTS.join(",")}`;
  return {
    rounds,
    isQuick: values.quick,
    adapters: ADAPTERS.filter(({ name }) => names?.includes(name) ?? true),
    measurements,
    out: values.out,
    dir: values.dir,
  };
}

/** Leaves out, with a line for each, what cannot run on this machine. */
async function available(wanted: readonly AdapterInfo[]): Promise<readonly AdapterInfo[]> {
  const fault = wanted.some(({ isRival }) => isRival) ? await installRivals() : undefined;
  return wanted.filter(({ name, server, isRival }) => {
    const missing = missingServer(server) ?? (isRival ? fault : undefined);
    if (missing !== undefined) console.log(`${name} skipped: ${missing}`);
    return missing === undefined;
  });
}

function serverVersions(adapters: readonly AdapterInfo[]): Readonly<Record<string, string>> {
  const kinds = new Set<ServerKind>(adapters.map(({ server }) => server));
  return Object.fromEntries(
    [...kinds].flatMap((kind) => {
      const version = serverVersion(kind);
      return version === undefined ? [] : [[kind, version]];
    }),
  );
}

/** Each round runs every measurement of every queue; who comes first changes from round to round. */
async function runRounds(options: Options, adapters: readonly AdapterInfo[], home: string): Promise<readonly Cell[]> {
  const cells: Cell[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const measurement of options.measurements) {
      for (let turn = 0; turn < adapters.length; turn += 1) {
        const info = adapters[(turn + round - 1) % adapters.length];
        if (info === undefined) continue;
        const folder = join(home, `${round}-${measurement}-${info.name}`);
        const answer = await runOne(info, measurement, options.isQuick, folder);
        cells.push({ round, adapter: info.name, measurement, answer });
        console.log(`round ${round}  ${measurement.padEnd(12)}  ${info.name.padEnd(14)}  ${line(answer)}`);
      }
    }
  }
  return cells;
}

async function runOne(
  info: AdapterInfo,
  measurement: Measurement,
  isQuick: boolean,
  folder: string,
): Promise<CellAnswer | string> {
  mkdirSync(folder);
  let server: Server | undefined;
  try {
    server = await startServer(info.server, folder);
    const effort = isQuick ? QUICK_EFFORT : FULL_EFFORT;
    const { port, pid: serverPid } = server;
    return await measureInChild({ adapter: info.name, measurement, effort, folder, port, serverPid });
  } catch (cause) {
    return String(cause);
  } finally {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A process of its own for each cell: no cell inherits another's heap, compiled code or open files. */
async function measureInChild(request: CellRequest): Promise<CellAnswer | string> {
  const child = Bun.spawn([process.execPath, import.meta.path, "cell", JSON.stringify(request)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: CELL_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const [printed, complaint] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  await child.exited;
  const answer = printed.split("\n").find((each) => each.startsWith(ANSWER_MARK));
  if (answer === undefined) return complaint.trim().slice(-600) || `ended with ${child.exitCode ?? child.signalCode}`;
  return JSON.parse(answer.slice(ANSWER_MARK.length)) as CellAnswer; // `as`: written by `runCell`
}

function line(answer: CellAnswer | string): string {
  if (typeof answer === "string") return `failed: ${answer.split("\n").at(-1) ?? ""}`;
  const { perSecond, cpuUsPerTask, pickupMsP50, pickupMsP99 } = answer;
  const cpu = `${cpuUsPerTask.toFixed(0)} µs CPU`;
  if (pickupMsP50 === undefined || pickupMsP99 === undefined) return `${perSecond.toFixed(0)}/s, ${cpu}`;
  return `p50 ${pickupMsP50.toFixed(2)} ms, p99 ${pickupMsP99.toFixed(2)} ms, ${cpu}`;
}
