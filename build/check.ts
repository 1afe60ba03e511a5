/**
 * Every check of the repository, group by group, cheapest first; the first group with a fault ends it. The steps of a
 * group run side by side, because each of them leaves much of a small machine idle.
 *   bun build/check.ts sources           format, types, lint, unused code, suites that need no build
 *   bun build/check.ts binary            builds dist/drover and runs the suites that drive it
 *   bun build/check.ts sources binary    both
 *   bun build/check.ts confined          what can be checked in the sandbox of a build from source: no sockets there
 * The last line is the number of tests that passed and failed; a check that is no test counts as one failure. What failed
 * is named before it, with its message, because the output of the steps stands mixed above.
 *
 * A file that failed beside others is run once more by itself. When it passes then, the check passes, and both its name
 * and what it said stand under "unsteady": a machine that is busy explains some of that, and hides no fault from a reader.
 */
import { spawn } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { addCounts, noTests, readRun, type TestCount, type TestFailure, type TestRun } from "./vitest-report.ts";

const root = dirname(import.meta.dir);

/**
 * One step with its arguments: a program of node_modules (or of build/) run by this very Bun, or, by its bare name, one of
 * the system, which not every machine has.
 */
type Step = { readonly name: string; readonly args: readonly string[]; readonly tests?: true } & (
  | { readonly script: string }
  | { readonly program: string }
);

/** Steps of which so many run side by side. */
type Group = { readonly steps: readonly Step[]; readonly atOnce: number };

const modules = (path: string): string => join("node_modules", path);
/**
 * Processes that share the suites of a project. One leaves a machine of two cores half idle (it waits for processes and
 * disks); more than this many would only wait for each other's.
 */
const MAX_AT_ONCE = 4;
// One more than there are cores: most suites wait for something.
const atOnce = Math.min(MAX_AT_ONCE, availableParallelism() + 1);

// WHY processes, not threads of one: they would inherit each other's open sockets to the children they start, and share
// the memory that some of them measure.
const vitest = (name: string, args: readonly string[]): Step => ({
  name,
  script: modules("vitest/vitest.mjs"),
  args: ["run", ...args, "--maxWorkers=1"],
  tests: true,
});

/** Many small suites: in twice as many parts as run at once, so that none is left with a long one at the end. */
function sources(): Group {
  const parts = 2 * atOnce;
  const steps = Array.from({ length: parts }, (_unused, index) =>
    vitest(`tests: sources, part ${index + 1} of ${parts}`, ["--project", "sources", `--shard=${index + 1}/${parts}`]),
  );
  return { steps, atOnce };
}

/** Suites of the executable that take half a minute or more, the longest first: nobody waits for one that began last. */
const LONG = [
  "crash/sandbox/sandbox",
  "crash/swap/swap",
  "crash/crash",
  "crash/schema/schema",
  "crash/faults/watched",
  "binary/source-update",
  "crash/fleet/fleet",
  "crash/end-on-signal",
  "crash/kill-at-step/kill-at-step",
  "binary/watchdog",
  "binary/fleet",
  "binary/promote",
].map((name) => join("test", `${name}.test.ts`));

function executable(): Group {
  const files = globSync("test/{binary,crash}/**/*.test.ts", { cwd: root }).toSorted();
  const gone = LONG.find((file) => !files.includes(file));
  if (gone !== undefined) throw new Error(`${gone} is listed in build/check.ts, and does not exist`);
  const inOrder = [...LONG, ...files.filter((file) => !LONG.includes(file))];
  return { steps: inOrder.map((file) => vitest(`tests: ${file}`, ["--project", "binary", file])), atOnce };
}

/** Suites that open no socket, which the sandbox of a build refuses. */
const SOCKETLESS = [
  "tidy",
  "simulation",
  ...["base", "build", "execution", "hw", "queue", "scheduler", "store", "telemetry"].map((room) => join("unit", room)),
];

const statics: readonly Step[] = [
  { name: "format", script: modules("@biomejs/biome/bin/biome"), args: ["check", "."] },
  { name: "types", script: modules("typescript/bin/tsc"), args: ["-p", "."] },
  { name: "lint", script: modules("oxlint/bin/oxlint"), args: ["--type-aware", "--deny-warnings"] },
  { name: "shell", program: "shellcheck", args: ["--shell=sh", "install.sh", "build/system-packages.sh"] },
  { name: "unused", script: modules("knip/bin/knip.js"), args: [] },
  // A second look at what ships: no development dependency, nothing that only tests reach.
  {
    name: "shipped",
    script: modules("knip/bin/knip.js"),
    args: ["--production", "--strict", "--include", "files,dependencies,unlisted,unresolved"],
  },
];

const together = (steps: readonly Step[]): Group => ({ steps, atOnce: steps.length });
const oneByOne = (steps: readonly Step[]): Group => ({ steps, atOnce: 1 });

const stages: Readonly<Record<string, () => readonly Group[]>> = {
  sources: () => [together(statics), sources()],
  // One by one: the output of steps side by side comes over a socket pair.
  confined: () => [
    oneByOne([
      ...statics,
      vitest("tests: without sockets", ["--project", "sources", ...SOCKETLESS.map((folder) => join("test", folder))]),
    ]),
  ],
  binary: () => [oneByOne([{ name: "build", script: join("build", "main.ts"), args: [] }]), executable()],
};

