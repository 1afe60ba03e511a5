/**
 * A fleet of three nodes: fifty tasks are submitted on all of them; the hub is cut off for 15 s, one node is killed for
 * good, and all fifty are done, each exactly once. Then the hub is killed, the node that is left is promoted, and what
 * the old hub alone had accepted is done as well once that has returned. The nodes are processes of the compiled
 * executable on this machine, each with a state folder and, where they can be had, a network namespace of its own.
 * Everything it starts is stopped.
 *
 * Run: npm run demo:fleet
 */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { startAnswering } from "./agents.ts";
import { demoNetwork, withinOwnNetwork } from "./demo-network.ts";
import { FleetNode } from "./fleet-node.ts";
import { promotionStep } from "./promotion-step.ts";

const LIMIT_MS = 300_000;
const TASKS = 50;
const PROMPTS = 3;
/** Submitted to the hub alone, right before it is lost. */
const LAST_TASKS = 5;
const HUB_AWAY_MS = 15_000;
/** What nodes hand in by themselves is not counted. */
const LABELS = { demo: "fleet" };
const OWN_TASKS = "/api/tasks?limit=100&label=demo%3Dfleet";
const LOOK_EVERY_MS = 250;

const code = await withinOwnNetwork();
if (code !== undefined) process.exit(code);

const folder = mkdtempSync(join(tmpdir(), "drover-fleet-"));
const effects = join(folder, "effects");
const beganMs = performance.now();

const made = z.object({ id: z.string() });
const invitationSchema = z.object({ invitation: z.string() });
const standingSchema = z.object({
  role: z.string(),
  following: z.object({ hubAnswers: z.boolean(), staleMs: z.number(), outboxWaiting: z.number() }).nullable(),
});
const taskSchema = z.object({
  id: z.string(),
  state: z.string(),
  attempts: z.array(z.object({ n: z.number(), node: z.string(), outcome: z.string() })),
});
const listSchema = z.object({ items: z.array(taskSchema.omit({ attempts: true })) });

function say(text: string): void {
  console.log(`${((performance.now() - beganMs) / 1_000).toFixed(1).padStart(6)} s  ${text}`);
}

async function until(what: string, holds: () => Promise<boolean>, limitMs: number): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await holds().catch(() => false))) {
    if (performance.now() > endMs) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await Bun.sleep(LOOK_EVERY_MS);
  }
}

/** Each writes its number once it has come to its end; the file is outside of every node. */
function shellTask(number: number): object {
  const script = `sleep ${number % 5 === 0 ? 4 : 1}; echo ${number} > ${number}.$DROVER_ATTEMPT.$$`;
  return { title: `task ${number}`, command: ["sh", "-c", script], workspace: effects, verify: [], labels: LABELS };
}

function promptTask(number: number): object {
  return {
    title: `prompt ${number}`,
    prompt: "Write the word hello into greeting.txt.",
    verify: [{ kind: "file_contains", path: "greeting.txt", pattern: "hello" }],
    requires: { models: ["corrector"] },
    labels: LABELS,
  };
}

async function submit(node: FleetNode, numbers: readonly number[]): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const number of numbers) {
    const { id } = await node.ask(made, "/api/tasks", number < PROMPTS ? promptTask(number) : shellTask(number));
    ids.push(id);
  }
  return ids;
}

async function countDone(node: FleetNode): Promise<number> {
  const { items } = await node.ask(listSchema, `${OWN_TASKS}&state=done`);
  return items.length;
}

