import { createIdFactory, type JsonObject, type Random, seededRandom, type TaskId } from "#base";
import type { MemoryQueueStore, NewTask } from "#queue";
import { newTask } from "../../support/queue-world.ts";
import { Checks } from "./checks.ts";
import { HubDatabase } from "./database.ts";
import { Network } from "./network.ts";
import { FleetNode } from "./node.ts";
import { ProcessClock, SimulatedTime } from "./time.ts";

/** What somebody was told was accepted. */
type Accepted = {
  readonly taskId: TaskId;
  readonly node: FleetNode;
  /** Set when only a hub had it, without an outbox. */
  readonly epoch: number | undefined;
};

const MAX_MEMBERS = 5;
const MIN_MEMBERS = 2;
/** Crystals of ordinary machines are a hundred times better. */
const MAX_SKEW = 0.01;
export const USUAL_MS = 40;

/** One hub and its members on their own machines, under one seed. */
export class World {
  readonly time = new SimulatedTime();
  readonly checks: Checks;
  readonly random: Random;
  readonly network: Network;
  readonly nodes: readonly FleetNode[];
  readonly accepted: Accepted[] = [];
  /** The node that was made the hub last. */
  hubNode: FleetNode;
  epoch = 1;
  isCalm = false;
  #announced = 0;

  constructor(seed: number, off: ReadonlySet<string>) {
    const random = seededRandom(seed);
    this.random = random;
    this.checks = new Checks(this.time, off);
    this.network = new Network(this.time, random, {
      usualMs: random.next() < 0.15 ? 2_500 : USUAL_MS,
      lossRatio: random.next() * 0.05,
      repeatRatio: random.next() * 0.1,
      // Most networks are quick; in some, much arrives after what was sent later.
      lateRatio: random.next() * (random.next() < 0.25 ? 0.15 : 0.02),
    });
    const { time, network, checks } = this;
    const surroundings = { time, random, network, checks, isCalm: () => this.isCalm };
    const ids = createIdFactory(new ProcessClock(this.time, { wallOffsetMs: 0, rate: 1 }), random);
    const count = 1 + MIN_MEMBERS + Math.floor(random.next() * (MAX_MEMBERS - MIN_MEMBERS + 1));
    this.nodes = Array.from({ length: count }, (_node, index) => {
      // The extremes are what tells; half of the machines have them.
      const skew = Math.max(-1, Math.min(1, (random.next() * 2 - 1) * 2));
      const rate = 1 + skew * MAX_SKEW;
      return new FleetNode(index === 0 ? "hub" : `member ${index}`, ids.node(), rate, surroundings);
    });
    const [hub] = this.nodes;
    if (hub === undefined) throw new Error("a fleet has nodes");
    this.hubNode = hub;
    hub.database = new HubDatabase(this.epoch);
    this.checks.watch(hub.database);
    for (const node of this.nodes) node.hubNode = hub;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.random.next() * items.length)];
  }

  start(): void {
    for (const node of this.nodes) void node.start();
  }

  submitAt(node: FleetNode): void {
    const { member } = node;
    if (member === undefined) return;
    const task = this.#task(member.ids.task());
    void member.queue.submit([task]).then((receipt) => {
      if (receipt.ok) this.accepted.push({ taskId: task.id, node, epoch: undefined });
      else this.checks.add(`submission refused: ${receipt.error.code}`);
    });
  }

  /** By somebody who speaks to the hub's own queue: no outbox has it. */
  submitAtHub(node: FleetNode): void {
    const { hub, member } = node;
    if (hub === undefined || member === undefined) return;
    const task = this.#task(member.ids.task());
    void hub.queue.submit([task]).then((receipt) => {
      if (receipt.ok) this.accepted.push({ taskId: task.id, node, epoch: hub.database.epoch });
    });
  }

  announce(node: FleetNode): void {
    this.#announced += 1;
    const data: JsonObject = { mark: this.#announced };
    void node.member?.queue.announce("budget.warned", data);
  }

  cancelAt(node: FleetNode): void {
    const taskId = this.pick(this.accepted)?.taskId;
    if (taskId !== undefined) void node.member?.queue.cancel(taskId, "asked for");
  }

  /** @param isKept whether the former hub goes on, without knowing */
  async promote(node: FleetNode, isKept: boolean): Promise<void> {
    const former = this.hubNode;
    if (node === former || node.database !== undefined || node.files.position === undefined) return;
    if (!isKept) former.kill();
    this.checks.add("promotions");
    this.epoch += 1;
    this.hubNode = node;
    await node.promote(this.epoch);
  }

  /** A node hears where the hub is. */
  async learn(node: FleetNode): Promise<void> {
    if (node === this.hubNode || node.hubNode === this.hubNode) return;
    if (node.database !== undefined) await node.stepDown(this.hubNode);
    else node.hubNode = this.hubNode;
  }

  #task(id: TaskId): NewTask {
    const retryBaseMs = Math.floor(this.random.next() * 3) * 500;
    return newTask(id, { maxAttempts: 20, retryBaseMs, retryMaxMs: 4_000 });
  }

  /** For comparisons: what a replica holds. */
  static fingerprint(store: MemoryQueueStore): string {
    const { tasks, commands, events } = store.snapshot();
    return JSON.stringify([[...tasks.values()], [...commands.keys()], events.length]);
  }
}
