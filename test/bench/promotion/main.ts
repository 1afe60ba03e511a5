/**
 * What a promotion loses: a hub and two members, processes of the compiled executable, under load; the hub is killed, a
 * member promoted, and the old hub comes back. Asserts nothing.
 *
 * Run: bun run bench:promotion [--rounds N] [--clients N] [--seconds N]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { FleetNode } from "../../demo/fleet-node.ts";
import { benchArguments } from "../machine/arguments.ts";
import { describeMachine, machineFacts } from "../machine/facts.ts";

const given = benchArguments("bun run bench:promotion [--rounds 3] [--clients 8] [--seconds 4]", {
  rounds: 3,
  clients: 8,
  seconds: 4,
});
const ROUNDS = given.rounds;
const CLIENTS = given.clients;
const LOAD_MS = given.seconds * 1_000;
const LIMIT_MS = 90_000;
const LOOK_MS = 25;
const PAGE = 500;

const invitation = z.object({ invitation: z.string() });
const standing = z.object({
  role: z.string(),
  hub: z.object({ name: z.string() }).nullable(),
  following: z.object({ hubAnswers: z.boolean() }).nullable(),
});
const task = z.object({ id: z.string(), state: z.string() });
const folders = z.object({ folders: z.array(z.object({ name: z.string(), state: z.string() })) });
const entry = z.object({ n: z.number(), kind: z.string(), atMs: z.number(), outcome: z.string() });
const entries = z.object({ entries: z.array(entry), nextAfter: z.number().nullable() });
type Entry = z.output<typeof entry>;

type Round = {
  readonly acknowledged: number;
  readonly lost: number;
  readonly lacking: number;
  readonly completionsLacking: number;
  readonly superseded: number;
  readonly windowMs: number;
  readonly servesAfterMs: number;
  readonly settledAfterMs: number;
};

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + LIMIT_MS;
  while (!(await holds().catch(() => false))) {
    if (performance.now() > endMs) throw new Error(`waited ${LIMIT_MS} ms in vain: ${what}`);
    await Bun.sleep(LOOK_MS);
  }
}

const roleOf = async (node: FleetNode): Promise<string> => (await node.ask(standing, "/api/fleet")).role;

async function startFleet(hub: FleetNode, members: readonly FleetNode[]): Promise<void> {
  for (const node of [hub, ...members]) await node.drover("up", "--detach");
  const made = await hub.drover("token", "create", "--uses", String(members.length), "--json");
  await until("the hub is one", async () => (await roleOf(hub)) === "hub");
  for (const node of members) {
    await node.drover("join", invitation.parse(JSON.parse(made)).invitation, "--own-url", await node.url());
  }
  for (const node of members) {
    await until(`${node.name} follows`, async () => {
      const { following } = await node.ask(standing, "/api/fleet");
      return following?.hubAnswers === true;
    });
  }
}

/** Submits on the hub as fast as it answers. @returns the ids that it acknowledged */
async function load(hub: FleetNode, isOver: () => boolean): Promise<readonly string[]> {
  const acknowledged: string[] = [];
  const client = async (): Promise<void> => {
    while (!isOver()) {
      try {
        const { id } = await hub.ask(task, "/api/tasks", { title: "a task", command: ["true"] });
        acknowledged.push(id);
      } catch {
        // It was killed in between: this one was not acknowledged.
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return acknowledged;
}

async function readEntries(old: FleetNode, name: string): Promise<readonly Entry[]> {
  const all: Entry[] = [];
  for (let after: number | null = 0; after !== null; ) {
    const path: string = `/api/fleet/quarantine/${name}?after=${after}&limit=${PAGE}`;
    const page: z.output<typeof entries> = await old.ask(entries, path);
    all.push(...page.entries);
    after = page.nextAfter;
  }
  return all;
}

async function countMissing(hub: FleetNode, ids: readonly string[]): Promise<number> {
  let missing = 0;
  for (const id of ids) {
    await hub.ask(task, `/api/tasks/${id}`).catch(() => {
      missing += 1;
    });
  }
  return missing;
}

async function round(root: string): Promise<Round> {
  const env = { DROVER_EXECUTOR_SHELL_CONCURRENCY: "2" };
  const hub = new FleetNode(root, "hub", env);
  const a = new FleetNode(root, "a", env);
  const b = new FleetNode(root, "b", env);
  try {
    await startFleet(hub, [a, b]);
    let isOver = false;
    const loading = load(hub, () => isOver);
    await Bun.sleep(LOAD_MS);
    hub.signal("SIGKILL");
    const killedAtMs = Date.now();
    isOver = true;
    const acknowledged = await loading;
    const promotedMs = performance.now();
    await a.drover("promote", "--yes", "--force");
    await until("the new hub takes a task", async () => {
      if ((await roleOf(a)) !== "hub") return false;
      await a.ask(task, "/api/tasks", { title: "after", command: ["true"] });
      return true;
    });
    const servesAfterMs = performance.now() - promotedMs;
    const returnedMs = performance.now();
    await hub.drover("up", "--detach");
    const folderOf = async () => (await hub.ask(folders, "/api/fleet/quarantine")).folders[0];
    await until("the quarantine is settled", async () => (await folderOf())?.state === "settled");
    const settledAfterMs = performance.now() - returnedMs;
    const own = await readEntries(hub, (await folderOf())?.name ?? "");
    return {
      acknowledged: acknowledged.length,
      lost: await countMissing(a, acknowledged),
      lacking: own.filter(({ kind }) => kind === "submission").length,
      completionsLacking: own.filter(({ kind }) => kind === "completion").length,
      superseded: own.filter(({ outcome }) => outcome === "superseded").length,
      windowMs: own.length === 0 ? 0 : killedAtMs - Math.min(...own.map(({ atMs }) => atMs)),
      servesAfterMs,
      settledAfterMs,
    };
  } finally {
    for (const node of [hub, a, b]) node.end();
  }
}

const COLUMNS: readonly (readonly [string, (round: Round) => number])[] = [
  ["acknowledged submissions", ({ acknowledged }) => acknowledged],
  ["  that the promoted copy lacked: lost if the hub never returns", ({ lacking }) => lacking],
  ["  lost after the hub's return", ({ lost }) => lost],
  ["acknowledged completions that it lacked", ({ completionsLacking }) => completionsLacking],
  ["  superseded: run once more", ({ superseded }) => superseded],
  ["loss window, ms: age of the oldest of them at the kill", ({ windowMs }) => windowMs],
  ["promote to the first task taken, ms", ({ servesAfterMs }) => servesAfterMs],
  ["return of the old hub to settled, ms", ({ settledAfterMs }) => settledAfterMs],
];

console.log(describeMachine(machineFacts(tmpdir())));
const rounds: Round[] = [];
for (let number = 1; number <= ROUNDS; number += 1) {
  const root = mkdtempSync(join(tmpdir(), "drover-promotion-"));
  try {
    rounds.push(await round(root));
    console.log(`round ${number} of ${ROUNDS}, load ${loadavg()[0]?.toFixed(1)}`);
    rmSync(root, { recursive: true, force: true });
  } catch (cause) {
    console.error(`round ${number} came to no end: ${String(cause)}; state and logs of its nodes are kept in ${root}`);
    process.exitCode = 1;
  }
}
for (const [title, of] of COLUMNS) {
  console.log(`${title.padEnd(66)}${rounds.map((each) => Math.round(of(each)).toString().padStart(9)).join("")}`);
}
