import {
  createIdFactory,
  type IdFactory,
  type Logger,
  type NodeId,
  type Random,
  seededRandom,
  silentLogger,
} from "#base";
import { FleetQueue, HubService, LeaseNotes, MemoryText } from "#fleet";
import { fenceOf, type MemorySnapshot, QueueService } from "#queue";
import type { Checks } from "./checks.ts";
import { HubDatabase, openedBy } from "./database.ts";
import { ConfirmedLeases, hubLink } from "./link.ts";
import type { Network, Way } from "./network.ts";
import { WatchedOutbox } from "./outbox.ts";
import { FollowingReplica, ReplicaFiles } from "./replica.ts";
import { type MachineTime, ProcessClock, type SimulatedTime } from "./time.ts";
import { type Worker, Workers } from "./worker.ts";

/** What every part of one simulated fleet shares. */
export type Surroundings = {
  readonly time: SimulatedTime;
  readonly random: Random;
  readonly network: Network;
  readonly checks: Checks;
  readonly isCalm: () => boolean;
};

/** How long a node may be silent: strict leases. */
export const TERM_MS = 60_000;
/** What the hub itself runs is renewed in its own process. */
const OWN_TERM_MS = 4_000;

const RESTART_MS = 1_000;

export type HubProcess = {
  readonly clock: ProcessClock;
  readonly queue: QueueService;
  readonly service: HubService;
  readonly database: HubDatabase;
};
export type MemberProcess = {
  readonly clock: ProcessClock;
  readonly ids: IdFactory;
  readonly queue: FleetQueue;
  readonly workers: Workers;
};

/**
 * One machine: its disk outlives its processes. The node of a hub is a member of itself beside, without a network in between:
 * that is how what it had promised before it was promoted reaches its own database.
 */
export class FleetNode {
  readonly name: string;
  readonly id: NodeId;
  readonly machine: MachineTime;
  readonly outbox: WatchedOutbox;
  readonly files = new ReplicaFiles();
  /** What its processes note of their leases. */
  readonly noted = new MemoryText();
  readonly leases = new ConfirmedLeases();
  readonly workers = new Set<Worker>();
  /** The way to whoever it takes for the hub. */
  readonly way: Way = { requestsCut: false, answersCut: false };
  /** Where it takes the hub to be. */
  hubNode: FleetNode;
  database: HubDatabase | undefined;
  hub: HubProcess | undefined;
  member: MemberProcess | undefined;
  readonly surroundings: Surroundings;
  readonly logger: Logger;
  #clocks: ProcessClock[] = [];

  constructor(name: string, id: NodeId, rate: number, surroundings: Surroundings) {
    this.name = name;
    this.id = id;
    this.machine = { wallOffsetMs: 0, rate };
    this.surroundings = surroundings;
    this.outbox = new WatchedOutbox(id, surroundings.checks);
    this.hubNode = this;
    this.logger = watchful(name, surroundings.checks);
  }

  get isUp(): boolean {
    return this.#clocks.length > 0;
  }

