/**
 * The main job on real input: the compiled executable runs three tasks on a clone of this repository and proves each
 * result. Everything lies in a temporary folder, and everything it starts is stopped.
 *
 * Run: npm run demo
 */
import { appendFileSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dir, "../..");
const drover = join(root, "dist", process.platform === "win32" ? "drover.exe" : "drover");
const bun = process.execPath;
/** The whole demo takes seconds; a machine on which it takes longer than this has a fault worth seeing. */
const LIMIT_MS = 180_000;

const folder = mkdtempSync(join(tmpdir(), "drover-demo-"));
const state = join(folder, "state");
const clone = join(folder, "repository");
const tasksFile = join(folder, "tasks.json");

/** Runs a command of the executable and shows it as a person would type it. */
async function show(expected: number, ...args: readonly string[]): Promise<void> {
  console.log(`\n$ drover ${args.map((arg) => (arg.includes(" ") ? `'${arg}'` : arg.replace(folder, "…"))).join(" ")}`);
  const child = Bun.spawn([drover, ...args], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, DROVER_STATE: state, DROVER_HTTP_PORT: "0" },
  });
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
  // The tools are borrowed from this checkout, out of git's sight.
  symlinkSync(join(root, "node_modules"), join(clone, "node_modules"));
  appendFileSync(join(clone, ".git", "info", "exclude"), "node_modules\n");
}

const tasks = [
  {
    ref: "tests",
    title: "Run the tests of the base room",
    lane: "high",
    workspace: clone,
    command: [
      "sh",
      "-c",
      `echo "::progress 0.2 tests are running"
       "${bun}" --bun node_modules/.bin/vitest run --project sources test/unit/base --reporter=json --outputFile=coverage/base.json
       code=$?; echo "::progress 0.9 tests have run"; exit $code`,
    ],
    verify: [
      {
        kind: "json_schema",
        path: "coverage/base.json",
        schema: {
          type: "object",
          required: ["success", "numPassedTests"],
          properties: { success: { const: true }, numPassedTests: { type: "integer", minimum: 1 } },
        },
      },
      { kind: "git_clean" },
    ],
    labels: { demo: "yes" },
  },
  {
    title: "Report the size of each room",
    dependsOn: ["tests"],
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
    labels: { demo: "yes" },
  },
  {
    title: "Release a tag that does not exist",
    lane: "low",
    workspace: clone,
    command: ["git", "describe", "--exact-match", "--match", "v999.*"],
    maxAttempts: 2,
    retry: { baseMs: 300, maxMs: 300 },
    labels: { demo: "yes" },
  },
];

async function demo(): Promise<void> {
  console.log(`drover demo: three tasks on a clone of this repository, in ${folder}`);
  prepareRepository();
  writeFileSync(tasksFile, JSON.stringify(tasks, null, 2));

  await show(0, "up", "--detach");
  try {
    // One of the three is made to fail, which `--wait` reports by its exit code.
    await show(1, "task", "add", "--file", tasksFile, "--wait", "--timeout", "120s");
    await show(0, "queue");
    await show(0, "task", "list", "--label", "demo=yes");
    for (const { id, state: ended } of await listTasks()) {
      await show(0, ...(ended === "dead" ? ["dead", "show", id] : ["task", "show", id]));
    }
    await show(0, "bottlenecks");
  } finally {
    await show(0, "down");
  }
}

async function listTasks(): Promise<readonly { readonly id: string; readonly state: string }[]> {
  const listed = Bun.spawnSync([drover, "task", "list", "--label", "demo=yes", "--json"], {
    env: { ...process.env, DROVER_STATE: state },
  });
  // `as`: the shape of the API's list of tasks.
  const page = JSON.parse(listed.stdout.toString()) as { readonly items: readonly { id: string; state: string }[] };
  const states = page.items.map((item) => item.state).sort();
  if (states.join(" ") !== "dead done done")
    throw new Error(`expected two tasks done and one dead, got: ${states.join(" ")}`);
  return page.items.toReversed();
}

const limit = setTimeout(() => {
  console.error(`\nThe demo did not end within ${LIMIT_MS / 1_000} s.`);
  process.exit(1);
}, LIMIT_MS);
try {
  await demo();
  console.log("\nTwo tasks are done and verified, one ended as a dead letter with its reason. The node has stopped.");
} finally {
  clearTimeout(limit);
  rmSync(folder, { recursive: true, force: true });
}
