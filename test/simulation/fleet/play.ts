import { hasEnded } from "#queue";
import { type Breach, shown } from "./checks.ts";
import type { HubDatabase } from "./database.ts";
import { heal, takeStep } from "./faults.ts";
import type { FleetNode } from "./node.ts";
import { USUAL_MS, World } from "./world.ts";

export type Outcome = { readonly breach: Breach | undefined; readonly counts: ReadonlyMap<string, number> };

/** Work and faults for so long, then rest. */
const MIN_TROUBLE_MS = 60_000;
const MAX_TROUBLE_MS = 240_000;
const MAX_PAUSE_MS = 6_000;
/** A lease, its sweep, a retry and the longest backoff of an outbox; with half as much again. */
const REST_MS = 240_000;
const LOOK_MS = 2_000;
const QUIET_LOOKS = 3;

/**
 * @param off rules that are not looked at
 * @param trace is told what happens
 */
export async function play(
  seed: number,
  off: ReadonlySet<string> = new Set(),
  trace?: (line: string) => void,
): Promise<Outcome> {
  const world = new World(seed, off);
  world.checks.trace = trace;
  const isOver = (): boolean => world.checks.first !== undefined;
  world.start();
  const troubleMs = MIN_TROUBLE_MS + world.random.next() * (MAX_TROUBLE_MS - MIN_TROUBLE_MS);
  const goOn = (): void => {
    if (world.isCalm) return;
    takeStep(world);
    world.time.after(world.random.next() * MAX_PAUSE_MS, goOn);
  };
  world.time.after(world.random.next() * MAX_PAUSE_MS, goOn);
  await world.time.run(troubleMs, isOver);
  if (!isOver()) await rest(world, isOver);
  return { breach: world.checks.first, counts: world.checks.counts };
}

/** Faults stop, but for one node at the most that stays away. */
async function rest(world: World, isOver: () => boolean): Promise<void> {
  world.isCalm = true;
  world.network.temper = { usualMs: USUAL_MS, lossRatio: 0, repeatRatio: 0, lateRatio: 0 };
  const away = world.random.next() < 0.3 ? world.pick(world.nodes.filter((node) => node !== world.hubNode)) : undefined;
  for (const node of world.nodes) {
    if (node.database !== undefined) node.database.isUnavailable = false;
    node.files.lagMs = 100;
    heal(node);
  }
  // Off, or up and out of reach.
  const isOff = world.random.next() < 0.5;
  const present = world.nodes.filter((node) => node !== away);
  const untilMs = world.time.nowMs + REST_MS;
  let left = "";
  // A replica that has just arrived is compared with the outbox a moment later: rest is what lasts.
  for (let quiet = 0; world.time.nowMs < untilMs && quiet < QUIET_LOOKS && !isOver(); ) {
    // Nodes that something started or healed late in the trouble, and those that did not learn in time.
    for (const node of present) {
      heal(node);
      void world.learn(node);
      void node.start();
    }
    if (away !== undefined) leaveOut(away, isOff);
    await world.time.run(world.time.nowMs + LOOK_MS, isOver);
    left = unfinished(world, present);
    quiet = left === "" ? quiet + 1 : 0;
  }
  if (isOver()) return;
  world.checks.check(left === "", "rest", () => left);
  const { database } = world.hubNode;
  if (database !== undefined) checkEnd(world, database, away);
}

function leaveOut(node: FleetNode, isOff: boolean): void {
  if (isOff) node.kill();
  node.way.requestsCut = true;
  node.way.answersCut = true;
}

/** @returns what is not at rest yet, in words; empty when all is. */
function unfinished(world: World, present: readonly FleetNode[]): string {
  const { database } = world.hubNode;
  if (database === undefined) return "there is no hub";
  const open = [...database.store.snapshot().tasks.values()].filter((row) => !hasEnded(row));
  if (open[0] !== undefined) return `${open.length} tasks have not ended: ${open[0].id} is ${open[0].state}`;
  for (const { name, outbox, files, workers } of present) {
    const count = outbox.count();
    if (count.ok && count.value.waiting > 0) return `the outbox of ${name} has ${JSON.stringify(count.value)}`;
    if (count.ok && count.value.unsettled > 0) return `the outbox of ${name} keeps ${JSON.stringify(count.value)}`;
    if (workers.size > 0) return `${name} has ${workers.size} workers`;
    const is = World.fingerprint(files.store) === World.fingerprint(database.store);
    if (!is) return `the replica of ${name} is at ${JSON.stringify(files.position)} of ${database.position().seq}`;
  }
  return "";
}

function checkEnd(world: World, database: HubDatabase, away: FleetNode | undefined): void {
  const { checks } = world;
  const { tasks, attempts } = database.store.snapshot();
  for (const { taskId, node, epoch } of world.accepted) {
    checks.add("accepted");
    if (tasks.has(taskId)) continue;
    if (epoch !== undefined && epoch < world.epoch) {
      checks.add("accepted by a hub alone that was superseded, and lost");
      continue;
    }
    // A node that stays away keeps what it promised, until it comes back.
    const isKept = node === away && node.outbox.keeps(taskId);
    checks.check(isKept, "kept", () => `${taskId}, accepted by ${node.name}, is gone`);
  }
  for (const [id, rows] of attempts) {
    checks.check(rows.filter(({ outcome }) => outcome === "passed").length <= 1, "count", () => `${id} passed twice`);
    const fences = rows.map(({ fenceEpoch, fenceN }) => shown({ epoch: fenceEpoch, n: fenceN }));
    checks.check(new Set(fences).size === rows.length, "count", () => `an attempt of ${id} is counted twice`);
    for (const [index, { result }] of rows.entries()) {
      const reported = result?.["fence"] ?? fences[index];
      checks.check(reported === fences[index], "count", () => {
        return `${id}: ${fences[index]} got the report of ${JSON.stringify(reported)}`;
      });
    }
  }
}
