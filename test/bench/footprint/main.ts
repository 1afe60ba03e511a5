/**
 * bun test/bench/footprint/main.ts [--quick] [--tasks 1000000] [--binary dist/drover] [--out FILE] [--dir DIR]
 *
 * How long drover takes to start and how much memory it holds. See ../README.md.
 */
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { describeMachine, machineFacts } from "../machine/facts.ts";
import { type Memory, memoryOf, threadsCpuUs } from "../machine/processes.ts";
import { runFlatness, SAMPLE_MARK, type Sample } from "./flatness.ts";
import { type HttpSample, submitAndCancel } from "./http-load.ts";
import { startNode } from "./node-process.ts";

const TASKS = 1_000_000;
const QUICK_TASKS = 50_000;
const STARTS = 10;
const VERSIONS = 20;
/** After this an idle node has done what it does after its start. */
const IDLE_MS = 5_000;
/** Timers of the watchdog come every second and every five seconds. */
const CPU_WINDOW_MS = 20_000;
const MIB = 1024 * 1024;
/** Submitting and cancelling over HTTP is limited by the node's own rate limit, so fewer tasks take that way. */
const HTTP_SHARE = 10;

if (process.argv[2] === "flatness") await runFlatness(Number(process.argv[3]), process.argv[4] ?? "");
else process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      tasks: { type: "string" },
      binary: { type: "string", default: join(import.meta.dir, "../../../dist/drover") },
      out: { type: "string" },
      dir: { type: "string", default: tmpdir() },
    },
  });
  const tasks = Number(values.tasks ?? (values.quick ? QUICK_TASKS : TASKS));
  if (!Number.isSafeInteger(tasks) || tasks < 1_000) {
    console.error("--tasks takes a whole number of 1000 or more");
    return 2;
  }
  const home = mkdtempSync(join(values.dir, "drover-footprint-"));
  try {
    const machine = machineFacts(home);
    console.log(describeMachine(machine));
    const binary = resolve(values.binary);
    const compiled = existsSync(binary) ? await measureBinary(binary, home, tasks / HTTP_SHARE) : undefined;
    if (compiled === undefined)
      console.log(`\n${binary} is not there (npm run build): start and idle are not measured`);
    const samples = await measureFlatness(tasks, home);
    if (values.out !== undefined) {
      await Bun.write(values.out, `${JSON.stringify({ machine, compiled, samples }, null, 1)}\n`);
    }
    return 0;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function measureBinary(binary: string, home: string, httpTasks: number) {
  console.log(`\n${binary}: ${(statSync(binary).size / MIB).toFixed(1)} MiB`);
  const versionMs = timesOf(VERSIONS, () => {
    const startedMs = performance.now();
    Bun.spawnSync([binary, "--version"], { env: {}, cwd: home });
    return performance.now() - startedMs;
  });
  console.log(`--version                    ${describeTimes(versionMs)}`);

  const readyMs: number[] = [];
  for (let start = 0; start < STARTS; start += 1) {
    const node = await startNode(binary, mkdtempSync(join(home, "state-")));
    readyMs.push(node.readyMs);
    await node.stop();
  }
  console.log(`start to ready, new state    ${describeTimes(readyMs.sort((a, b) => a - b))}`);

  const node = await startNode(binary, mkdtempSync(join(home, "state-")));
  try {
    await new Promise((wake) => setTimeout(wake, IDLE_MS));
    const idle = { watchdog: memoryOf(node.watchdogPid), node: memoryOf(node.pid) };
    console.log(`idle after ${IDLE_MS / 1000} s, watchdog     ${describeMemory(idle.watchdog)}`);
    console.log(`                  node         ${describeMemory(idle.node)}`);
    // What both map of the one executable is in memory once: proportional memory counts it so.
    console.log(`                  both         ${describeMemory(sumOf(idle.watchdog, idle.node))}`);
    const idleCpuShare = await cpuShareOf(node.watchdogPid);
    console.log(`CPU of the idle watchdog     ${(idleCpuShare * 100).toFixed(3)} % of a core`);
    const http = await submitAndCancel(node, httpTasks);
    console.log(`\n${httpTasks} tasks submitted and cancelled over HTTP, memory of the node:`);
    printSamples(http);
    return { versionMs, readyMs, idle, idleCpuShare, http };
  } finally {
    await node.stop();
  }
}

async function cpuShareOf(pid: number): Promise<number> {
  const [beganMs, beforeUs] = [performance.now(), threadsCpuUs(pid)];
  await new Promise((wake) => setTimeout(wake, CPU_WINDOW_MS));
  return (threadsCpuUs(pid) - beforeUs) / 1000 / (performance.now() - beganMs);
}

function sumOf(one: Memory, other: Memory): Memory {
  return {
    residentBytes: one.residentBytes + other.residentBytes,
    proportionalBytes: one.proportionalBytes + other.proportionalBytes,
    anonymousBytes: one.anonymousBytes + other.anonymousBytes,
  };
}

/** In a process of its own: this one's memory must not count. */
async function measureFlatness(tasks: number, home: string): Promise<readonly Sample[]> {
  console.log(`\n${tasks} no-op tasks through queue, store and consumer in one process, ended ones removed after 2 s:`);
  const child = Bun.spawn([process.execPath, import.meta.path, "flatness", String(tasks), join(home, "flatness")], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const printed = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error("the process that was measured failed");
  const samples = printed
    .split("\n")
    .filter((line) => line.startsWith(SAMPLE_MARK))
    .map((line) => JSON.parse(line.slice(SAMPLE_MARK.length)) as Sample); // `as`: written by `runFlatness`
  printSamples(samples);
  const last = samples.at(-1);
  if (last !== undefined) console.log(`${((last.tasks / last.elapsedMs) * 1000).toFixed(0)} tasks a second`);
  return samples;
}

function printSamples(samples: readonly (HttpSample | Sample)[]): void {
  for (const sample of samples) {
    const { tasks, residentBytes, anonymousBytes } = sample;
    const rest =
      "heapBytes" in sample
        ? `, heap ${mib(sample.heapBytes)}, database ${mib(sample.databaseBytes)}, ${(sample.elapsedMs / 1000).toFixed(0)} s`
        : "";
    console.log(
      `${String(tasks).padStart(9)}  resident ${mib(residentBytes)}, anonymous ${mib(anonymousBytes)}${rest}`,
    );
  }
  const settled = samples.slice(Math.floor(samples.length / 2));
  const slope = slopeBytesPerTask(settled);
  console.log(`anonymous memory over the second half: ${((slope * 1e6) / MIB).toFixed(2)} MiB per million tasks`);
}

/** Least squares. */
function slopeBytesPerTask(samples: readonly HttpSample[]): number {
  const mean = (pick: (sample: HttpSample) => number): number =>
    samples.reduce((sum, sample) => sum + pick(sample), 0) / samples.length;
  const tasks = mean((sample) => sample.tasks);
  const bytes = mean((sample) => sample.anonymousBytes);
  const spread = mean((sample) => (sample.tasks - tasks) ** 2);
  return mean((sample) => (sample.tasks - tasks) * (sample.anonymousBytes - bytes)) / spread;
}

/** @returns milliseconds, ascending. */
function timesOf(count: number, once: () => number): readonly number[] {
  return Array.from({ length: count }, once).sort((a, b) => a - b);
}

/** @param sorted ascending */
function describeTimes(sorted: readonly number[]): string {
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const [least = Number.NaN] = sorted;
  const most = sorted.at(-1) ?? Number.NaN;
  return `${median.toFixed(1)} ms median of ${sorted.length} (${least.toFixed(1)}–${most.toFixed(1)})`;
}

function describeMemory({ residentBytes, proportionalBytes, anonymousBytes }: Memory): string {
  return `resident ${mib(residentBytes)}, proportional ${mib(proportionalBytes)}, anonymous ${mib(anonymousBytes)}`;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
