/** A hub and its members in one process, on a simulated clock, with links that can be cut, and can lose answers. */
import {
  createIdFactory,
  err,
  type JsonObject,
  type NodeId,
  ok,
  present,
  type Result,
  retryable,
  SimulatedClock,
  seededRandom,
  silentLogger,
} from "#base";
import {
  directLink,
  FleetQueue,
  HubService,
  type HubServiceOptions,
  LeaseNotes,
  MemoryOutbox,
  MemoryText,
  type Position,
  Presence,
  type QueueLink,
  type ReplicaView,
  ReplicaWatch,
  replicatedQueue,
} from "#fleet";
import {
  type ClaimedTask,
  MemoryQueueStore,
  type MemorySnapshot,
  type NewTask,
  type Queue,
  QueueService,
} from "#queue";
import { valueOf } from "../unit/api/api-harness.ts";
import { newTask } from "./queue-world.ts";

export type LinkFault = "none" | "cut" | "answers_lost";

/** What the hub tells its placements. */
type HubPlacements = Pick<HubServiceOptions, "gave" | "ended"> & { readonly heard: (node: NodeId) => void };

export class FleetWorld {
  readonly clock = new SimulatedClock();
  readonly ids = createIdFactory(this.clock, seededRandom(11));
  readonly hubNode = this.ids.node();
  readonly store = new MemoryQueueStore();
  hub!: HubService; // set by `startHub`, which the constructor's caller runs first
  queue!: QueueService; // likewise
  /** The queue as callers elsewhere have it. */
  commands!: Queue; // likewise
  /** With how many replicas the hub answers a change, from its next start on; null with durability local. */
  replicas: number | null = null;
  watch: ReplicaWatch | undefined;
  epoch = 1;
  seq = 0;
  /** Whom a person wants to be restarted. */
  ordered: { readonly node: NodeId } | undefined;
  /** While set, the hub's database does not answer. */
  isDatabaseAway = false;
  #sessions = 0;
  readonly presence = new Presence(this.clock);
  /** Why a node's release does not fit, when it does not. */
  unfit: HubServiceOptions["unfit"] | undefined;
  /** As a hub has it, for those who look at it. */
  placements: HubPlacements | undefined;
  readonly heard: { node: NodeId; announced: JsonObject }[] = [];

  async startHub(termMs = 60_000): Promise<void> {
    this.#sessions += 1;
    const { store } = this;
    const transact = store.transact.bind(store);
    store.transact = async (label, command) =>
      this.isDatabaseAway ? err(retryable("unavailable", "the database does not answer")) : transact(label, command);
    this.queue = new QueueService({
      store,
      clock: this.clock,
      random: seededRandom(12),
      ids: this.ids,
      node: this.hubNode,
      logger: silentLogger,
      termOf: (holder) => (holder === this.hubNode ? 4_000 : termMs),
    });
    this.store.subscribe(() => {
      this.seq += 1;
    });
    const { clock, replicas } = this;
    const position = (): Position => this.position();
    this.watch = replicas === null ? undefined : new ReplicaWatch({ clock, position, replicas });
    this.commands = this.watch === undefined ? this.queue : replicatedQueue(this.queue, this.watch);
    this.hub = new HubService({
      queue: this.queue,
      commands: this.commands,
      ...(this.watch === undefined ? {} : { replicas: this.watch }),
      clock: this.clock,
      logger: silentLogger,
      session: `session-${this.#sessions}`,
      position,
      termOf: () => termMs,
      takesWork: () => true,
      unfit: (node) => this.unfit?.(node),
      gave: (node, tasks) => this.placements?.gave(node, tasks),
      ended: (node, outcome) => this.placements?.ended(node, outcome),
      heard: (node, announced) => {
        this.heard.push({ node, announced });
        this.presence.heard(node, announced);
        this.placements?.heard(node);
      },
      orders: (node, heard) =>
        node === this.ordered?.node && !heard.includes("o1") ? [{ id: "o1", kind: "restart" }] : [],
    });
    const running = await this.queue.start();
    if (running.ok) this.hub.start(running.value);
  }

  async stopHub(): Promise<void> {
    this.hub.stop();
    this.watch?.stop();
    await this.queue.stop();
  }

  /** Another node's copy, taken then, becomes the hub's database. */
  async promote(copy: MemorySnapshot): Promise<void> {
    await this.stopHub();
    this.epoch += 1;
    this.store.restore(copy, this.epoch);
    await this.startHub();
  }

  position(): Position {
    return { epoch: this.epoch, seq: this.seq };
  }

  member(): Member {
    return new Member(this);
  }