/**
 * Runs a step to its end. Alone it has this terminal; beside others its output passes through here, which keeps each
 * piece of it whole. Ctrl-C and a polite kill reach it too.
 */
async function perform(step: Step, extraArgs: readonly string[], isAlone: boolean): Promise<boolean> {
  const [program, ...words] = "script" in step ? [process.execPath, step.script] : [step.program];
  const child = spawn(program, [...words, ...step.args, ...extraArgs], {
    cwd: root,
    stdio: isAlone ? "inherit" : ["ignore", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (piece: Uint8Array) => process.stdout.write(piece));
  const passOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGTERM", passOn).on("SIGINT", passOn);
  try {
    return await new Promise<boolean>((resolve, reject) => {
      child.on("error", reject);
      // Not "exit": what it wrote last may still be on its way.
      child.on("close", (code) => resolve(code === 0));
    });
  } finally {
    process.off("SIGTERM", passOn).off("SIGINT", passOn);
  }
}

async function performTests(step: Step, isAlone: boolean): Promise<TestRun> {
  const scratch = mkdtempSync(join(tmpdir(), "drover-check-"));
  try {
    const report = join(scratch, "report.json");
    const args = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const ok = await perform(step, args, isAlone);
    return readRun(existsSync(report) ? readFileSync(report, "utf8") : undefined, ok);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** What a group came to. */
type Outcome = {
  readonly count: TestCount;
  readonly failures: readonly TestFailure[];
  /** Steps that failed and could not say by which test. */
  readonly broken: readonly string[];
};

const nothing: Outcome = { count: noTests, failures: [], broken: [] };

const sumOf = (one: Outcome, other: Outcome): Outcome => ({
  count: addCounts(one.count, other.count),
  failures: [...one.failures, ...other.failures],
  broken: [...one.broken, ...other.broken],
});

async function outcomeOf(step: Step, isAlone: boolean): Promise<Outcome> {
  console.log(`\n== ${step.name}`);
  if ("program" in step && Bun.which(step.program) === null) {
    console.log(`== ${step.name}: skipped, because ${step.program} is not installed (sh build/system-packages.sh)`);
    return nothing;
  }
  const startedMs = performance.now();
  const { count, failures } =
    step.tests === true
      ? await performTests(step, isAlone)
      : { count: { ...noTests, failed: (await perform(step, [], isAlone)) ? 0 : 1 }, failures: [] };
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`== ${step.name}: ${count.failed === 0 ? "ok" : "FAILED"} in ${seconds} s`);
  return { count, failures, broken: count.failed > failures.length ? [step.name] : [] };
}

/** Every step is run, also after one that failed, so that one look shows all that is wrong. */
async function outcomeOfAll({ steps, atOnce: limit }: Group): Promise<Outcome> {
  const waiting = steps.values();
  const outcomes: Outcome[] = [];
  const worker = async (): Promise<void> => {
    for (const step of waiting) outcomes.push(await outcomeOf(step, limit === 1));
  };
  await Promise.all(Array.from({ length: limit }, worker));
  return outcomes.reduce(sumOf, nothing);
}

/** More files than this that failed at once are no accident of a busy machine. */
const MAX_FILES_AGAIN = 3;

/** A group with the files that failed in it run once more, by themselves; prints those that passed then. */
async function steadied(group: Group): Promise<Outcome> {
  const first = await outcomeOfAll(group);
  const files = [...new Set(first.failures.map(({ file }) => relative(root, file)))];
  if (group.atOnce === 1 || files.length === 0 || files.length > MAX_FILES_AGAIN || first.broken.length > 0)
    return first;
  const again = await outcomeOf(vitest(`tests again, alone: ${files.join(" ")}`, files), true);
  if (again.count.failed > 0) return { ...first, failures: [...first.failures, ...again.failures] };
  console.log("\nunsteady: failed beside others, passed alone");
  first.failures.forEach(printFailure);
  return {
    ...first,
    count: { ...first.count, failed: 0, passed: first.count.passed + first.failures.length },
    failures: [],
  };
}

/** Lines of a message that say what was wrong; the stack below them is in the output above. */
const MAX_MESSAGE_LINES = 12;

function printFailure({ file, name, message }: TestFailure): void {
  console.log(`\n${relative(root, file)}${name === undefined ? "" : `: ${name}`}`);
  for (const line of message.split("\n").slice(0, MAX_MESSAGE_LINES)) console.log(`  ${line}`);
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => stages[name] === undefined);
  if (unknown !== undefined || names.length === 0) {
    console.error(`check: expected one or more of ${Object.keys(stages).join(", ")}`);
    return 2;
  }
  let total = nothing;
  for (const group of names.flatMap((name) => stages[name]?.() ?? [])) {
    total = sumOf(total, await steadied(group));
    if (total.count.failed > 0) break;
  }
  total.failures.forEach(printFailure);
  for (const name of total.broken) console.log(`failed: ${name}`);
  if (total.count.skipped > 0) console.log(`\n${total.count.skipped} skipped`);
  console.log(`\n${total.count.passed} passed, ${total.count.failed} failed`);
  return total.count.failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
