/** The rounds of a crash run: how each ends, and what was seen on the way. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Random, sleep } from "#base";
import { type BinaryNode, type BinaryWorld, type StartOptions, tryStartNode } from "../support/binary-node.ts";
import { killPid, startTicksOf } from "../support/binary-processes.ts";
import { realClock } from "../support/real-clock.ts";
import { waitUntil } from "../support/wait-until.ts";
import { isWorkerLabel, passagesOf } from "./labels.ts";
import type { NodeSlot } from "./producers.ts";

export const VICTIMS = ["node", "worker", "node and worker"] as const;
export type Victim = (typeof VICTIMS)[number];

/** One round: a process killed at a random moment, or one that kills itself at a label. */
export type Round =
  | { readonly kind: "kill"; readonly victim: Victim; readonly afterMs: number }
  | { readonly kind: "label"; readonly label: string; readonly passage: number };

export type RoundPlan = {
  readonly rounds: number;
  readonly labels: readonly string[];
  readonly victims: readonly Victim[];
};

/** Half of the rounds at labels, the others at random moments; each label and each victim in turn. */
export function plannedRounds(plan: RoundPlan, random: Random): readonly Round[] {
  const { victims } = plan;
  const turns = shuffled(plan.labels, random);
  return Array.from({ length: plan.rounds }, (_unused, index): Round => {
    const turn = Math.floor(index / 2);
    const label = turns[turn % Math.max(1, turns.length)];
    if (index % 2 === 1 && label !== undefined) {
      return { kind: "label", label, passage: 1 + Math.floor(random.next() * passagesOf(label)) };
    }
    const victim = victims[turn % victims.length] ?? "node";
    return { kind: "kill", victim, afterMs: Math.floor(random.next() * MAX_ROUND_MS) };
  });
}

function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  return items
    .map((item) => ({ item, place: random.next() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

const MAX_ROUND_MS = 1_200;
/** An armed label is passed within a second or two of work; after this the round is given up and told so. */
const LABEL_LIMIT_MS = 10_000;
/** Workers that may die at their label in one round: each costs its task an attempt. */
const WORKER_DEATHS = 2;

export type RoundReport = {
  readonly round: Round;
  /** From spawn to ready; undefined when the node died on its way there. */
  readonly readyMs: number | undefined;
  /** False when an armed label was not passed in time, or no worker was there to be killed. */
  readonly isHit: boolean;
};

export type RoundWorld = {
  readonly world: BinaryWorld;
  readonly slot: NodeSlot;
  readonly start: StartOptions;
};

/** Starts a node, lets it work, and ends it by force; the next round starts the next one on the same state. */
export async function playRound(round: Round, { world, slot, start }: RoundWorld): Promise<RoundReport> {
  const log = crashLogOf(world);
  const before = hitsIn(log);
  const armed =
    round.kind === "label"
      ? { DROVER_CRASH_POINT: `${round.label}#${round.passage}`, DROVER_CRASH_LOG: log }
      : undefined;
  const started = await tryStartNode(world, { ...start, env: { ...start.env, ...armed } });
  if (started.kind === "ended") {
    const isHit = round.kind === "label" && hitsIn(log) > before;
    if (!isHit) throw new Error(`the node ended (${started.signal ?? started.code}): ${started.stderr.slice(-2_000)}`);
    return { round, readyMs: undefined, isHit };
  }
  const { node } = started;
  slot.set(node);
  try {
    const isHit = round.kind === "kill" ? await killed(round, node, world) : await diedAt(round, node, log, before);
    return { round, readyMs: node.startedInMs, isHit };
  } finally {
    slot.set(undefined);
    await node.kill();
  }
}

async function killed(round: Extract<Round, { kind: "kill" }>, node: BinaryNode, world: BinaryWorld): Promise<boolean> {
  await sleep(realClock, round.afterMs);
  if (round.victim === "node") return true;
  const pid = await waitUntil("a worker runs", () => someWorker(world.state), LABEL_LIMIT_MS);
  if (round.victim === "node and worker") {
    await node.kill();
    return killPid(pid);
  }
  const isHit = killPid(pid);
  // The node goes on, so that it is this node that notices.
  await sleep(realClock, MAX_ROUND_MS / 3);
  return isHit;
}

async function diedAt(
  { label }: Extract<Round, { kind: "label" }>,
  node: BinaryNode,
  log: string,
  before: number,
): Promise<boolean> {
  const wanted = isWorkerLabel(label) ? WORKER_DEATHS : 1;
  try {
    await waitUntil(`something died at ${label}`, () => hitsIn(log) >= before + wanted, LABEL_LIMIT_MS);
  } catch {
    return false;
  }
  if (!isWorkerLabel(label)) await node.exited;
  return true;
}

/** @returns the pid of a worker that runs on a state folder. */
function someWorker(stateDir: string): number | undefined {
  const root = join(stateDir, "attempts");
  if (!existsSync(root)) return undefined;
  for (const name of readdirSync(root)) {
    const pid = workerPid(join(root, name));
    if (pid !== undefined) return pid;
  }
  return undefined;
}

/** @returns the worker of an attempt folder, if it is the process that claimed it and still runs. */
export function workerPid(folder: string): number | undefined {
  try {
    const claim: unknown = JSON.parse(readFileSync(join(folder, "worker.json"), "utf8"));
    if (typeof claim !== "object" || claim === null || !("pid" in claim) || !("startTicks" in claim)) return undefined;
    const { pid, startTicks } = claim;
    return typeof pid === "number" && pid > 1 && startTicksOf(pid) === startTicks ? pid : undefined;
  } catch {
    return undefined; // Not claimed yet, or over.
  }
}

export function crashLogOf(world: BinaryWorld): string {
  return join(world.path, "crashes.log");
}

/** @returns how many processes died at their label so far. */
function hitsIn(log: string): number {
  return labelsIn(log).length;
}

export function labelsIn(log: string): readonly string[] {
  return existsSync(log) ? readFileSync(log, "utf8").split("\n").filter(Boolean) : [];
}
