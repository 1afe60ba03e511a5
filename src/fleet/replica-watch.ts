import { type Clock, err, type Failure, type NodeId, ok, type Result, retryable, type Timer } from "#base";
import type { Position } from "./position.ts";
import { isReplicated, liveReplicas, type ReplicaReport, replicatedSeq } from "./replication.ts";

export type ReplicaWatchOptions = {
  readonly clock: Clock;
  /** Where this hub is, with everything that it has answered. */
  readonly position: () => Position;
  /** How many other nodes have to have a commit. */
  readonly replicas: number;
};

/** Nodes that are there take some tens of milliseconds; one that hangs is noticed by its silence only later. */
const REPLICATE_MS = 3_000;

type Waiter = {
  readonly position: Position;
  readonly isThere: Promise<boolean>;
  readonly settle: (is: boolean) => void;
};

/** What a hub knows of the replicas of its nodes, and who waits for them. Of a removed node nothing is kept. */
export class ReplicaWatch {
  readonly #options: ReplicaWatchOptions;
  readonly #reports = new Map<NodeId, ReplicaReport>();
  /** One for each position, however many callers share its commit. */
  readonly #waiting = new Map<string, Waiter>();
  readonly #timers = new Set<Timer>();
  readonly #listeners = new Set<() => void>();

  constructor(options: ReplicaWatchOptions) {
    this.#options = options;
  }

  /** Whether somebody waits until replicas have a commit: then they are to be told of it at once. */
  get isAwaited(): boolean {
    return this.#waiting.size > 0;
  }

  /** A node is there, and says how far its replica is where it says so. */
  heard(node: NodeId, position?: Position): void {
    const heardAtMs = this.#options.clock.monotonicMs();
    this.#reports.set(node, { position: position ?? this.#reports.get(node)?.position, heardAtMs });
    if (position === undefined) return;
    for (const waiter of this.#waiting.values()) {
      if (isReplicated(this.#reports, this.#options.replicas, waiter.position)) waiter.settle(true);
    }
  }

  drop(node: NodeId): void {
    this.#reports.delete(node);
  }

  /** Called when somebody begins to wait. @returns a function that ends it. */
  onAwaited(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Why nothing can be replicated now; undefined when enough nodes are there. Nothing was written then. */
  shortage(): Failure | undefined {
    const { replicas } = this.#options;
    const { live } = this.figures();
    if (live >= replicas) return undefined;
    return retryable(
      "too_few_replicas",
      `store.replicas asks for ${replicas}, and ${live} other ${live === 1 ? "node follows" : "nodes follow"} this hub; nothing was changed`,
      "Let more nodes join, look at those that are away (drover node list), or set store.durability to local",
    );
  }

  /** Waits until enough replicas have everything that was answered so far. */
  async replicated(): Promise<Result<void>> {
    const position = this.#options.position();
    if (isReplicated(this.#reports, this.#options.replicas, position)) return ok(undefined);
    const isThere = await this.#waiter(position).isThere;
    return isThere ? ok(undefined) : err(this.#notReplicated());
  }

  figures(): { readonly replicas: number; readonly live: number; readonly seq: number } {
    const { replicas, position, clock } = this.#options;
    return {
      replicas,
      live: liveReplicas(this.#reports, clock.monotonicMs()),
      seq: replicatedSeq(this.#reports, replicas, position().epoch),
    };
  }

  /** Whoever waits is told that it is not known. */
  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    for (const { settle } of this.#waiting.values()) settle(false);
  }

  #waiter(position: Position): Waiter {
    const name = `${position.epoch} ${position.seq}`;
    const known = this.#waiting.get(name);
    if (known !== undefined) return known;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const settle = (is: boolean): void => {
      this.#waiting.delete(name);
      this.#timers.delete(timer);
      timer.cancel();
      resolve(is);
    };
    const timer = this.#options.clock.after(REPLICATE_MS, () => settle(false));
    this.#timers.add(timer);
    const made = { position, isThere: promise, settle };
    this.#waiting.set(name, made);
    for (const listener of this.#listeners) listener();
    return made;
  }

  #notReplicated(): Failure {
    const { replicas } = this.#options;
    return retryable(
      "not_replicated",
      `it is done and durable on the hub, but after ${REPLICATE_MS} ms fewer than ${replicas} other ${replicas === 1 ? "node has" : "nodes have"} it: it holds unless the hub's disk is lost`,
      "Repeat it, a submission with its idempotency key: it takes effect once, and is answered when enough nodes have it",
    );
  }
}
