import { err, type Logger, type NodeId, ok, type Random, type Result, retryable, seededRandom } from "#base";
import {
  ElectionDuty,
  type ElectionNote,
  type ElectionPorts,
  type ElectionStore,
  EMPTY_NOTE,
  type FleetNode,
  hasReached,
  MemoryElectionStore,
  nextEpoch,
  type Position,
  type Standpoint,
  type Voters,
} from "#fleet";
import { type MachineTime, ProcessClock } from "../time.ts";
import type { ElectionWorld } from "./world.ts";

/** What a copy of the fleet's database has, as far as it matters here. */
export type Copy = {
  readonly position: Position;
  readonly voters: Voters | undefined;
  readonly nodes: readonly FleetNode[];
};

/** A node that its hub does not answer asks the others for another one after so many tries. */
const SILENCES = 10;

const DOUBT_MS = 60_000;

const NOTHING: Copy = { position: { epoch: 0, seq: 0 }, voters: undefined, nodes: [] };

/** What survives the process. */
type Disk = {
  readonly note: MemoryElectionStore;
  copy: Copy;
  /** Undefined on a hub. */
  follows: { readonly epoch: number; readonly hub: NodeId } | undefined;
  promotion: { readonly epoch: number; readonly isByHand: boolean } | undefined;
  isByHand: boolean;
};

export type ElectionProcess = { readonly clock: ProcessClock; readonly duty: ElectionDuty };

/** One machine of a fleet: its disk, and the process that is up, if one is. */
export class ElectionNode {
  readonly id: NodeId;
  readonly machine: MachineTime;
  readonly disk: Disk;
  process: ElectionProcess | undefined;
  /** How long its next start takes. */
  startMs = 300;
  /** Whatever was to start it, it does not. */
  isOff = false;
  /** Share of the writes of its note at which its process is killed, before or after. */
  killRatio = 0;
  #silence = 0;
  readonly #world: ElectionWorld;
  readonly #random: Random;

  constructor(world: ElectionWorld, id: NodeId, rate: number, random: Random) {
    this.#world = world;
    this.#random = random;
    this.id = id;
    this.machine = { wallOffsetMs: 0, rate };
    // The sooner a node is up again, the less time an error in who may acknowledge has to pass unseen.
    this.startMs = random.next() * 300;
    const note = new MemoryElectionStore(EMPTY_NOTE);
    this.disk = { note, copy: NOTHING, follows: undefined, promotion: undefined, isByHand: false };
  }

  get isHub(): boolean {
    return this.disk.follows === undefined;
  }

  get epoch(): number {
    return Math.max(this.disk.copy.position.epoch, this.disk.follows?.epoch ?? 0);
  }

  /** Whether it would acknowledge a write at this instant. */
  mayAcknowledge(): boolean {
    return this.process !== undefined && this.isHub && this.process.duty.obstacle() === undefined;
  }

  kill(): void {
    if (this.process === undefined) return;
    this.process.clock.isAlive = false;
    this.process.duty.stop();
    this.process = undefined;
  }