async function demo(hub: FleetNode, first: FleetNode, second: FleetNode, notice: string): Promise<void> {
  const nodes = [hub, first, second];
  for (const node of nodes) await node.drover("up", "--detach");
  say(`three nodes run on this machine; ${notice}`);
  const token = invitationSchema.parse(JSON.parse(await hub.drover("token", "create", "--uses", "2", "--json")));
  await until("the hub is one", async () => (await hub.ask(standingSchema, "/api/fleet")).role === "hub", 30_000);
  for (const node of [first, second]) {
    await node.drover("join", token.invitation, "--own-url", await node.url());
  }
  for (const node of [first, second]) {
    const isMember = async () => (await node.ask(standingSchema, "/api/fleet")).following?.hubAnswers === true;
    await until(`${node.name} follows the hub`, isMember, 30_000);
  }
  say("one is the hub, two have joined it");

  const numbers = Array.from({ length: TASKS }, (_, number) => number);
  const ids: string[] = [];
  for (const [index, node] of nodes.entries()) {
    ids.push(
      ...(await submit(
        node,
        numbers.filter((number) => number < 40 && number % 3 === index),
      )),
    );
  }
  say(`${ids.length} tasks are submitted, on all three nodes; ${PROMPTS} of them are prompts`);

  say(`${hub.cut()}; ten more are submitted on the others`);
  const awayMs = performance.now();
  ids.push(...(await submit(first, numbers.slice(40, 45))), ...(await submit(second, numbers.slice(45))));
  await Bun.sleep(Math.max(0, HUB_AWAY_MS - (performance.now() - awayMs)));
  const { following } = await first.ask(standingSchema, "/api/fleet");
  say(
    `${first.name} says: the hub ${following?.hubAnswers === true ? "answers" : "does not answer"}, ` +
      `what it shows is ${((following?.staleMs ?? 0) / 1_000).toFixed(1)} s old, ${following?.outboxWaiting} changes wait`,
  );
  hub.join();
  say("the others reach the hub again");
  await until(
    "ten more are known to the hub",
    async () => (await hub.ask(listSchema, OWN_TASKS)).items.length === TASKS,
    60_000,
  );
  say("the hub knows all fifty");

  const killed = second.signal("SIGKILL");
  say(
    `${second.name} is killed for good, with its watchdog (${killed} processes); ${await countDone(hub)} tasks are done`,
  );
  await until("all are done", async () => (await countDone(hub)) === TASKS, 120_000);
  say("all fifty are done; what the killed node held was offered again when its lease ended");
  await until("the other node shows it", async () => (await countDone(first)) === TASKS, 20_000);
  await check([hub, first], ids);
  const last = Array.from({ length: LAST_TASKS }, (_, number) => TASKS + number);
  await promotionStep({ hub, heir: first, done: ids, submit: (node) => submit(node, last), say, until });
}

/** From each node that is left, and from the files that the tasks made. */
async function check(nodes: readonly FleetNode[], ids: readonly string[]): Promise<void> {
  let mostLost = 0;
  for (const node of nodes) {
    const tasks = await Promise.all(ids.map((id) => node.ask(taskSchema, `/api/tasks/${id}`)));
    const passed = tasks.filter(
      ({ state, attempts }) => state === "done" && attempts.filter(({ outcome }) => outcome === "passed").length === 1,
    );
    const lost = tasks.flatMap(({ attempts }) => attempts).filter(({ outcome }) => outcome !== "passed");
    say(
      `${node.name} shows ${passed.length} tasks done by exactly one attempt, and ${lost.length} attempts that were lost`,
    );
    mostLost = Math.max(mostLost, lost.length);
    if (passed.length !== TASKS) throw new Error(`${node.name} does not show every task done once`);
  }
  const wrote = readdirSync(effects).filter((name) => /^\d+\./.test(name));
  const effectsOf = new Set(wrote.map((name) => readFileSync(join(effects, name), "utf8").trim()));
  say(`files that tasks wrote: ${wrote.length}, of ${effectsOf.size} tasks`);
  // A task whose node was killed after it wrote and before it reported runs again: results count once, runs may not.
  const again = wrote.length - effectsOf.size;
  if (effectsOf.size !== TASKS - PROMPTS) throw new Error("a task had no effect");
  if (again > mostLost) throw new Error(`${again} tasks ran twice, but only ${mostLost} attempts were lost`);
}

async function main(): Promise<void> {
  mkdirSync(effects);
  chmodSync(folder, 0o755);
  // Commands never run as root: whoever they do run as may write here.
  chmodSync(effects, 0o777);
  const network = demoNetwork();
  const answering = await startAnswering("");
  const endpoints = answering.endpoints.map((endpoint) => ({ ...endpoint, url: network.relay(endpoint.url) }));
  const models = { DROVER_ENDPOINTS: JSON.stringify(endpoints) };
  const nodes = [
    new FleetNode(folder, "hub", models, await network.link()),
    new FleetNode(folder, "east", models, await network.link()),
    new FleetNode(folder, "west", {}, await network.link()),
  ] as const;
  const timer = setTimeout(() => {
    console.error(`the demo took longer than ${LIMIT_MS / 1_000} s`);
    process.exitCode = 1;
    for (const node of nodes) node.end();
  }, LIMIT_MS);
  try {
    console.log(answering.notice);
    await demo(...nodes, network.notice);
    say("done");
  } finally {
    clearTimeout(timer);
    for (const node of nodes) node.end();
    await answering.stop();
    network.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
