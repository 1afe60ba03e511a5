import type { NodeId } from "#base";
import { canElect, majority } from "#fleet";
import { takeElectionStep } from "./faults.ts";
import type { ElectionNode } from "./node.ts";
import type { ElectionBreach } from "./rules.ts";
import { ElectionWorld } from "./world.ts";

export type ElectionOutcome = {
  readonly breach: ElectionBreach | undefined;
  readonly counts: ReadonlyMap<string, number>;
};

/** Enough for the first voters to be known. */
const SETTLE_LEASES = 6;
const MIN_TROUBLE_LEASES = 15;
const MAX_TROUBLE_LEASES = 60;
const MAX_PAUSE_LEASES = 2;
/** A hub that was elected and is slow to start, and the doubled wait for the next one. */
const SERVE_MS = 180_000;
const STAY_LEASES = 8;
/** Of histories, those in which a person promotes a node. */
const BY_HAND_RATIO = 0.15;

/** @param off rules that are not looked at */
export async function playElection(
  seed: number,
  off: ReadonlySet<string> = new Set(),
  trace?: (line: string) => void,
): Promise<ElectionOutcome> {
  const world = new ElectionWorld(seed, off);
  world.trace = trace;
  const isOver = (): boolean => world.first !== undefined;
  const { time } = world;
  const { leaseMs } = world.wish;
  world.start();
  try {
    await time.run(SETTLE_LEASES * leaseMs, isOver);
    await trouble(world, isOver);
    if (!isOver()) await rest(world, isOver);
  } catch (cause) {
    world.check(false, "no exception", () => String(cause));
  }
  return { breach: world.first, counts: world.counts.all };
}

async function trouble(world: ElectionWorld, isOver: () => boolean): Promise<void> {
  const { time, random } = world;
  const { leaseMs } = world.wish;
  const leases = MIN_TROUBLE_LEASES + random.next() * (MAX_TROUBLE_LEASES - MIN_TROUBLE_LEASES);
  const untilMs = time.nowMs + leases * leaseMs;
  const goOn = (): void => {
    if (time.nowMs > untilMs) return;
    takeElectionStep(world);
    time.after(random.next() * MAX_PAUSE_LEASES * leaseMs, goOn);
  };
  time.after(random.next() * MAX_PAUSE_LEASES * leaseMs, goOn);
  if (random.next() < BY_HAND_RATIO) {
    time.after(random.next() * leases * leaseMs, () => {
      const members = world.nodes.filter(({ isHub }) => !isHub);
      world.isByHand = true;
      for (const hub of world.nodes.filter(({ isHub }) => isHub)) hub.kill();
      world.pick(members)?.promoteByHand();
      world.counts.add("promoted by hand");
    });
  }
  await time.run(untilMs, isOver);
}

/** Faults stop, but for a minority that stays away for as long as the others have to do without it. */
async function rest(world: ElectionWorld, isOver: () => boolean): Promise<void> {
  const { time, network, random } = world;
  world.isCalm = true;
  network.heal();
  network.temper = { usualMs: 20, lossRatio: 0, repeatRatio: 0, lateRatio: 0 };
  for (const node of world.nodes) {
    node.killRatio = 0;
    node.startMs = 300;
  }
  const away = minority(world);
  const isOff = random.next() < 0.5;
  for (const node of world.nodes) {
    if (!away.includes(node)) node.start();
    else if (isOff) switchOff(node);
    else isolate(world, node);
  }
  world.say(() => `rest, without ${away.map(({ id }) => world.nameOf(id)).join(", ")}`);
  const present = world.nodes.filter((node) => !away.includes(node));
  const beganMs = time.nowMs;
  const serving = await servingOf(world, present, isOver);
  if (isOver()) return;
  world.check(serving !== undefined, "serving", () => `no hub acknowledges ${SERVE_MS / 1_000} s after the faults`);
  if (serving === undefined) return;
  world.counts.add("rest: leases until a hub served", Math.round((time.nowMs - beganMs) / world.wish.leaseMs));
  await stay(world, serving, away, isOver);
}

