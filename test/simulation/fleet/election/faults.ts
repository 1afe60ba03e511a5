import type { FleetNode } from "#fleet";
import type { ElectionNode } from "./node.ts";
import type { ElectionWorld } from "./world.ts";

/** What may happen, and how often beside the others. */
type Step = { readonly name: string; readonly weight: number; readonly take: (world: ElectionWorld) => void };

const STEPS: readonly Step[] = [
  {
    name: "kill the hub",
    weight: 8,
    take: (world) =>
      at(
        world,
        world.nodes.filter(({ isHub }) => isHub),
        kill,
      ),
  },
  { name: "kill a node", weight: 8, take: (world) => at(world, world.nodes, kill) },
  { name: "kill at notes", weight: 6, take: (world) => at(world, world.nodes, killAtNotes) },
  {
    name: "cut the hub off",
    weight: 8,
    take: (world) =>
      at(
        world,
        world.nodes.filter(({ isHub }) => isHub),
        cutOff,
      ),
  },
  { name: "cut a node off", weight: 6, take: (world) => at(world, world.nodes, cutOff) },
  { name: "cut one way", weight: 10, take: cutOneWay },
  { name: "hear late, then be cut off", weight: 3, take: hearLate },
  { name: "be deaf for less than a lease", weight: 3, take: deafFor },
  { name: "voters start anew, and the hub is cut off", weight: 3, take: startAnew },
  { name: "split", weight: 6, take: split },
  { name: "heal", weight: 10, take: (world) => world.network.heal() },
  { name: "weather", weight: 5, take: weather },
  { name: "slow starts", weight: 3, take: (world) => at(world, world.nodes, slowStart) },
  { name: "wall clock jumps", weight: 3, take: (world) => at(world, world.nodes, jump) },
  { name: "change a node", weight: 8, take: changeNode },
  { name: "another lease", weight: 1.5, take: otherLease },
  { name: "another mode", weight: 1, take: otherMode },
];
const TOTAL = STEPS.reduce((sum, { weight }) => sum + weight, 0);

const MAX_DOWN_LEASES = 6;
const MAX_JUMP_MS = 3_600_000;

export function takeElectionStep(world: ElectionWorld): void {
  let left = world.random.next() * TOTAL;
  for (const step of STEPS) {
    left -= step.weight;
    if (left >= 0) continue;
    world.counts.add(`step: ${step.name}`);
    world.say(() => step.name);
    step.take(world);
    return;
  }
}

function at(
  world: ElectionWorld,
  nodes: readonly ElectionNode[],
  take: (node: ElectionNode, world: ElectionWorld) => void,
): void {
  const node = world.pick(nodes);
  if (node === undefined) return;
  world.say(() => `  … at ${world.nameOf(node.id)}`);
  take(node, world);
}

function kill(node: ElectionNode, world: ElectionWorld): void {
  node.kill();
  const isShort = world.random.next() < 0.4;
  world.time.after(world.random.next() * (isShort ? 0.5 : MAX_DOWN_LEASES) * world.wish.leaseMs, () => node.start());
}

function killAtNotes(node: ElectionNode): void {
  node.killRatio = node.killRatio === 0 ? 0.3 : 0;
}

function cutOff(node: ElectionNode, world: ElectionWorld): void {
  for (const other of world.nodes) {
    world.network.cut(node.id, other.id);
    world.network.cut(other.id, node.id);
  }
}

function cutOneWay(world: ElectionWorld): void {
  const [from, to] = [world.pick(world.nodes), world.pick(world.nodes)];
  if (from === undefined || to === undefined) return;
  const isWhole = world.random.next() < 0.5;
  for (const other of isWhole ? world.nodes : [to]) world.network.cut(from.id, other.id);
}

/** Answers take nearly as long as they are waited for: the moment of the question and that of the answer differ most. */
const LATE_SHARE = 0.36;

