/**
 * The main job on real input: the compiled executable runs commands and prompts on a clone of this repository, in the
 * sandbox, and proves each result. Everything lies in a temporary folder, and everything it starts is stopped.
 *
 * Run: npm run demo
 */
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Answering, agentTasks, REAL_LIMIT_MS, startAnswering } from "./agents.ts";

const root = resolve(import.meta.dir, "../..");
const drover = join(root, "dist", process.platform === "win32" ? "drover.exe" : "drover");
/** With toys the whole demo takes seconds; a machine on which it takes longer than this has a fault worth seeing. */
const LIMIT_MS = 180_000;

const folder = mkdtempSync(join(tmpdir(), "drover-demo-"));
const state = join(folder, "state");
const clone = join(folder, "repository");
const tasksFile = join(folder, "tasks.json");

let environment: Record<string, string | undefined> = {
  ...process.env,
  DROVER_STATE: state,
  DROVER_HTTP_PORT: "0",
  // What else runs on this host is none of the demo's business.
  DROVER_HW_DISCOVER: "false",
};

/** Runs a command of the executable and shows it as a person would type it. */
async function show(expected: number, ...args: readonly string[]): Promise<void> {
  console.log(`\n$ drover ${args.map((arg) => (arg.includes(" ") ? `'${arg}'` : arg.replace(folder, "…"))).join(" ")}`);
  const child = Bun.spawn([drover, ...args], { stdio: ["ignore", "inherit", "inherit"], env: environment });
  const code = await child.exited;
  if (code !== expected) throw new Error(`drover ${args[0] ?? ""} ended with exit code ${code}, not ${expected}`);
}

function git(...args: readonly string[]): void {
  const done = Bun.spawnSync(["git", ...args], { stdout: "ignore", stderr: "pipe" });
  if (done.exitCode !== 0) throw new Error(`git ${args.join(" ")}: ${done.stderr.toString().trim()}`);
}

function prepareRepository(): void {
  if (!existsSync(join(root, ".git"))) throw new Error(`${root} is not a git clone; the demo works on a clone of it`);
  git("clone", "--quiet", "--no-hardlinks", root, clone);
  if (process.getuid?.() !== 0) return;
  // Commands never run as root: the folder is given to the user that they do run as.
  chmodSync(folder, 0o711);
  const given = Bun.spawnSync(["chown", "-R", "nobody:", clone]);
  if (given.exitCode !== 0) throw new Error("the clone could not be given to the user nobody");
}

const tasks = [
  {
    ref: "counts",
    title: "Count the lines of the source",
    lane: "high",
    workspace: clone,
    command: [
      "sh",
      "-c",
      `echo "::progress 0.2 files are listed"
       mkdir -p coverage
       files=$(git ls-files "src/*.ts" | wc -l); lines=$(git ls-files "src/*.ts" | xargs cat | wc -l)
       echo "::progress 0.9 $files files are counted"
       printf '{"files": %d, "lines": %d}\\n' "$files" "$lines" | tee coverage/counts.json`,
    ],
    verify: [
      {
        kind: "json_schema",
        path: "coverage/counts.json",
        schema: {
          type: "object",
          required: ["files", "lines"],
          properties: { files: { type: "integer", minimum: 100 }, lines: { type: "integer", minimum: 1000 } },
        },
      },
      { kind: "git_clean" },
    ],
    labels: { demo: "commands" },
  },
  {
    title: "Report the size of each room",
    dependsOn: ["counts"],
    workspace: clone,
    command: [
      "sh",
      "-c",
      'for room in src/*/; do printf "%6d lines  %s\\n" "$(cat $(find "$room" -name "*.ts") | wc -l)" "$room"; done | sort -rn | tee coverage/rooms.txt',
    ],
    verify: [
      { kind: "file_contains", path: "coverage/rooms.txt", pattern: "src/queue/" },
      { kind: "command_succeeds", command: ["git", "fsck", "--no-progress"] },
    ],
    labels: { demo: "commands" },
  },
  {
    title: "Release a tag that does not exist",
    lane: "low",
    workspace: clone,
    command: ["git", "describe", "--exact-match", "--match", "v999.*"],
    maxAttempts: 2,
    retry: { baseMs: 300, maxMs: 300 },
    labels: { demo: "commands" },
  },
];

