/**
 * A goal on a real git repository: it is divided into tasks, carried out through the tools of a model, verified by the
 * repository's own test, committed on a branch, weighed, scanned for secrets and delivered. Then two faults are put in:
 * no endpoint answers, and a node is taken out of the fleet while it holds tasks; the mind heals both and rests again.
 * Everything lies in a temporary folder, and everything it starts is stopped.
 *
 * Run: npm run demo:goal
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { FleetNode } from "./fleet-node.ts";
import { type GoalModel, startGoalModel } from "./goal-model.ts";

const LIMIT_MS = 240_000;
/** What a real model may take for a plan, two tasks and their checks. */
const REAL_LIMIT_MS = 900_000;
const LOOK_EVERY_MS = 250;
const STEP_LIMIT_MS = 60_000;
const HELD_TASKS = 3;
/** Shorter than usual, so that nobody waits for it; how faults are met stays as it is. */
const HEAL_AGAIN_MS = 5_000;
const DWELL_MS = { resting: 2_000, executing: 2_000, improving: 2_000, contemplating: 2_000, healing: 5_000 };

const folder = mkdtempSync(join(tmpdir(), "drover-goal-"));
const remote = join(folder, "leap.git");
const checkout = join(folder, "leap");
const beganMs = performance.now();

const FILES: Readonly<Record<string, string>> = {
  "README.md": "# leap\n\nSays whether a year is a leap year. Its test: sh test/run.sh\n",
  LICENSE: "Public domain.\n",
  "CHANGELOG.md": "# Changes\n",
  "lib/leap.sh": "# is_leap YEAR: succeeds when it is a leap year.\nis_leap() {\n  [ $(($1 % 4)) -eq 0 ]\n}\n",
  "test/run.sh": `. ./lib/leap.sh
failed=0
check() { if is_leap "$1"; then is=leap; else is=common; fi
  [ "$is" = "$2" ] || { echo "test/run.sh: $1 is said to be $is, and is $2"; failed=1; }; }
check 2024 leap; check 2023 common; check 2000 leap; check 1900 common
exit $failed
`,
};

const goalSchema = z.object({ id: z.string(), state: z.string() });
const mindSchema = z.object({ state: z.string(), reason: z.string() });
const invitationSchema = z.object({ invitation: z.string() });
const taskSchema = z.object({ id: z.string(), state: z.string(), attempts: z.array(z.object({ node: z.string() })) });
const nodeSchema = z.object({ nodes: z.array(z.object({ id: z.string(), name: z.string() })) });

function say(text: string): void {
  console.log(`${((performance.now() - beganMs) / 1_000).toFixed(1).padStart(6)} s  ${text}`);
}

async function show(node: FleetNode, ...args: readonly string[]): Promise<string> {
  console.log(`\n$ drover ${args.map((arg) => (/[ *]/.test(arg) ? `'${arg}'` : arg.replace(folder, "…"))).join(" ")}`);
  const out = await node.drover(...args);
  console.log(out.replaceAll(folder, "…").trimEnd());
  return out;
}

async function until(what: string, holds: () => Promise<boolean>, limitMs = STEP_LIMIT_MS): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await holds().catch(() => false))) {
    if (performance.now() > endMs) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await Bun.sleep(LOOK_EVERY_MS);
  }
}

function git(cwd: string, ...args: readonly string[]): string {
  const done = Bun.spawnSync(["git", "-c", "user.name=Demo", "-c", "user.email=demo@example.org", ...args], { cwd });
  if (done.exitCode !== 0) throw new Error(`git ${args.join(" ")}: ${done.stderr.toString().trim()}`);
  return done.stdout.toString().trim();
}

function prepareRepository(): void {
  mkdirSync(remote);
  git(remote, "init", "--quiet", "--bare", "--initial-branch", "main");
  git(folder, "clone", "--quiet", remote, checkout);
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(checkout, path)), { recursive: true });
    writeFileSync(join(checkout, path), text);
  }
  git(checkout, "checkout", "--quiet", "-B", "main");
  git(checkout, "add", "--all");
  git(checkout, "commit", "--quiet", "--message", "Say what a leap year is");
  git(checkout, "push", "--quiet", "origin", "main");
  const test = Bun.spawnSync(["sh", "test/run.sh"], { cwd: checkout });
  console.log(`$ sh test/run.sh\n${test.stdout.toString().trimEnd()}`);
  if (test.exitCode === 0) throw new Error("the test of the repository passes before anything was done");
}

