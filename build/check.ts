/**
 * Every check of the repository, group by group, cheapest first; the first group with a fault ends it. The steps of a
 * group run side by side, because each of them leaves much of a small machine idle.
 *   bun build/check.ts sources           format, types, lint, unused code, suites that need no build
 *   bun build/check.ts binary            builds dist/drover and runs the suites that drive it
 *   bun build/check.ts sources binary    both
 *   bun build/check.ts confined          what can be checked in the sandbox of a build from source: no sockets there
 * The last line is the number of tests that passed and failed; a check that is no test counts as one failure.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { addCounts, countTests, noTests, type TestCount } from "./vitest-count.ts";

const root = dirname(import.meta.dir);

/**
 * One step with its arguments: a program of node_modules (or of build/) run by this very Bun, or, by its bare name, one of
 * the system, which not every machine has.
 */
type Step = { readonly name: string; readonly args: readonly string[]; readonly tests?: true } & (
  | { readonly script: string }
  | { readonly program: string }
);

const modules = (path: string): string => join("node_modules", path);
/**
 * Processes that share the suites of a project. One leaves a machine of two cores half idle (it waits for processes and
 * disks); more than this many would only wait for each other's.
 */
const MAX_SHARDS = 4;

/**
 * The suites of a project, divided over processes. WHY not threads of one process: they would inherit each other's open
 * sockets to the children they start, and share the memory that some of them measure.
 */
function suites(project: string, shards: number): readonly Step[] {
  return Array.from({ length: shards }, (_unused, index) => ({
    name: shards === 1 ? `tests: ${project}` : `tests: ${project}, part ${index + 1} of ${shards}`,
    script: modules("vitest/vitest.mjs"),
    args: ["run", "--project", project, `--shard=${index + 1}/${shards}`, "--maxWorkers=1"],
    tests: true,
  }));
}

// One more than there are cores: most suites wait for something.
const shards = Math.min(MAX_SHARDS, availableParallelism() + 1);

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

const stages: Readonly<Record<string, readonly (readonly Step[])[]>> = {
  sources: [statics, suites("sources", shards)],
  // One by one: the output of steps side by side comes over a socket pair.
  confined: [
    ...statics.map((step) => [step]),
    [
      {
        name: "tests: without sockets",
        script: modules("vitest/vitest.mjs"),
        args: ["run", "--project", "sources", ...SOCKETLESS.map((folder) => join("test", folder))],
        tests: true,
      },
    ],
  ],
  // They wait for processes more than they compute.
  binary: [[{ name: "build", script: join("build", "main.ts"), args: [] }], suites("binary", shards)],
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

async function performTests(step: Step, isAlone: boolean): Promise<TestCount> {
  const scratch = mkdtempSync(join(tmpdir(), "drover-check-"));
  try {
    const report = join(scratch, "report.json");
    const args = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const ok = await perform(step, args, isAlone);
    return countTests(existsSync(report) ? readFileSync(report, "utf8") : undefined, ok);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function countOf(step: Step, isAlone: boolean): Promise<TestCount> {
  console.log(`\n== ${step.name}`);
  if ("program" in step && Bun.which(step.program) === null) {
    console.log(`== ${step.name}: skipped, because ${step.program} is not installed (sh build/system-packages.sh)`);
    return noTests;
  }
  const startedMs = performance.now();
  const count =
    step.tests === true
      ? await performTests(step, isAlone)
      : { ...noTests, failed: (await perform(step, [], isAlone)) ? 0 : 1 };
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`== ${step.name}: ${count.failed === 0 ? "ok" : "FAILED"} in ${seconds} s`);
  return count;
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => stages[name] === undefined);
  if (unknown !== undefined || names.length === 0) {
    console.error(`check: expected one or more of ${Object.keys(stages).join(", ")}`);
    return 2;
  }
  let total = noTests;
  for (const group of names.flatMap((name) => stages[name] ?? [])) {
    const counts = await Promise.all(group.map((step) => countOf(step, group.length === 1)));
    total = counts.reduce(addCounts, total);
    if (total.failed > 0) break;
  }
  if (total.skipped > 0) console.log(`\n${total.skipped} skipped`);
  console.log(`\n${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