  async start(): Promise<void> {
    if (this.isUp) return;
    this.surroundings.checks.say(() => `${this.name} starts`);
    if (this.database !== undefined && !(await this.#startHub(this.database, this.#clock()))) {
      // A node that cannot read its database ends, and is started again.
      this.kill();
      this.surroundings.time.after(RESTART_MS, () => void this.start());
      return;
    }
    await this.#startMember(this.#clock());
  }

  kill(): void {
    if (!this.isUp) return;
    this.surroundings.checks.say(() => `${this.name} ends`);
    for (const clock of this.#clocks.splice(0)) clock.isAlive = false;
    this.hub = undefined;
    this.member = undefined;
  }

  /** As an orderly stop: nothing that it runs is left behind. */
  async stop(): Promise<void> {
    const { member } = this;
    if (member === undefined) return;
    await member.workers.drain();
    await member.queue.stop();
    if (this.member === member) this.kill();
  }

  /** Becomes the hub with the copy that it has. */
  async promote(epoch: number): Promise<HubDatabase> {
    this.kill();
    const copy: MemorySnapshot = this.files.store.snapshot();
    this.database = new HubDatabase(epoch, copy);
    this.hubNode = this;
    this.surroundings.checks.watch(this.database);
    await this.start();
    return this.database;
  }

  /** Is a hub no more. What it alone had is set aside. */
  async stepDown(hub: FleetNode): Promise<void> {
    const wasUp = this.isUp;
    this.kill();
    this.database = undefined;
    this.hubNode = hub;
    if (wasUp) await this.start();
  }

  #clock(): ProcessClock {
    const clock = new ProcessClock(this.surroundings.time, this.machine);
    this.#clocks.push(clock);
    return clock;
  }

  async #startHub(database: HubDatabase, clock: ProcessClock): Promise<boolean> {
    const { random, checks } = this.surroundings;
    const seed = Math.floor(random.next() * 2 ** 32);
    const queue = new QueueService({
      store: database.open(clock, random),
      clock,
      random: seededRandom(seed),
      ids: createIdFactory(clock, seededRandom(seed + 1)),
      node: this.id,
      logger: this.logger,
      termOf: (holder) => (holder === this.id ? Math.max(OWN_TERM_MS, TERM_MS) : TERM_MS),
    });
    const service = new HubService({
      queue,
      clock,
      logger: this.logger,
      session: String(seed),
      position: () => database.position(),
      termOf: () => TERM_MS,
      takesWork: () => true,
      unfit: () => undefined,
      gave: () => undefined,
      ended: () => undefined,
      orders: () => [],
      heard: () => checks.add("heartbeats"),
    });
    const running = await queue.start();
    if (!running.ok) return false;
    // Nobody is answered before it knows what runs.
    service.start(running.value);
    this.hub = { clock, queue, service, database };
    return true;
  }

  async #startMember(clock: ProcessClock): Promise<void> {
    const { time, random, checks, isCalm } = this.surroundings;
    const seed = Math.floor(random.next() * 2 ** 32);
    const ids = createIdFactory(clock, seededRandom(seed));
    const link = hubLink(this, clock);
    const { logger } = this;
    const queue = new FleetQueue({
      node: this.id,
      link,
      outbox: this.outbox,
      leaseNotes: new LeaseNotes({
        text: this.noted,
        clock,
        bootTime: () => ({ boot: this.name, elapsedMs: clock.bootMs(clock.monotonicMs()) }),
      }),
      replica: new FollowingReplica(this.files, clock, random, link.copy, (copy, before) => {
        const goesBack = before?.epoch === copy.position.epoch && before.seq > copy.position.seq;
        checks.check(!goesBack, "prefix", () => `the replica of ${this.name} went back to ${copy.position.seq}`);
      }),
      store: openedBy(clock, this.files.store),
      clock,
      random: seededRandom(seed + 1),
      ids,
      logger,
      announce: () => ({}),
      obey: () => undefined,
      onRead: () => undefined,
    });
    const { id: node, name } = this;
    const own = { node, name, clock, logger, workers: this.workers };
    const workers = new Workers({ ...own, queue, time, random, checks, isCalm, leases: this.leases });
    this.member = { clock, ids, queue, workers };
    const running = await queue.start();
    if (running.ok && clock.isAlive) workers.start(running.value.map((row) => ({ id: row.id, fence: fenceOf(row) })));
  }
}

/** An exception that was caught and logged is a bug all the same. */
function watchful(name: string, checks: Checks): Logger {
  const logger: Logger = {
    ...silentLogger,
    warn: (message) => checks.say(() => `${name}: ${message}`),
    error: (message, fields) => {
      checks.say(() => `${name}: ${message} ${JSON.stringify(fields ?? {})}`);
      if (fields?.["cause"] !== undefined) checks.bug(`${name}: ${message}: ${JSON.stringify(fields["cause"])}`);
    },
    with: () => logger,
  };
  return logger;
}