async function demo(answering: Answering): Promise<void> {
  console.log(`drover demo: six tasks on a clone of this repository, in ${folder}`);
  prepareRepository();
  environment = { ...environment, DROVER_ENDPOINTS: JSON.stringify(answering.endpoints) };
  if (answering.realModels.length > 0) {
    // Of these and no toy a task that names no model is answered, whatever its tier is thought to be.
    const chain = JSON.stringify(answering.realModels);
    for (const tier of ["TRIVIAL", "STANDARD", "COMPLEX"]) environment[`DROVER_TIERS_${tier}_MODELS`] = chain;
  }
  await show(0, "doctor");
  await show(0, "up", "--detach");
  try {
    await commands();
    console.log(`\n${answering.notice}`);
    await models(answering);
    await show(0, "bottlenecks");
  } finally {
    await show(0, "down");
  }
}

async function commands(): Promise<void> {
  writeFileSync(tasksFile, JSON.stringify(tasks, null, 2));
  // One of the three is made to fail, which `--wait` reports by its exit code.
  await show(1, "task", "add", "--file", tasksFile, "--wait", "--timeout", "120s");
  await show(0, "queue");
  await show(0, "task", "list", "--label", "demo=commands");
  await showEach("demo=commands", "dead done done");
}

async function models(answering: Answering): Promise<void> {
  const isReal = answering.realModels.length > 0;
  await show(0, "endpoints", "probe");
  await show(0, "models");
  await show(0, "route", "explain", "Change the heading of the README", "--tools");
  writeFileSync(tasksFile, JSON.stringify(agentTasks(clone, answering.realModels), null, 2));
  // The last of the three is made to reach its limit.
  await show(
    1,
    "task",
    "add",
    "--file",
    tasksFile,
    "--wait",
    "--timeout",
    `${isReal ? REAL_LIMIT_MS / 1_000 + 60 : 150}s`,
  );
  const ids = await showEach("demo=models", "dead done done");
  for (const id of ids) await show(0, "task", "logs", id);
  await show(0, "task", "explain", ids[0] ?? "");
  await show(0, "usage", "--by", "model");
}

/** @returns the ids, the oldest first. */
async function showEach(label: string, expected: string): Promise<readonly string[]> {
  const listed = Bun.spawnSync([drover, "task", "list", "--label", label, "--json"], { env: environment });
  // `as`: the shape of the API's list of tasks.
  const page = JSON.parse(listed.stdout.toString()) as { readonly items: readonly { id: string; state: string }[] };
  const states = page.items.map((item) => item.state).sort();
  if (states.join(" ") !== expected) throw new Error(`expected tasks to be ${expected}, they are ${states.join(" ")}`);
  const oldestFirst = page.items.toReversed();
  for (const { id, state: ended } of oldestFirst) {
    await show(0, ...(ended === "dead" ? ["dead", "show", id] : ["task", "show", id]));
  }
  return oldestFirst.map(({ id }) => id);
}

const answering = await startAnswering();
const limitMs = LIMIT_MS + (answering.realModels.length > 0 ? REAL_LIMIT_MS : 0);
const limit = setTimeout(() => {
  console.error(`\nThe demo did not end within ${limitMs / 1_000} s.`);
  process.exit(1);
}, limitMs);
try {
  await demo(answering);
  console.log(
    "\nFour tasks are done and verified, one of them after a model corrected itself; two ended as dead letters with " +
      "their reasons, one of them with the part of its work that was done. The node has stopped.",
  );
} finally {
  await answering.stop();
  clearTimeout(limit);
  rmSync(folder, { recursive: true, force: true });
}
