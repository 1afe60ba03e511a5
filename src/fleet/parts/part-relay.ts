/**
 * How a hub gets at parts that lie on nodes which only call: it tells such a node that a part is read, and the node sends
 * what there is and what comes, for as long as it is read.
 *
 * PR1: bytes are kept at the offset that they have on their node, in order, each once.
 * PR2: a part is asked for while somebody reads it, and not {@link FOLLOWED_MS} longer.
 * PR3: a part is whole when its node says so after its attempt has ended by the queue, never by silence.
 */
import { type Clock, err, type NodeId, ok, type Result, refused, retryable } from "#base";
import type { FetchedKey, FetchedParts } from "./io/fetched-parts.ts";
import { type PartKey, type PartSlice, textOf } from "./part.ts";
import type { PartPushAnswer, PartPushCall } from "./part-wire.ts";

export type PartRelayOptions = {
  readonly fetched: FetchedParts;
  readonly clock: Clock;
  /** Tells a node that a part of its is read, with its next answer. */
  readonly tell: (node: NodeId, key: PartKey) => void;
  readonly maxPartBytes: number;
};

export type PartRead = {
  readonly offset: number;
  readonly maxBytes: number;
  /** What is not there yet is waited for so long. */
  readonly waitMs: number;
  /** Whether the attempt has ended, by the queue. */
  readonly isEnded: boolean;
};

/** A reader asks at least once a second; a client that takes nothing for longer begins anew. */
const FOLLOWED_MS = 10_000;
/** A node that was told and has sent nothing is told again: its answer may have been lost. */
const TELL_AGAIN_MS = 3_000;
/** A node sends every two seconds at least; two may be lost. */
const SILENT_MS = 6_000;
/** People who watch, and programs: a node sends sixteen parts at once. More than these are refused. */
const MAX_FOLLOWED = 500;

type Followed = {
  readonly key: FetchedKey;
  readonly sinceMs: number;
  readMs: number;
  toldMs: number;
  pushedMs: number | undefined;
  /** As its node said last; null: it has none. */
  sizeBytes: number | null;
  isWhole: boolean;
  readonly waiting: Set<() => void>;
  /** Pushes are kept one after the other. */
  keeping: Promise<unknown>;
};

export class PartRelay {
  readonly #options: PartRelayOptions;
  readonly #followed = new Map<string, Followed>();

  constructor(options: PartRelayOptions) {
    this.#options = options;
  }

  /** @returns undefined when its node has no such part (yet); `unavailable` when the node does not answer. */
  async read(given: FetchedKey, read: PartRead): Promise<Result<PartSlice | undefined>> {
    const { fetched, clock } = this.#options;
    const followed = this.#follow(given);
    if (!followed.ok) return followed;
    const { key } = followed.value;
    const endMs = clock.monotonicMs() + read.waitMs;
    for (;;) {
      this.#askFor(followed.value);
      const sizeBytes = fetched.begunBytes(key);
      const { isWhole, sizeBytes: saidBytes } = followed.value;
      const nowMs = clock.monotonicMs();
      const isThere = !this.#isSilent(followed.value, nowMs);
      if (read.isEnded && isWhole && saidBytes === null) return ok(undefined);
      if (read.isEnded && isWhole && sizeBytes === saidBytes) return this.#whole(followed.value, read);
      if (sizeBytes > read.offset) return this.#begun(followed.value, read);
      const isAtEnd = isThere && followed.value.pushedMs !== undefined && nowMs >= endMs;
      if (isAtEnd && saidBytes === null) return ok(undefined);
      if (isAtEnd)
        return ok({ bytes: new Uint8Array(), sizeBytes: Math.max(sizeBytes, saidBytes ?? 0), isWhole: false });
      if (!isThere) return err(retryable("unavailable", "its node does not answer"));
      await this.#change(followed.value, Math.max(50, Math.min(endMs - nowMs, TELL_AGAIN_MS)));
    }
  }