/** The hub stays, also when those come back that were away; and they have raised no epoch meanwhile. */
async function stay(
  world: ElectionWorld,
  hub: ElectionNode,
  away: readonly ElectionNode[],
  isOver: () => boolean,
): Promise<void> {
  const { time, network } = world;
  const { epoch } = hub;
  const votedBefore = away.map((node) => votedEpoch(node));
  await time.run(time.nowMs + STAY_LEASES * world.wish.leaseMs, isOver);
  for (const [index, node] of away.entries()) {
    const before = votedBefore[index] ?? 0;
    world.check(votedEpoch(node) <= before, "undisturbed", () => {
      return `${world.nameOf(node.id)} raised its epoch from ${before} to ${votedEpoch(node)}, heard by nobody`;
    });
  }
  network.heal();
  for (const node of world.nodes) {
    node.isOff = false;
    node.start();
  }
  await time.run(time.nowMs + STAY_LEASES * world.wish.leaseMs, isOver);
  if (isOver()) return;
  // One that was away may have been elected before it went, and is the newer hub when it comes back.
  const { serving } = world;
  const isSame = serving.length === 1 && (serving[0] === hub || (serving[0]?.epoch ?? 0) > epoch);
  world.check(isSame, "undisturbed", () => {
    return `${world.nameOf(hub.id)} was the hub, and then ${serving.map(({ id }) => world.nameOf(id)).join(" and ") || "nobody"}`;
  });
}

function votedEpoch({ disk }: ElectionNode): number {
  const note = disk.note.read();
  return note.ok ? (note.value.voted?.epoch ?? 0) : 0;
}

async function servingOf(
  world: ElectionWorld,
  present: readonly ElectionNode[],
  isOver: () => boolean,
): Promise<ElectionNode | undefined> {
  const { time } = world;
  const untilMs = time.nowMs + SERVE_MS;
  for (let quiet = 0; time.nowMs < untilMs && !isOver(); ) {
    await time.run(time.nowMs + world.wish.leaseMs / 2, isOver);
    const hub = present.find((node) => node.mayAcknowledge());
    const isRemoved = (id: NodeId): boolean => hub?.disk.copy.nodes.find((one) => one.id === id)?.state === "removed";
    const isSettled = hub !== undefined && present.every(({ id, epoch }) => epoch === hub.epoch || isRemoved(id));
    quiet = isSettled ? quiet + 1 : 0;
    if (quiet > 4) return hub;
  }
  return undefined;
}

/** As many as every set that somebody may go by can do without. */
function minority(world: ElectionWorld): readonly ElectionNode[] {
  const sets = world.sets();
  const away: ElectionNode[] = [];
  // While voters come or go, what is a minority now may be none a moment later.
  const isChanging = world.nodes.some((node) => node.isHub && !hasItsVoters(node));
  const isElective = world.wish.mode === "automatic" && sets.length > 0 && sets.every(canElect) && !world.isByHand;
  if (isChanging) return away;
  if (!isElective) return away;
  const inOrder = world.nodes.map((node) => ({ node, at: world.random.next() })).sort((a, b) => a.at - b.at);
  for (const { node } of inOrder) {
    const rest = world.nodes.filter((one) => one !== node && !away.includes(one)).map(({ id }) => id);
    const isEnough = sets.every((set) => set.nodes.filter((id) => rest.includes(id)).length >= majority(set));
    if (isEnough && world.random.next() < 0.7) away.push(node);
  }
  return away;
}

function hasItsVoters({ id: hub, disk }: ElectionNode): boolean {
  const wanted = disk.copy.nodes.filter(({ id, url, state }) => id === hub || (url !== null && state !== "removed"));
  const present = disk.copy.voters?.nodes ?? [];
  return wanted.length === present.length && wanted.every(({ id }) => present.includes(id));
}

function switchOff(node: ElectionNode): void {
  node.kill();
  node.isOff = true;
}

function isolate(world: ElectionWorld, node: ElectionNode): void {
  for (const other of world.nodes) {
    world.network.cut(node.id, other.id);
    world.network.cut(other.id, node.id);
  }
  node.start();
}
