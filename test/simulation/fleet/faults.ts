import type { FleetNode } from "./node.ts";
import type { World } from "./world.ts";

/** What may happen, and how often beside the others. */
type Step = { readonly name: string; readonly weight: number; readonly take: (world: World) => void };

const STEPS: readonly Step[] = [
  { name: "submit", weight: 30, take: (world) => atOne(world, (node) => world.submitAt(node)) },
  { name: "submit at a hub", weight: 6, take: (world) => atOne(world, (node) => world.submitAtHub(node), isHub) },
  { name: "announce", weight: 6, take: (world) => atOne(world, (node) => world.announce(node)) },
  { name: "cancel", weight: 3, take: (world) => atOne(world, (node) => world.cancelAt(node)) },
  { name: "kill a member", weight: 5, take: (world) => atOne(world, (node) => kill(world, node), isMember) },
  { name: "kill a hub", weight: 3, take: (world) => atOne(world, (node) => kill(world, node), isHub) },
  { name: "stop a node", weight: 2, take: (world) => atOne(world, (node) => void node.stop()) },
  { name: "start nodes", weight: 6, take: (world) => atOne(world, (node) => void node.start()) },
  { name: "cut a way", weight: 8, take: (world) => atOne(world, (node) => cut(world, node)) },
  { name: "heal a way", weight: 6, take: (world) => atOne(world, heal) },
  { name: "lag", weight: 3, take: (world) => atOne(world, (node) => lag(world, node)) },
  { name: "wall clock jumps", weight: 3, take: (world) => atOne(world, (node) => jump(world, node)) },
  { name: "disk of a hub fails", weight: 3, take: (world) => atOne(world, (node) => failDisk(world, node), isHub) },
  { name: "promote", weight: 1.5, take: promote },
  { name: "learn", weight: 4, take: (world) => atOne(world, (node) => void world.learn(node)) },
];
const TOTAL = STEPS.reduce((sum, { weight }) => sum + weight, 0);

const MAX_PROMOTIONS = 2;
const MAX_DOWN_MS = 30_000;
const MAX_LAG_MS = 20_000;
const MAX_JUMP_MS = 5 * 3_600_000;
const MAX_DISK_MS = 15_000;
/** A silence that every lease outlives, and one that none does. */
const MAX_CUT_MS = 100_000;

export function takeStep(world: World): void {
  let at = world.random.next() * TOTAL;
  for (const step of STEPS) {
    at -= step.weight;
    if (at >= 0) continue;
    world.checks.add(`step: ${step.name}`);
    world.checks.say(() => step.name);
    step.take(world);
    return;
  }
}

function isHub(node: FleetNode): boolean {
  return node.database !== undefined;
}

function isMember(node: FleetNode): boolean {
  return node.database === undefined;
}

function atOne(world: World, take: (node: FleetNode) => void, isMeant: (node: FleetNode) => boolean = () => true) {
  const node = world.pick(world.nodes.filter(isMeant));
  if (node === undefined) return;
  world.checks.say(() => `  … at ${node.name}`);
  take(node);
}

function kill(world: World, node: FleetNode): void {
  node.kill();
  for (const worker of node.workers) if (world.random.next() < 0.4) node.workers.delete(worker);
  world.time.after(world.random.next() * MAX_DOWN_MS, () => void node.start());
}

function cut(world: World, node: FleetNode): void {
  const kind = world.random.next();
  node.way.requestsCut = kind < 0.7;
  node.way.answersCut = kind > 0.4;
  world.time.after(world.random.next() * MAX_CUT_MS, () => heal(node));
}

export function heal(node: FleetNode): void {
  node.way.requestsCut = false;
  node.way.answersCut = false;
}

function lag(world: World, node: FleetNode): void {
  node.files.lagMs = world.random.next() < 0.5 ? 100 : world.random.next() * MAX_LAG_MS;
}

function jump(world: World, node: FleetNode): void {
  node.machine.wallOffsetMs += (world.random.next() * 2 - 1) * MAX_JUMP_MS;
}

function failDisk(world: World, node: FleetNode): void {
  const { database } = node;
  if (database === undefined) return;
  database.isUnavailable = true;
  world.time.after(world.random.next() * MAX_DISK_MS, () => {
    database.isUnavailable = false;
    database.unavailableMs = world.time.nowMs;
  });
}

/** Somebody makes another node the hub: because the hub is gone, or because it looks as if it were. */
function promote(world: World): void {
  if (world.epoch > MAX_PROMOTIONS) return;
  const node = world.pick(world.nodes.filter(isMember));
  if (node !== undefined) void world.promote(node, world.random.next() < 0.6);
}
