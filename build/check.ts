/**
 * Every check of the repository, in order, cheapest first; the first fault ends it.
 *   bun build/check.ts sources           format, types, lint, unused code, suites that need no build
 *   bun build/check.ts binary            builds dist/drover and runs the suites that drive it
 *   bun build/check.ts sources binary    both
 *   bun build/check.ts confined          what can be checked in the sandbox of a build from source: no sockets there
 * The last line is the number of tests that passed and failed; a check that is no test counts as one failure.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
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
const suites = (project: string): Step => ({
  name: `tests: ${project}`,
  script: modules("vitest/vitest.mjs"),
  args: ["run", "--project", project],
  tests: true,
});

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

const stages: Readonly<Record<string, readonly Step[]>> = {
  sources: [...statics, suites("sources")],
  confined: [
    ...statics,
    {
      name: "tests: without sockets",
      script: modules("vitest/vitest.mjs"),
      args: ["run", "--project", "sources", ...SOCKETLESS.map((folder) => join("test", folder))],
      tests: true,
    },
  ],
  binary: [{ name: "build", script: join("build", "main.ts"), args: [] }, suites("binary")],
};

/** Runs a step to its end with this terminal's input and output. Ctrl-C and a polite kill reach it too. */
async function perform(step: Step, extraArgs: readonly string[]): Promise<boolean> {
  const [program, ...words] = "script" in step ? [process.execPath, step.script] : [step.program];
  const child = spawn(program, [...words, ...step.args, ...extraArgs], { cwd: root, stdio: "inherit" });
  const passOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGTERM", passOn).on("SIGINT", passOn);
  try {
    return await new Promise<boolean>((resolve, reject) => {
      child.on("error", reject);
      child.on("exit", (code) => resolve(code === 0));
    });
  } finally {
    process.off("SIGTERM", passOn).off("SIGINT", passOn);
  }
}

async function performTests(step: Step): Promise<TestCount> {
  const scratch = mkdtempSync(join(tmpdir(), "drover-check-"));
  try {
    const report = join(scratch, "report.json");
    const ok = await perform(step, ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`]);
    return countTests(existsSync(report) ? readFileSync(report, "utf8") : undefined, ok);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => stages[name] === undefined);
  if (unknown !== undefined || names.length === 0) {
    console.error(`check: expected one or more of ${Object.keys(stages).join(", ")}`);
    return 2;
  }
  let total = noTests;
  for (const step of names.flatMap((name) => stages[name] ?? [])) {
    console.log(`\n== ${step.name}`);
    if ("program" in step && Bun.which(step.program) === null) {
      console.log(`== ${step.name}: skipped, because ${step.program} is not installed (sh build/system-packages.sh)`);
      continue;
    }
    const startedMs = performance.now();
    const count =
      step.tests === true ? await performTests(step) : { ...noTests, failed: (await perform(step, [])) ? 0 : 1 };
    total = addCounts(total, count);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    console.log(`== ${step.name}: ${count.failed === 0 ? "ok" : "FAILED"} in ${seconds} s`);
    if (count.failed > 0) break;
  }
  if (total.skipped > 0) console.log(`\n${total.skipped} skipped`);
  console.log(`\n${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