  /** Takes what a node sends. */
  async push(node: NodeId, call: PartPushCall): Promise<Result<PartPushAnswer>> {
    const followed = this.#followed.get(textOf(call));
    const nowMs = this.#options.clock.monotonicMs();
    if (followed === undefined || nowMs - followed.readMs > FOLLOWED_MS) {
      this.#followed.delete(textOf(call)); // PR2
      return ok({ wanted: 0, isFollowed: false });
    }
    if (followed.key.node !== node) {
      return err(refused("conflict", `attempt ${call.attempt} of task ${call.taskId} is another node's`));
    }
    const kept = followed.keeping.then(() => this.#keep(followed, call));
    followed.keeping = kept;
    return kept;
  }

  drop(node: NodeId): void {
    for (const [name, { key, waiting }] of this.#followed) {
      if (key.node !== node) continue;
      this.#followed.delete(name);
      for (const wake of waiting) wake();
    }
  }

  async #keep(followed: Followed, call: PartPushCall): Promise<Result<PartPushAnswer>> {
    const { fetched, clock, maxPartBytes } = this.#options;
    const bytes = Buffer.from(call.bytes, "base64");
    let sizeBytes = fetched.begunBytes(followed.key);
    if (sizeBytes + bytes.byteLength > maxPartBytes) {
      return err(refused("too_large", `a part longer than ${maxPartBytes} bytes stays with its node`));
    }
    // PR1
    if (call.offset === sizeBytes && bytes.byteLength > 0) {
      const kept = await fetched.append(followed.key, bytes);
      if (!kept.ok) return kept;
      sizeBytes = kept.value;
    }
    followed.pushedMs = clock.monotonicMs();
    followed.sizeBytes = call.sizeBytes;
    followed.isWhole = call.isWhole && (call.sizeBytes === null || sizeBytes === call.sizeBytes);
    for (const wake of followed.waiting) wake();
    return ok({ wanted: sizeBytes, isFollowed: true });
  }

  #follow(key: FetchedKey): Result<Followed> {
    const nowMs = this.#options.clock.monotonicMs();
    const known = this.#followed.get(textOf(key));
    // Longer ago than anybody sends to: what is known of it is of then.
    const isFresh = known !== undefined && known.key.node === key.node && nowMs - known.readMs <= FOLLOWED_MS;
    if (isFresh) return ok(known);
    this.#forgetOld(nowMs);
    if (this.#followed.size >= MAX_FOLLOWED) {
      return err(retryable("limit", `${MAX_FOLLOWED} parts of attempts of other nodes are read already`));
    }
    const followed: Followed = {
      key: { taskId: key.taskId, attempt: key.attempt, part: key.part, node: key.node },
      sinceMs: nowMs,
      readMs: nowMs,
      toldMs: Number.NEGATIVE_INFINITY,
      pushedMs: undefined,
      sizeBytes: null,
      isWhole: false,
      waiting: new Set(),
      keeping: Promise.resolve(),
    };
    this.#followed.set(textOf(key), followed);
    return ok(followed);
  }

  #askFor(followed: Followed): void {
    const nowMs = this.#options.clock.monotonicMs();
    followed.readMs = nowMs;
    const heardMs = Math.max(followed.pushedMs ?? followed.toldMs, followed.toldMs);
    if (nowMs - heardMs < TELL_AGAIN_MS) return;
    followed.toldMs = nowMs;
    this.#options.tell(followed.key.node, followed.key);
  }

  #isSilent({ pushedMs, sinceMs }: Followed, nowMs: number): boolean {
    return nowMs - (pushedMs ?? sinceMs) >= SILENT_MS;
  }

  async #begun({ key, sizeBytes }: Followed, { offset, maxBytes }: PartRead): Promise<Result<PartSlice | undefined>> {
    const part = await this.#options.fetched.readBegun(key, offset, maxBytes);
    if (!part.ok) return part;
    if (part.value === undefined) return ok(undefined);
    const size = Math.max(part.value.sizeBytes, sizeBytes ?? 0);
    return ok({ bytes: part.value.bytes, sizeBytes: size, isWhole: false });
  }

  /** PR3 */
  async #whole(followed: Followed, { offset, maxBytes }: PartRead): Promise<Result<PartSlice | undefined>> {
    const { fetched } = this.#options;
    await followed.keeping;
    // An empty one was never begun.
    if (followed.sizeBytes === 0) await fetched.append(followed.key, new Uint8Array());
    const finished = await fetched.finish(followed.key);
    if (!finished.ok) return finished;
    this.#followed.delete(textOf(followed.key));
    const part = await fetched.read(followed.key, offset, maxBytes);
    if (!part.ok) return part;
    return ok(part.value === undefined ? undefined : { ...part.value, isWhole: true });
  }

  #forgetOld(nowMs: number): void {
    for (const [name, { readMs }] of this.#followed) if (nowMs - readMs > FOLLOWED_MS) this.#followed.delete(name);
  }

  #change({ waiting }: Followed, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        waiting.delete(wake);
        timer.cancel();
        resolve();
      };
      const timer = this.#options.clock.after(ms, wake);
      waiting.add(wake);
    });
  }
}
