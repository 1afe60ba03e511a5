/**
 * The fleet's database on a node that is not the hub.
 *
 * P1: what is read is one committed state of the hub after the other; within an epoch it never goes back.
 * P2: no read and no timer of the node waits for the network.
 * P3: a copy that is damaged, is of another fleet, or does not come to what the hub says it has, is set aside and made
 *     anew; nothing of the node's own is in it.
 */
import { existsSync } from "node:fs";
import {
  type Clock,
  type CommandId,
  describeFailure,
  err,
  type Logger,
  ok,
  type Random,
  type Result,
  refused,
  retryable,
  type Timer,
} from "#base";
import { hasReached, type Position, type ReplicaView } from "#fleet";
import { openReadOnly } from "../connection.ts";
import { readMeta } from "../meta.ts";
import { type Carrier, type Carry, startCarrier } from "./carrier.ts";
import { CUT_OFF, faultOf, isReplicaFile, moveInto, removeCopy, setAside } from "./replica-files.ts";
import { ReplicaStore } from "./replica-store.ts";
import { ReplicaThread } from "./replica-thread.ts";

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

/** Under load a sync brings many commits at once; without this pause each would bring one. */
const MIN_SYNC_MS = 50;
const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 30_000;
/** The hub is looked at even if nothing was heard of it. */
const IDLE_SYNC_MS = 15_000;
/** Syncs that brought nothing although the hub answered and says that it has more: then the copy is not one of its own. */
const VAIN_SYNCS = 4;

export class Replica implements ReplicaView {
  readonly store: ReplicaStore;
  readonly #path: string;
  readonly #options: ReplicaOptions;
  readonly #carrier: Carrier;
  #thread: ReplicaThread;
  #isAttached: boolean;
  #isRebuilding = false;
  #isClosed = false;
  #target: Position | undefined;
  #freshAtMs: number;
  #syncing: Promise<void> | undefined;
  #timer: Timer | undefined;
  #failures = 0;
  #vain = 0;
  readonly #waiting = new Set<() => void>();

  constructor(
    path: string,
    options: ReplicaOptions,
    parts: { carrier: Carrier; thread: ReplicaThread; store: ReplicaStore; isAttached: boolean },
  ) {
    this.#path = path;
    this.#options = options;
    this.#carrier = parts.carrier;
    this.#thread = parts.thread;
    this.store = parts.store;
    this.#isAttached = parts.isAttached;
    this.#freshAtMs = options.clock.monotonicMs();
    this.#syncAfter(parts.isAttached ? IDLE_SYNC_MS : BACKOFF_MIN_MS);
  }

  position(): Position {
    return this.store.position();
  }

