import { createIdFactory, type NodeId, ok, type Random, type Result, seededRandom } from "#base";
import {
  canElect,
  type ElectionAnswer,
  type ElectionRequest,
  type FleetNode,
  hasReached,
  type Position,
  roundOf,
  type Voters,
} from "#fleet";
import { ProcessClock, SimulatedTime } from "../time.ts";
import { ElectionNetwork } from "./network.ts";
import { ElectionNode } from "./node.ts";
import type { ElectionBreach, ElectionRule } from "./rules.ts";

const MIN_NODES = 4;
const MAX_NODES = 7;
/** Clocks may run apart by a tenth each; half of the machines have nearly that. */
const MAX_DRIFT = 0.095;
/** What goes on all the time, so often in a lease. */
const SYNCS = 5;
const WRITES = 8;
const LOOKS = 20;
const LEASES_MS = [1_000, 1_000, 1_000, 3_000];

export class Counts {
  readonly all = new Map<string, number>();

  add(name: string, by = 1): void {
    this.all.set(name, (this.all.get(name) ?? 0) + by);
  }
}

/** A fleet whose voters elect their hub, on machines and a network that fail, under one seed. */
export class ElectionWorld {
  readonly time = new SimulatedTime();
  readonly random: Random;
  readonly network: ElectionNetwork;
  readonly nodes: readonly ElectionNode[];
  readonly counts = new Counts();
  /** As every node is configured. */
  wish: Pick<Voters, "mode" | "leaseMs">;
  first: ElectionBreach | undefined;
  trace: ((line: string) => void) | undefined;
  /** Faults have stopped: what was begun before does nothing more. */
  isCalm = false;
  /** Whether a person has made a hub: two may then be there, by that person's word. */
  isByHand = false;
  /** Of each round of elections, and of each epoch that a person began. */
  readonly #hubs = new Map<string, NodeId>();
  readonly #off: ReadonlySet<string>;
  readonly #acknowledged: Position[] = [];

  constructor(seed: number, off: ReadonlySet<string>) {
    const random = seededRandom(seed);
    this.random = random;
    this.#off = off;
    this.wish = { mode: "automatic", leaseMs: this.pick(LEASES_MS) ?? 1_000 };
    this.network = new ElectionNetwork(this.time, random, 3 * this.wish.leaseMs);
    const ids = createIdFactory(new ProcessClock(this.time, { wallOffsetMs: 0, rate: 1 }), random);
    const count = MIN_NODES + Math.floor(random.next() * (MAX_NODES - MIN_NODES + 1));
    this.nodes = Array.from({ length: count }, () => {
      const drift = Math.max(-1, Math.min(1, (random.next() * 2 - 1) * 2)) * MAX_DRIFT;
      return new ElectionNode(this, ids.node(), 1 + drift, random);
    });
    const [hub] = this.nodes;
    if (hub === undefined) throw new Error("a fleet has nodes");
    const members = this.nodes.map(({ id }, index) => row(id, index));
    hub.disk.copy = { position: { epoch: 1, seq: 1 }, voters: undefined, nodes: members };
    for (const node of this.nodes) if (node !== hub) node.disk.follows = { epoch: 1, hub: hub.id };
  }

