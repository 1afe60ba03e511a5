/**
 * The fleet's database on a node that is not the hub.
 *
 * P1: what is read is one committed state of the hub after the other; within an epoch it never goes back.
 * P2: no read and no timer of the node waits for the network.
 * P3: a copy that is damaged, or does not come to what the hub says it has, is set aside and made anew; nothing of the
 *     node's own is in it.
 * P4: the database of a server with another log is fetched beside the copy and takes its place whole, once it is known to
 *     be the fleet's. What another fleet's server sends is never shown.
 */
import { existsSync, statSync } from "node:fs";
import { type Clock, type CommandId, describeFailure, err, type Logger, ok, type Random, type Result } from "#base";
import { hasReached, type Position, type ReplicaView } from "#fleet";
import { LongReader } from "../long-reader.ts";
import { type Carrier, type Carry, startCarrier } from "./carrier.ts";
import { fetchCopy, positionOf, uuidOf } from "./fetch-copy.ts";
import {
  CUT_OFF,
  faultOf,
  isReplicaFile,
  MAX_INLINE_CHECK_BYTES,
  moveInto,
  removeCopy,
  setAside,
} from "./replica-files.ts";
import { logOfCopy } from "./replica-log.ts";
import { ReplicaStore } from "./replica-store.ts";
import { ReplicaThread } from "./replica-thread.ts";
import { SyncLoop } from "./sync-loop.ts";
import { remakePauseMs } from "./sync-pace.ts";

export type ReplicaOptions = {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Brings a request of the replica to the hub. */
  readonly carry: Carry;
  /** The fleet that this node joined. */
  readonly fleet: string;
  readonly limits?: { readonly silenceMs?: number; readonly backoffMaxMs?: number };
};

export type Freshness = {
  /** `attached`: follows the hub. `stale`: the hub is away. `rebuilding`: it is made anew. */
  readonly state: "attached" | "stale" | "rebuilding";
  /** How long ago it was known to show everything that the hub had. */
  readonly staleMs: number;
  readonly position: Position;
};

/** Syncs that brought nothing although the hub answered and says that it has more: then the copy is not one of its own. */
const VAIN_SYNCS = 4;
/** A sync takes milliseconds. One that has taken this long waits for a hub that does not answer. */
const LONG_SYNC_MS = 2_000;
/** A start waits this long for the hub when there is a copy to be read without it. */
const ATTACH_WAIT_MS = 1_000;
/** A thread that is in the middle of a sync ends within the carrier's patience. */
const CLOSE_WAIT_MS = 15_000;

export class Replica implements ReplicaView {
  readonly store: ReplicaStore;
  readonly #path: string;
  readonly #options: ReplicaOptions;
  readonly #carrier: Carrier;
  readonly #loop: SyncLoop;
  readonly #waiting = new Set<() => void>();
  #thread = new ReplicaThread();
  #inode: bigint | undefined;
  #isAttached = false;
  #isRebuilding = false;
  #isClosed = false;
  #target: Position | undefined;
  #freshAtMs: number;
  /** Why the copy has to be made anew. */
  #damage: string | undefined;
  #vain = 0;
  #remakes = 0;
  #remakeNotBeforeMs = 0;
  /** The log of a server that has shown the database of another fleet. */
  #foreignLog: string | undefined;