async function goal(hub: FleetNode, model: GoalModel): Promise<void> {
  say("a repository with a test that fails, and a bare remote");
  prepareRepository();
  await show(hub, "repo", "add", "leap", "--from", `file://${remote}`, "--test", "sh test/run.sh");
  const added = await hub.drover(
    "goal",
    "add",
    "--title",
    "Leap years follow the rule for centuries",
    "--description",
    "The test of this repository fails for 1900. Mend lib/leap.sh, not the test, and note it in CHANGELOG.md.",
    "--repo",
    "leap",
    "--verify-test",
    "sh test/run.sh",
    "--budget-tokens",
    "2000000",
    "--json",
  );
  const { id } = z.object({ id: z.string() }).parse(JSON.parse(added));
  say(`goal ${id} is handed in`);
  const limitMs = model.isReal ? REAL_LIMIT_MS : STEP_LIMIT_MS * 2;
  const ended = async () =>
    ["complete", "failed", "cancelled"].includes((await hub.ask(goalSchema, `/api/goals/${id}`)).state);
  await until("the goal ends", ended, limitMs);
  await show(hub, "goal", "show", id, "--history");
  await show(hub, "task", "list", "--label", `drover.goal=${id}`);
  await show(hub, "repo", "risk", "leap", `drover/${id}`);
  await show(hub, "repo", "deliveries", "leap");
  await show(hub, "cost", "--by", "goal");
  const { state } = await hub.ask(goalSchema, `/api/goals/${id}`);
  if (state !== "complete") throw new Error(`the goal is ${state}`);
}

async function mindIs(node: FleetNode, state: string, limitMs = STEP_LIMIT_MS): Promise<void> {
  const is = async () => (await node.ask(mindSchema, "/api/hub/state")).state === state;
  await until(`the mind of ${node.name} is ${state}`, is, limitMs);
  say(`the mind of ${node.name} is ${state}: ${(await node.ask(mindSchema, "/api/hub/state")).reason}`);
}

async function noEndpoint(hub: FleetNode, model: GoalModel): Promise<void> {
  await mindIs(hub, "resting");
  await model.close();
  say("no endpoint answers any more");
  await mindIs(hub, "healing");
  await model.open();
  say("it answers again");
  await mindIs(hub, "resting");
}

/** A task that runs until it is told to end. */
function held(number: number): object {
  return {
    title: `held ${number}`,
    command: ["sh", "-c", `until [ -e go ]; do sleep 0.2; done; echo ${number}`],
    workspace: join(folder, "work"),
    requires: { labels: { box: "second" } },
  };
}

async function stuckTasks(hub: FleetNode, second: FleetNode): Promise<void> {
  const token = invitationSchema.parse(JSON.parse(await hub.drover("token", "create", "--json")));
  const role = z.object({ role: z.string() });
  await until("the hub is one", async () => (await hub.ask(role, "/api/fleet")).role === "hub");
  await second.drover("up", "--detach");
  await second.drover("join", token.invitation, "--own-url", await second.url());
  const ids: string[] = [];
  for (let number = 0; number < HELD_TASKS; number += 1) {
    ids.push((await hub.ask(z.object({ id: z.string() }), "/api/tasks", held(number))).id);
  }
  const tasks = () => Promise.all(ids.map((id) => hub.ask(taskSchema, `/api/tasks/${id}`)));
  await until("second holds them", async () => (await tasks()).every(({ state }) => state === "running"));
  const { nodes } = await hub.ask(nodeSchema, "/api/nodes");
  const id = nodes.find(({ name }) => name === second.name)?.id ?? "";
  say(`a second node joined and holds ${HELD_TASKS} tasks; it is killed, and taken out of the fleet`);
  second.end();
  await hub.drover("node", "remove", id);
  await mindIs(hub, "healing");
  await until("the tasks are offered again", async () => (await tasks()).every(({ state }) => state === "ready"));
  say("the tasks are offered again");
  await hub.drover("task", "cancel", ...ids);
  await mindIs(hub, "resting");
}

async function demo(hub: FleetNode, second: FleetNode, model: GoalModel): Promise<void> {
  console.log(`${model.notice}\n`);
  await hub.drover("up", "--detach");
  await goal(hub, model);
  await noEndpoint(hub, model);
  await stuckTasks(hub, second);
  await show(hub, "fsm", "history");
  await show(hub, "alert", "list");
  await show(hub, "audit", "verify");
  say("the goal is delivered, both faults are healed, and the mind rests");
}

async function main(): Promise<void> {
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, "work"));
  chmodSync(join(folder, "work"), 0o777);
  const model = await startGoalModel();
  const chain = JSON.stringify(model.models);
  const mind = {
    DROVER_FSM_DWELL_MS: JSON.stringify(DWELL_MS),
    // Its repository's test fails, which is healed first.
    DROVER_FSM_HEALING: JSON.stringify({ again_ms: HEAL_AGAIN_MS }),
    DROVER_ENDPOINTS: JSON.stringify([{ name: "model", url: model.url }]),
    DROVER_TIERS_TRIVIAL_MODELS: chain,
    DROVER_TIERS_STANDARD_MODELS: chain,
    DROVER_TIERS_COMPLEX_MODELS: chain,
  };
  const hub = new FleetNode(folder, "hub", mind);
  const second = new FleetNode(folder, "second", {
    DROVER_NODE_LABELS: JSON.stringify({ box: "second" }),
    DROVER_EXECUTOR_SHELL_CONCURRENCY: String(HELD_TASKS),
  });
  const limitMs = LIMIT_MS + (model.isReal ? REAL_LIMIT_MS : 0);
  const timer = setTimeout(() => {
    console.error(`the demo took longer than ${limitMs / 1_000} s`);
    process.exitCode = 1;
    for (const node of [hub, second]) node.end();
  }, limitMs);
  try {
    await demo(hub, second, model);
  } finally {
    clearTimeout(timer);
    for (const node of [hub, second]) node.end();
    await model.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