  start(): void {
    for (const node of this.nodes) node.start();
    const { leaseMs } = this.wish;
    this.#repeat(leaseMs / SYNCS, () => {
      for (const node of this.nodes) void node.sync();
    });
    this.#repeat(leaseMs / WRITES, () => {
      for (const node of this.nodes) if (node.isHub) void this.#write(node);
    });
    this.#repeat(leaseMs / LOOKS, () => this.#checkAtOnce());
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.random.next() * items.length)];
  }

  node(id: NodeId): ElectionNode {
    const found = this.nodes.find((node) => node.id === id);
    if (found === undefined) throw new Error(`there is no node ${id}`);
    return found;
  }

  nameOf(id: NodeId): string {
    return `node ${this.nodes.findIndex((node) => node.id === id)}`;
  }

  say(text: () => string): void {
    this.trace?.(`${(this.time.nowMs / 1_000).toFixed(3).padStart(8)} ${text()}`);
  }

  check(holds: boolean, rule: ElectionRule, text: () => string): void {
    if (holds || this.first !== undefined || this.#off.has(rule)) return;
    this.first = { rule, text: text(), atMs: Math.round(this.time.nowMs) };
  }

  /** A request at the machine that it was sent to; nobody is there while no process is. */
  arrive(from: NodeId, to: NodeId, request: ElectionRequest): Result<ElectionAnswer> | undefined {
    const node = this.node(to);
    const { process } = node;
    // A signature of a node that was removed opens nothing.
    if (process === undefined || node.disk.copy.nodes.some(({ id, state }) => id === from && state === "removed")) {
      return undefined;
    }
    const has = node.disk.copy.position;
    const said = process.duty.hear(from, request);
    if (!said.ok) return undefined;
    this.say(
      () =>
        `${this.nameOf(to)} answers ${this.nameOf(from)}: ${request.kind} ${request.epoch} ${said.value.why ?? "yes"}`,
    );
    if (said.value.granted && request.kind === "vote") {
      this.counts.add("votes");
      this.check(hasReached(request.position, has), "newest", () => {
        return `${this.nameOf(to)} at ${JSON.stringify(has)} voted for ${this.nameOf(from)} at ${JSON.stringify(request.position)}`;
      });
    }
    return ok(said.value);
  }

  /** A node begins to write under an epoch. */
  hubBegins(node: ElectionNode, { epoch, isByHand }: { readonly epoch: number; readonly isByHand: boolean }): void {
    const name = isByHand ? `epoch ${epoch}` : `round ${roundOf(epoch)}`;
    const before = this.#hubs.get(name);
    this.check(
      before === undefined,
      "one hub",
      () => `${name} has ${this.nameOf(node.id)} and ${this.nameOf(before ?? node.id)}`,
    );
    this.#hubs.set(name, node.id);
    this.say(() => `${this.nameOf(node.id)} is the hub of epoch ${epoch}`);
    const from = node.disk.copy.position;
    const lost = this.#acknowledged.filter(({ epoch: of, seq }) => of === from.epoch && seq > from.seq).length;
    if (lost > 0) this.counts.add("acknowledged and lost with a hub", lost);
  }

  /** Every set that somebody may still go by. */
  sets(): readonly Voters[] {
    return this.nodes.flatMap(({ disk }) => {
      const note = disk.note.read();
      const kept = note.ok ? note.value.voters : null;
      return [disk.copy.voters, kept].filter((set) => set !== undefined && set !== null);
    });
  }

  get serving(): readonly ElectionNode[] {
    return this.nodes.filter((node) => node.mayAcknowledge());
  }

  /** Somebody writes at a hub: it is told yes only when the hub may say so before and after the commit. */
  async #write(node: ElectionNode): Promise<void> {
    const { process } = node;
    if (process === undefined || !node.mayAcknowledge()) return;
    await new Promise<void>((resolve) => process.clock.after(this.random.next() * 30, resolve));
    if (node.process !== process || !node.isHub) return;
    const { copy } = node.disk;
    const position = { ...copy.position, seq: copy.position.seq + 1 };
    node.disk.copy = { ...copy, position };
    if (!node.mayAcknowledge()) {
      this.counts.add("written and not acknowledged");
      return;
    }
    this.counts.add("acknowledged");
    this.#acknowledged.push(position);
    this.#checkAtOnce();
  }

  #checkAtOnce(): void {
    const { serving } = this;
    const isBound = serving.some(({ disk }) => canElect(disk.copy.voters));
    if (serving.length < 2 || this.isByHand || !isBound) return;
    this.check(false, "one at once", () =>
      serving.map(({ id, epoch }) => `${this.nameOf(id)} of ${epoch}`).join(" and "),
    );
  }

  #repeat(everyMs: number, act: () => void): void {
    this.time.after(everyMs, () => {
      act();
      this.#repeat(everyMs, act);
    });
  }
}

function row(id: NodeId, index: number): FleetNode {
  return {
    id,
    name: `node ${index}`,
    role: "member",
    publicKey: `key ${index}`,
    state: "active",
    url: `http://node${index}`,
    version: "1.0.0",
    featureLevel: 1,
    leaseClass: "strict",
    joinedAtMs: 0,
    seenAtMs: 0,
    announced: {},
  };
}
