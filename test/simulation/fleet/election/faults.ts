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