  /** Lets time pass, and everything that waits for it. */
  async pass(ms: number, stepMs = 100): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= stepMs) {
      await this.settle();
      this.clock.advance(Math.min(leftMs, stepMs));
    }
    await this.settle();
  }

  /** A call that needs time to pass before it is answered. */
  async over<T>(call: Promise<T>, ms = 3_000): Promise<T> {
    await this.pass(ms);
    return call;
  }

  task(over: Partial<NewTask> = {}): NewTask {
    return { ...newTask(this.ids.task()), ...over };
  }

  async claimOne({ queue, node }: Member): Promise<ClaimedTask> {
    const claimed = await this.over(queue.claim({ holder: node, limit: 1, accepts: () => true }), 200);
    return present(valueOf(claimed).tasks[0], "a task was claimed");
  }

  /** As the hub has it. */
  async stateOf(id: NewTask["id"]): Promise<string | undefined> {
    return valueOf(await this.store.find(id))?.row.state;
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 60; turn += 1) await Promise.resolve();
  }
}

/** One node that is not the hub. Its replica is always as new as the hub; what may be missing is the way. */
export class Member {
  readonly node: NodeId;
  readonly outbox = new MemoryOutbox();
  readonly leases = new MemoryText();
  /** Of its machine; undefined where it cannot be told. */
  boot: string | undefined = "first";
  readonly stopped: string[] = [];
  readonly obeyed: string[] = [];
  /** Parts of its attempts that somebody reads on the hub, as it was told. */
  readonly reads: string[] = [];
  fault: LinkFault = "none";
  /** Where its replica stands still; undefined while it follows. */
  replicaAt: Position | undefined;
  /** What an answer takes. */
  answerMs = 0;
  /** What it says of itself. */
  announced: JsonObject = { name: "a member" };
  /** Calls that reached the hub, whether or not the answer came back. */
  calls = 0;
  /** How long it was ready to wait for the answer to its last heartbeat. */
  heartbeatLimitMs: number | undefined;
  queue: FleetQueue;
  readonly #world: FleetWorld;

  constructor(world: FleetWorld) {
    this.#world = world;
    this.node = world.ids.node();
    this.queue = this.#makeQueue();
  }

  /** As after a kill: what was in memory is gone, the outbox is not. */
  async restart(): Promise<void> {
    await this.queue.stop();
    this.queue = this.#makeQueue();
    await this.queue.start();
    await this.#world.settle();
  }

  async start(): Promise<this> {
    await this.queue.start();
    await this.#world.pass(1_000);
    return this;
  }

  #makeQueue(): FleetQueue {
    const { clock, store, ids } = this.#world;
    const queue = new FleetQueue({
      node: this.node,
      link: this.#link(),
      outbox: this.outbox,
      leaseNotes: new LeaseNotes({
        text: this.leases,
        clock,
        // Its machine is up for longer than its processes.
        bootTime: () =>
          this.boot === undefined ? undefined : { boot: this.boot, elapsedMs: clock.monotonicMs() + 1e9 },
      }),
      replica: this.#replica(),
      store,
      clock,
      random: seededRandom(13),
      ids,
      logger: silentLogger,
      announce: () => this.announced,
      obey: (order) => this.obeyed.push(order.kind),
      onRead: ({ part }) => this.reads.push(part),
    });
    queue.onStop((id) => this.stopped.push(id));
    return queue;
  }

  #replica(): ReplicaView {
    const world = this.#world;
    return {
      position: () => this.replicaAt ?? world.position(),
      follow: () => undefined,
      reached: async (_position, timeoutMs) => {
        if (this.replicaAt === undefined) return true;
        await new Promise<void>((resolve) => world.clock.after(timeoutMs, resolve));
        return false;
      },
      shown: (ids) =>
        world.store.transact("look", (tx) => ok(new Set(ids.filter((id) => tx.commandResult(id) !== undefined)))),
    };
  }

  #link(): QueueLink {
    const through = async <T>(call: (link: QueueLink) => Promise<Result<T>>): Promise<Result<T>> => {
      const away = err(retryable("unavailable", "the hub does not answer"));
      if (this.fault === "cut") return away;
      this.calls += 1;
      const answer = await call(directLink(this.#world.hub, this.node));
      const { answerMs } = this;
      if (answerMs > 0) await new Promise<void>((resolve) => this.#world.clock.after(answerMs, resolve));
      return this.fault === "none" ? answer : away;
    };
    return {
      commands: (commands) => through((link) => link.commands(commands)),
      claim: (claim) => through((link) => link.claim(claim)),
      heartbeat: (heartbeat, limitMs) => {
        this.heartbeatLimitMs = limitMs;
        return through((link) => link.heartbeat(heartbeat));
      },
      wait: (wait) => through((link) => link.wait(wait)),
    };
  }
}