/** What a hub and its voters count from is told apart, and whoever is elected then is there at once. */
function hearLate(world: ElectionWorld): void {
  const hub = world.pick(world.serving);
  if (hub === undefined) return;
  const { leaseMs } = world.wish;
  startSoon(world);
  world.network.slow(hub.id, LATE_SHARE * leaseMs);
  later(world, (1 + world.random.next()) * leaseMs, () => cutOff(hub, world));
  world.time.after(5 * leaseMs, () => world.network.slow(hub.id, 0));
}

/** Some voters hear no hub, the others do: those who do not may find a candidate while the hub has its lease. */
function deafFor(world: ElectionWorld): void {
  const hub = world.pick(world.serving);
  if (hub === undefined) return;
  startSoon(world);
  for (const node of world.nodes) if (node !== hub && world.random.next() < 0.7) world.network.cut(hub.id, node.id);
  later(world, (1 + world.random.next() * 2) * world.wish.leaseMs, () => world.network.heal());
}

/** Those who lent the hub its lease have just forgotten whatever they did not write down. */
function startAnew(world: ElectionWorld): void {
  const hub = world.pick(world.serving);
  if (hub === undefined) return;
  startSoon(world);
  for (const node of world.nodes) if (node !== hub) node.restart();
  // A request that is under way lends once more.
  later(world, world.random.next() * 0.2 * world.wish.leaseMs, () => cutOff(hub, world));
}

function later(world: ElectionWorld, delayMs: number, act: () => void): void {
  world.time.after(delayMs, () => {
    if (!world.isCalm) act();
  });
}

function startSoon(world: ElectionWorld): void {
  for (const node of world.nodes) node.startMs = 10;
}

function split(world: ElectionWorld): void {
  const sides = new Map(world.nodes.map((node) => [node, world.random.next() < 0.5]));
  for (const [a, sideA] of sides) {
    for (const [b, sideB] of sides) if (sideA !== sideB) world.network.cut(a.id, b.id);
  }
}

function weather({ network, random }: ElectionWorld): void {
  const isBad = random.next() < 0.5;
  network.temper = {
    usualMs: isBad ? random.next() * 400 : 20,
    lossRatio: isBad ? random.next() * 0.3 : 0,
    repeatRatio: isBad ? random.next() * 0.2 : 0,
    lateRatio: isBad ? random.next() * 0.1 : 0,
  };
}

function slowStart(node: ElectionNode, { random }: ElectionWorld): void {
  node.startMs = random.next() < 0.5 ? 300 : random.next() * 25_000;
}

function jump(node: ElectionNode, { random }: ElectionWorld): void {
  node.machine.wallOffsetMs += (random.next() * 2 - 1) * MAX_JUMP_MS;
}

/** Somebody removes a node at the hub, lets it in again, or changes whether it is reached. */
function changeNode(world: ElectionWorld): void {
  const hub = world.pick(world.serving);
  if (hub === undefined) return;
  const { copy } = hub.disk;
  const isOut = (node: ElectionNode): boolean =>
    copy.nodes.some(({ id, state }) => id === node.id && state === "removed");
  const others = world.nodes.filter((node) => node !== hub);
  // Fleets in which most were removed have no elections to look at.
  const other = world.pick(others.filter(isOut).length > 1 ? others.filter(isOut) : others);
  if (other === undefined) return;
  const change = (node: FleetNode): FleetNode => {
    if (node.state === "removed") return { ...node, state: "active" };
    if (world.random.next() < 0.5) return { ...node, state: "removed" };
    return { ...node, url: node.url === null ? `http://${node.name}` : null };
  };
  const nodes = copy.nodes.map((node) => (node.id === other.id ? change(node) : node));
  hub.disk.copy = { ...copy, nodes, position: { ...copy.position, seq: copy.position.seq + 1 } };
}

function otherLease(world: ElectionWorld): void {
  world.wish = { ...world.wish, leaseMs: world.wish.leaseMs * (world.random.next() < 0.5 ? 2 : 0.5) };
}

function otherMode(world: ElectionWorld): void {
  world.wish = { ...world.wish, mode: world.wish.mode === "manual" ? "automatic" : "manual" };
}