  freshness(): Freshness {
    const state = this.#isRebuilding ? "rebuilding" : this.#isAttached && this.#failures === 0 ? "attached" : "stale";
    const staleMs = Math.max(0, Math.round(this.#options.clock.monotonicMs() - this.#freshAtMs));
    return { state, staleMs, position: this.position() };
  }

  follow(position: Position): void {
    this.#target = position;
    if (hasReached(this.position(), position) && this.position().epoch === position.epoch) {
      this.#freshAtMs = this.#options.clock.monotonicMs();
      return;
    }
    if (this.#failures === 0) this.#syncAfter(MIN_SYNC_MS);
  }

  async reached(position: Position, timeoutMs: number): Promise<boolean> {
    const isThere = (): boolean => hasReached(this.position(), position);
    if (isThere()) return true;
    this.follow(position);
    await new Promise<void>((resolve) => {
      const done = (): void => {
        if (!isThere() && !this.#isClosed) return;
        this.#waiting.delete(done);
        timer.cancel();
        resolve();
      };
      const timer = this.#options.clock.after(timeoutMs, () => {
        this.#waiting.delete(done);
        resolve();
      });
      this.#waiting.add(done);
    });
    return !this.#isClosed && isThere();
  }

  async shown(ids: readonly CommandId[]): Promise<Result<ReadonlySet<CommandId>>> {
    return this.store.shown(ids);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const done of this.#waiting) done();
    // Aborts what a sync waits for, so that its thread can end.
    await this.#carrier.stop();
    // The handle that reads first: the last one to close writes the journal back, and that is the replica's own affair.
    await this.store.close();
    await this.#thread.end();
    await this.#syncing;
  }

  #syncAfter(delayMs: number): void {
    if (this.#isClosed || this.#syncing !== undefined) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(delayMs, () => this.#sync());
  }

  #sync(): void {
    this.#syncing ??= this.#syncOnce()
      .catch((cause: unknown) => {
        this.#failures += 1;
        this.#options.logger.error("the replica could not be brought up to date", { cause: String(cause) });
      })
      .finally(() => {
        this.#syncing = undefined;
        this.#syncAfter(this.#nextDelayMs());
      });
  }

  #nextDelayMs(): number {
    if (this.#isClosed) return 0;
    if (this.#failures > 0) {
      const { backoffMaxMs = BACKOFF_MAX_MS } = this.#options.limits ?? {};
      const ceilingMs = Math.min(backoffMaxMs, BACKOFF_MIN_MS * 2 ** Math.min(this.#failures, 10));
      return ceilingMs / 2 + (this.#options.random.next() * ceilingMs) / 2;
    }
    const isBehind = this.#target !== undefined && !hasReached(this.position(), this.#target);
    return isBehind ? MIN_SYNC_MS : IDLE_SYNC_MS;
  }

  async #syncOnce(): Promise<void> {
    const failuresBefore = this.#carrier.failures();
    const beganAtMs = this.#options.clock.monotonicMs();
    const synced = this.#isAttached
      ? await this.#thread.sync()
      : await this.#thread.open(this.#path, this.#carrier.url, this.#carrier.token);
    if (this.#isClosed) return;
    if (!synced.ok) {
      await this.#failed(synced.error.message, this.#carrier.failures() > failuresBefore);
      return;
    }
    if (this.#failures > 0 || !this.#isAttached) this.#options.logger.info("the replica follows the hub");
    this.#isAttached = true;
    this.#failures = 0;
    const position = this.position();
    const isBehind = this.#target !== undefined && !hasReached(position, this.#target);
    if (!isBehind) this.#freshAtMs = beganAtMs;
    this.#vain = isBehind ? this.#vain + 1 : 0;
    const isForeign = this.store.uuid() !== this.#options.fleet;
    if (isForeign || this.#vain >= VAIN_SYNCS) {
      await this.#rebuild(isForeign ? "it is of another fleet" : "it does not come to what the hub has");
      return;
    }
    await this.store.announce();
    for (const done of this.#waiting) done();
  }

  /** @param isHubAway whether the hub did not answer; else the fault is the copy's */
  async #failed(message: string, isHubAway: boolean): Promise<void> {
    this.#failures += 1;
    if (this.#failures === 1) this.#options.logger.warn("the replica cannot follow the hub", { why: message });
    if (isHubAway) return;
    this.#vain += 1;
    if (this.#vain >= VAIN_SYNCS) await this.#rebuild(message);
  }

  #foreignness(path: string): string | undefined {
    const connection = openReadOnly(path);
    try {
      const uuid = readMeta(connection, "uuid");
      return uuid === this.#options.fleet ? undefined : "it is of another fleet";
    } finally {
      connection.close();
    }
  }

  /** P3. Reads go on with the old copy until the new one is here. */
  async #rebuild(why: string): Promise<void> {
    const { logger, clock } = this.#options;
    logger.warn("the replica is made anew", { why });
    this.#isRebuilding = true;
    const making = `${this.#path}.making`;
    try {
      await this.#thread.end();
      this.#isAttached = false;
      this.#thread = new ReplicaThread();
      removeCopy(making);
      const fetched = await this.#thread.open(making, this.#carrier.url, this.#carrier.token);
      await this.#thread.end();
      this.#thread = new ReplicaThread();
      const fault = fetched.ok ? (faultOf(making) ?? this.#foreignness(making)) : fetched.error.message;
      if (fault !== undefined) {
        // Tried again with the next sync that fails or brings nothing.
        this.#failures += 1;
        logger.warn("the replica could not be fetched", { why: fault });
        return;
      }
      this.#vain = 0;
      await this.store.exchange(() => {
        setAside(this.#path, "unusable", clock.nowMs());
        moveInto(this.#path, making);
      });
      const opened = await this.#thread.open(this.#path, this.#carrier.url, this.#carrier.token);
      this.#isAttached = opened.ok;
      await this.store.announce();
    } finally {
      this.#isRebuilding = false;
    }
    for (const done of this.#waiting) done();
  }
}

/**
 * Opens this node's copy of the fleet's database, or fetches it. With a copy it opens without the hub too.
 * @returns a failure when there is no copy and the hub does not answer
 */
export async function openReplica(path: string, options: ReplicaOptions): Promise<Result<Replica>> {
  const { clock, random, logger, carry } = options;
  if (existsSync(path) && !isReplicaFile(path)) setAside(path, "alone", clock.nowMs());
  const fault = faultOf(path);
  if (fault === CUT_OFF) removeCopy(path);
  else if (fault !== undefined) {
    logger.warn("the replica is damaged and is fetched anew", { path, why: fault });
    setAside(path, "unusable", clock.nowMs());
  }
  const carrier = startCarrier(carry, random, options.limits?.silenceMs);
  if (!carrier.ok) return carrier;
  const thread = new ReplicaThread();
  const opened = await thread.open(path, carrier.value.url, carrier.value.token);
  if (!opened.ok && !hasTables(path)) {
    await carrier.value.stop();
    await thread.end();
    const message = `fetch the fleet's database from the hub: ${describeFailure(opened.error)}`;
    return err(retryable("unavailable", message, "See whether the hub runs and can be reached from here"));
  }
  const store = new ReplicaStore(path);
  if (store.uuid() !== options.fleet) {
    await carrier.value.stop();
    await store.close();
    await thread.end();
    setAside(path, "foreign", clock.nowMs());
    return err(
      refused("conflict", "the hub shows the database of another fleet", "Look at the hub: drover status there"),
    );
  }
  return ok(new Replica(path, options, { carrier: carrier.value, thread, store, isAttached: opened.ok }));
}

/** Whether there is a copy that something can be read from. */
function hasTables(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    const store = new ReplicaStore(path);
    try {
      return store.position().seq >= 0;
    } finally {
      void store.close();
    }
  } catch {
    // It was cut off before the first commit came: the same as none.
    return false;
  }
}