  constructor(path: string, options: ReplicaOptions, carrier: Carrier) {
    this.#path = path;
    this.#options = options;
    this.#carrier = carrier;
    this.#freshAtMs = options.clock.monotonicMs();
    this.store = new ReplicaStore(path, options.logger, (why) => this.#damaged(why));
    this.#inode = inodeOf(path);
    this.#loop = new SyncLoop({
      ...options,
      backoffMaxMs: options.limits?.backoffMaxMs,
      isBehind: () => this.#isBehind(),
      sync: () => this.#sync(),
    });
  }

  /** Follows from now on. Resolves when it is up to the hub, or soon when the hub does not answer. */
  async start(): Promise<void> {
    if (statSync(this.#path).size > MAX_INLINE_CHECK_BYTES) void this.#inspect();
    const first = this.#loop.start();
    await Promise.race([
      first,
      new Promise<void>((resolve) => void this.#options.clock.after(ATTACH_WAIT_MS, resolve)),
    ]);
  }

  position(): Position {
    return this.store.position();
  }

  freshness(): Freshness {
    const isFollowing = this.#isAttached && this.#loop.failures === 0 && this.#loop.syncingMs() < LONG_SYNC_MS;
    const state = this.#isRebuilding ? "rebuilding" : isFollowing ? "attached" : "stale";
    const staleMs = Math.max(0, Math.round(this.#options.clock.monotonicMs() - this.#freshAtMs));
    return { state, staleMs, position: this.position() };
  }

  follow(position: Position): void {
    // Answers of the hub may overtake each other.
    if (this.#target === undefined || !hasReached(this.#target, position)) this.#target = position;
    if (!this.#isBehind() && this.position().epoch === position.epoch) {
      this.#freshAtMs = this.#options.clock.monotonicMs();
    } else {
      this.#loop.heard();
    }
  }

  async reached(position: Position, timeoutMs: number): Promise<boolean> {
    const isThere = (): boolean => hasReached(this.position(), position);
    if (isThere()) return true;
    if (this.#isClosed) return false;
    this.follow(position);
    await new Promise<void>((resolve) => {
      const end = (): void => {
        this.#waiting.delete(look);
        timer.cancel();
        resolve();
      };
      const look = (): void => {
        if (this.#isClosed || isThere()) end();
      };
      const timer = this.#options.clock.after(timeoutMs, end);
      this.#waiting.add(look);
    });
    return isThere();
  }

  async shown(ids: readonly CommandId[]): Promise<Result<ReadonlySet<CommandId>>> {
    return this.store.shown(ids);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    // Ends what a sync waits for, so that it and its thread can end.
    this.#carrier.refuse();
    await Promise.race([
      this.#loop.stop(),
      new Promise<void>((resolve) => void this.#options.clock.after(CLOSE_WAIT_MS, resolve)),
    ]);
    // The handle that reads first: the last one to close writes the journal back, and that is the replica's own affair.
    await this.store.close();
    await this.#thread.end();
    await this.#carrier.stop();
  }

  #isBehind(): boolean {
    return this.#target !== undefined && !hasReached(this.position(), this.#target);
  }

  #wake(): void {
    for (const look of this.#waiting) look();
  }

  /** Has the copy made anew: what it shows may be of a history that the fleet has left. Reads go on with it until then. */
  renew(why: string): void {
    this.#damaged(why);
  }

  /** Lets the thread that follows the hub begin anew; the copy stays. */
  async reattach(): Promise<void> {
    if (this.#isClosed || this.#isRebuilding) return;
    await this.#thread.end();
    this.#loop.heard();
  }

  #damaged(why: string): void {
    if (this.#damage !== undefined || this.#isClosed) return;
    this.#damage = why;
    this.#loop.heard();
  }

  /** @returns whether the hub was followed */
  async #sync(): Promise<boolean> {
    const inode = inodeOf(this.#path);
    if (inode !== this.#inode) this.#damage ??= "the file was taken away";
    if (this.#damage !== undefined) return this.#rebuild(this.#damage);
    const { clock, logger } = this.#options;
    const beganAtMs = clock.monotonicMs();
    const [before, target, failuresBefore] = [this.position(), this.#target, this.#carrier.failures()];
    if (this.#thread.isOver) {
      this.#thread = new ReplicaThread();
      this.#isAttached = false;
    }
    const log = logOfCopy(this.#path);
    // The binding refuses such a file; without its note it could be of any log.
    if (log === undefined) return this.#rebuild("the note of the log it follows is missing");
    this.#carrier.begin(log);
    const isInDoubt = !this.#isAttached || this.#loop.failures > 0;
    if (isInDoubt && !(await this.#carrier.reach())) return this.#failed("the hub does not answer", true);
    if (this.#carrier.otherLog() !== undefined) return this.#failed("", true);
    const { url, token } = this.#carrier;
    const synced = this.#isAttached ? await this.#thread.sync() : await this.#thread.open(this.#path, url, token);
    if (this.#isClosed) return false;
    if (!synced.ok) return this.#failed(synced.error.message, this.#carrier.failures() > failuresBefore);
    if (this.#loop.failures > 0 || !this.#isAttached) logger.info("the replica follows the hub");
    this.#isAttached = true;
    const now = this.position();
    // What was heard of before the sync must be there after it; what came meanwhile may be.
    const isVain = target !== undefined && !hasReached(now, target) && isSame(now, before);
    this.#vain = isVain ? this.#vain + 1 : 0;
    if (target === undefined || hasReached(now, target)) {
      this.#freshAtMs = beganAtMs;
      this.#remakes = 0;
    }
    if (this.#vain >= VAIN_SYNCS) return this.#rebuild("it does not come to what the hub has");
    await this.store.announce();
    this.#wake();
    return true;
  }

  /** @param isHubAway whether the hub did not answer; else the fault is the copy's */
  async #failed(message: string, isHubAway: boolean): Promise<boolean> {
    const other = this.#carrier.otherLog();
    if (other !== undefined && other !== this.#foreignLog) {
      return this.#rebuild("the hub's database has another history", other);
    }
    const why = other === undefined ? message : "the hub shows the database of another fleet";
    if (this.#loop.failures === 0) this.#options.logger.warn("the replica cannot follow the hub", { why });
    if (isHubAway || other !== undefined) return false;
    this.#vain += 1;
    return this.#vain >= VAIN_SYNCS && (await this.#rebuild(message));
  }

  /** P3, P4. Reads go on with the old copy until the new one is here. @returns whether it is */
  async #rebuild(why: string, log?: string): Promise<boolean> {
    const { logger, clock, fleet } = this.#options;
    if (log === undefined && clock.monotonicMs() < this.#remakeNotBeforeMs) return false;
    logger.warn("the replica is made anew", { why });
    this.#isRebuilding = true;
    const making = `${this.#path}.making`;
    try {
      await this.#thread.end();
      this.#isAttached = false;
      const fetched = await fetchCopy(making, fleet, this.#carrier);
      if (this.#isClosed) return false;
      if (!fetched.ok) {
        logger.warn("the replica could not be fetched", { why: describeFailure(fetched.error) });
        if (fetched.error.code !== "conflict") return false;
        if (log === undefined) this.#pauseRemakes();
        this.#foreignLog = log;
        return false;
      }
      await this.#take(making, log);
    } finally {
      this.#isRebuilding = false;
    }
    await this.store.announce();
    this.#wake();
    this.#loop.heard(); // followed from here on
    return true;
  }

  async #take(making: string, log: string | undefined): Promise<void> {
    const { logger, clock } = this.#options;
    const before = this.position();
    const fetched = positionOf(making);
    // A server that made its log anew (it does after each crash) has lost nothing: then there is nothing to be kept.
    const isSuccessor =
      log !== undefined && fetched !== undefined && fetched.epoch === before.epoch && fetched.seq >= before.seq;
    await this.store.exchange(() => {
      if (isSuccessor) removeCopy(this.#path);
      else setAside(this.#path, log === undefined ? "unusable" : "superseded", clock.nowMs());
      moveInto(this.#path, making);
    });
    this.#inode = inodeOf(this.#path);
    this.#damage = undefined;
    this.#vain = 0;
    if (log === undefined) this.#pauseRemakes();
    const position = this.position();
    const fields = { epoch: position.epoch, seq: position.seq, seqBefore: before.seq };
    if (hasReached(position, before)) logger.info("the replica was made anew", fields);
    else logger.error("the hub has less than this node had already shown: it lost its latest commits", fields);
  }

  #pauseRemakes(): void {
    this.#remakeNotBeforeMs = this.#options.clock.monotonicMs() + remakePauseMs(this.#remakes);
    this.#remakes += 1;
  }

  /** A large file is read through by a thread, while it is in use. */
  async #inspect(): Promise<void> {
    const reader = new LongReader(this.#path);
    const inspection = await reader.inspect(this.#path);
    await reader.close();
    const fault = inspection.ok ? inspection.value.faults[0] : inspection.error.message;
    const isDamaged = inspection.ok ? fault !== undefined : inspection.error.code === "corrupt";
    if (isDamaged) this.#damaged(fault ?? "it cannot be read");
  }
}

function isSame(a: Position, b: Position): boolean {
  return a.epoch === b.epoch && a.seq === b.seq;
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/**
 * Opens this node's copy of the fleet's database, or fetches it. With a copy it opens without the hub too.
 * @returns a failure when there is no copy and the hub does not answer, or shows the database of another fleet
 */
export async function openReplica(path: string, options: ReplicaOptions): Promise<Result<Replica>> {
  const { random, carry, fleet, limits } = options;
  const isThere = prepare(path, options);
  const carrier = startCarrier(carry, random, limits?.silenceMs);
  if (!carrier.ok) return carrier;
  if (!isThere) {
    const making = `${path}.making`;
    const fetched = await fetchCopy(making, fleet, carrier.value);
    if (!fetched.ok) {
      await carrier.value.stop();
      return err(fetched.error);
    }
    moveInto(path, making);
  }
  const replica = new Replica(path, options, carrier.value);
  await replica.start();
  return ok(replica);
}

/** Moves what is no copy of the fleet's database out of the way. @returns whether there is one. */
function prepare(path: string, { clock, logger, fleet }: ReplicaOptions): boolean {
  if (existsSync(path) && !isReplicaFile(path)) setAside(path, "alone", clock.nowMs());
  if (!existsSync(path)) {
    // A journal without its database would be taken for the next one's.
    removeCopy(path);
    return false;
  }
  const fault = faultOf(path);
  if (fault === undefined && uuidOf(path) === fleet) return true;
  if (fault === CUT_OFF) removeCopy(path);
  else {
    logger.warn("the replica cannot be used and is fetched anew", { path, why: fault ?? "it is of another fleet" });
    setAside(path, fault === undefined ? "foreign" : "unusable", clock.nowMs());
  }
  return false;
}