  start(): void {
    if (this.process !== undefined || this.isOff) return;
    this.#becomeHub();
    const clock = new ProcessClock(this.#world.time, this.machine);
    const begun = ElectionDuty.begin({
      self: this.id,
      clock,
      random: seededRandom(Math.floor(this.#random.next() * 2 ** 32)),
      logger: this.#logger(),
      ports: this.#ports(clock),
    });
    if (!begun.ok) throw new Error("a note in memory can be read");
    this.process = { clock, duty: begun.value };
    begun.value.start();
    if (this.isHub) this.#doubt(clock);
  }

  /** A hub asks whether it still is one: at its start, and once a minute. */
  #doubt(clock: ProcessClock): void {
    void this.#look(clock);
    clock.after(DOUBT_MS, () => (this.isHub ? this.#doubt(clock) : undefined));
  }

  restart(): void {
    this.kill();
    this.#world.time.after(this.startMs, () => this.start());
  }

  /** A person promotes it; the hub is off. */
  promoteByHand(): void {
    if (this.isHub || this.disk.copy.position.epoch === 0) return;
    const known = Math.max(this.epoch, this.disk.note.read().ok ? (this.#note().voted?.epoch ?? 0) : 0);
    this.disk.promotion = { epoch: nextEpoch(known, this.id), isByHand: true };
    this.restart();
  }

  #note(): ElectionNote {
    const note = this.disk.note.read();
    return note.ok ? note.value : EMPTY_NOTE;
  }

  /** As the start of a node finishes a promotion. */
  #becomeHub(): void {
    const { promotion, copy } = this.disk;
    if (promotion === undefined) return;
    this.disk.promotion = undefined;
    if (copy.position.epoch >= promotion.epoch) return;
    this.#world.hubBegins(this, promotion);
    this.disk.copy = { ...copy, position: { epoch: promotion.epoch, seq: copy.position.seq + 1 } };
    this.disk.follows = undefined;
    this.disk.isByHand = promotion.isByHand;
  }

  #standpoint(): Standpoint {
    const { copy, follows, isByHand } = this.disk;
    return {
      isHub: this.isHub,
      epoch: this.epoch,
      hub: this.isHub ? this.id : (follows?.hub ?? null),
      position: copy.position,
      voters: copy.voters,
      nodes: copy.nodes,
      url: `http://${this.id}`,
      wish: this.#world.wish,
      isByHand,
    };
  }

  #ports(clock: ProcessClock): ElectionPorts {
    const world = this.#world;
    return {
      store: this.#store(clock),
      standpoint: () => this.#standpoint(),
      ask: (to, request, deadlineMs) => {
        const way = [this.id, to] as const;
        return world.network.call(way, clock, deadlineMs, () => world.arrive(this.id, to, request));
      },
      publish: (voters, before) => this.#publish(clock, voters, before),
      promote: (epoch) => {
        this.disk.promotion = { epoch, isByHand: false };
        world.counts.add("elections won");
        world.time.after(5, () => (clock.isAlive ? this.restart() : undefined));
        return ok(undefined);
      },
      follow: (hub, { epoch }) => this.follow(hub, epoch),
      sought: () => world.counts.add("hubs sought"),
      lookForHub: () => void this.#look(clock),
    };
  }

  /** Written durably, and the process may be killed before or after it. */
  #store(clock: ProcessClock): ElectionStore {
    const { note } = this.disk;
    return {
      read: () => note.read(),
      write: (next) => {
        const fate = this.#random.next();
        if (fate > this.killRatio / 2) note.write(next);
        if (fate < this.killRatio) {
          this.#world.counts.add("killed at a note");
          clock.isAlive = false;
          this.restart();
          return err(retryable("unavailable", "killed"));
        }
        return ok(undefined);
      },
    };
  }

  async #publish(clock: ProcessClock, voters: Voters, before: Voters | undefined): Promise<Result<void>> {
    const asked = this.process?.duty.obstacle();
    if (asked !== undefined) return err(asked);
    await new Promise<void>((resolve) => clock.after(this.#random.next() * 50, resolve));
    const { copy } = this.disk;
    if (!this.isHub || copy.voters?.version !== before?.version) return err(retryable("conflict", "another set"));
    this.disk.copy = { ...copy, voters, position: { ...copy.position, seq: copy.position.seq + 1 } };
    this.#world.counts.add("voters published");
    this.#world.say(() => `voters ${JSON.stringify(voters)}`);
    return ok(undefined);
  }

  /** Another hub has a higher epoch. */
  follow(hub: NodeId, epoch: number): void {
    if (epoch <= this.epoch || hub === this.id) return;
    const wasHub = this.isHub;
    this.disk.follows = { epoch, hub };
    if (!wasHub) return;
    this.#world.counts.add("hubs that stepped down");
    this.disk.copy = NOTHING;
    this.restart();
  }

  async #look(clock: ProcessClock): Promise<void> {
    for (const { id } of this.#world.nodes) {
      if (id === this.id) continue;
      const known = await this.#world.network.call([this.id, id], clock, 1_000, () => {
        const node = this.#world.node(id);
        if (node.process === undefined) return undefined;
        return ok({ epoch: node.epoch, hub: node.isHub ? id : (node.disk.follows?.hub ?? id) });
      });
      if (known.ok) this.follow(known.value.hub, known.value.epoch);
    }
  }

  /** Its replica asks the hub that it follows for what is new. */
  async sync(): Promise<void> {
    const { process } = this;
    const hub = this.disk.follows?.hub;
    if (process === undefined || hub === undefined) return;
    const copy = await this.#world.network.call([this.id, hub], process.clock, 1_000, () => {
      const node = this.#world.node(hub);
      return node.process === undefined || !node.isHub ? undefined : ok(node.disk.copy);
    });
    this.#silence = copy.ok ? 0 : this.#silence + 1;
    if (this.#silence > SILENCES) void this.#look(process.clock);
    const isNewer = copy.ok && hasReached(copy.value.position, this.disk.copy.position);
    if (isNewer && this.disk.follows !== undefined) this.disk.copy = copy.value;
  }

  #logger(): Logger {
    const say = (message: string, fields?: object): void =>
      this.#world.say(() => `${this.#world.nameOf(this.id)}: ${message} ${JSON.stringify(fields ?? {})}`);
    const logger: Logger = { debug: say, info: say, warn: say, error: say, with: () => logger };
    return logger;
  }
}
