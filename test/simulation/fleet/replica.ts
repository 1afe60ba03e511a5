import { type CommandId, ok, type Random, type Result } from "#base";
import { hasReached, type Position, type ReplicaView } from "#fleet";
import { MemoryQueueStore, type MemorySnapshot } from "#queue";
import type { ProcessClock } from "./time.ts";

export type Copy = { readonly position: Position; readonly snapshot: MemorySnapshot };

/** The files of a replica: they outlive the process that follows with them. */
export class ReplicaFiles {
  readonly store = new MemoryQueueStore();
  position: Position | undefined;
  /** How late this node follows, at the most. */
  lagMs = 100;
}

type Waiter = { readonly position: Position; readonly done: (reached: boolean) => void };

const RETRY_MS = 1_000;

/** Follows the database of the hub, always some way behind. */
export class FollowingReplica implements ReplicaView {
  readonly #files: ReplicaFiles;
  readonly #clock: ProcessClock;
  readonly #random: Random;
  readonly #fetch: () => Promise<Result<Copy>>;
  readonly #waiters = new Set<Waiter>();
  readonly #applied: (copy: Copy, before: Position | undefined) => void;
  #wanted: Position | undefined;
  #isFollowing = false;

  constructor(
    files: ReplicaFiles,
    clock: ProcessClock,
    random: Random,
    fetch: () => Promise<Result<Copy>>,
    applied: (copy: Copy, before: Position | undefined) => void,
  ) {
    this.#files = files;
    this.#clock = clock;
    this.#random = random;
    this.#fetch = fetch;
    this.#applied = applied;
  }

  position(): Position | undefined {
    return this.#files.position;
  }

  follow(position: Position): void {
    if (this.#wanted === undefined || hasReached(position, this.#wanted)) this.#wanted = position;
    if (!this.#isFollowing && !this.#isThere(this.#wanted)) this.#followLater(this.#files.lagMs);
  }

  reached(position: Position, timeoutMs: number): Promise<boolean> {
    if (this.#isThere(position)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (isThere: boolean): void => {
        timer.cancel();
        this.#waiters.delete(waiter);
        resolve(isThere);
      };
      const waiter: Waiter = { position, done };
      const timer = this.#clock.after(timeoutMs, () => done(false));
      this.#waiters.add(waiter);
    });
  }

  shown(ids: readonly CommandId[]): Promise<Result<ReadonlySet<CommandId>>> {
    return this.#files.store.transact("look", (tx) =>
      ok(new Set(ids.filter((id) => tx.commandResult(id) !== undefined))),
    );
  }

  #isThere(position: Position): boolean {
    const have = this.#files.position;
    return have !== undefined && hasReached(have, position);
  }

  #followLater(withinMs: number): void {
    this.#isFollowing = true;
    this.#clock.after(this.#random.next() * withinMs, () => {
      void this.#fetch().then((copy) => {
        this.#isFollowing = false;
        if (copy.ok) this.#apply(copy.value);
        if (this.#wanted !== undefined && !this.#isThere(this.#wanted)) {
          this.#followLater(copy.ok ? this.#files.lagMs : RETRY_MS);
        }
      });
    });
  }

  #apply(copy: Copy): void {
    const before = this.#files.position;
    // A message that was overtaken: the replica of a fleet never goes back either.
    if (before !== undefined && !hasReached(copy.position, before)) return;
    this.#files.position = copy.position;
    this.#files.store.restore(copy.snapshot);
    this.#applied(copy, before);
    for (const waiter of this.#waiters) if (this.#isThere(waiter.position)) waiter.done(true);
  }
}
