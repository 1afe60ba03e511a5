/**
 * Brings the parts of this node's ended attempts to the hub; and of a node that was the hub itself, what it keeps of others.
 *
 * PU1: what the hub is to get is noted durably before the report of its attempt is sent, and until the hub has it whole.
 * PU2: a blob goes on where the hub has it: a kill of either side costs no byte that had arrived.
 * PU4: what it keeps of others it offers to each new hub, by its hash, and keeps all the same: they may be gone.
 * PU3: no report waits for a log. A result is sent first, and its report waits for it no longer than it was told to.
 */
import {
  type Clock,
  describeFailure,
  type Failure,
  type Logger,
  type NodeId,
  ok,
  type Random,
  type Result,
  sleep,
  type Timer,
} from "#base";
import { BLOB_PIECE_BYTES, type BlobPiece, type BlobState, type BlobStore } from "../blobs/blob-store.ts";
import type { AttemptBlobs, UnsentPart } from "./attempt-blobs.ts";
import { type OwnParts, type PartBlob, type PartKey, textOf } from "./part.ts";

export type PartUploadsOptions = {
  readonly node: NodeId;
  readonly store: BlobStore;
  readonly blobs: AttemptBlobs;
  readonly own: OwnParts;
  readonly put: (blob: PartBlob, piece: BlobPiece) => Promise<Result<BlobState>>;
  /** Of the hub as this node knows it: a later one has nothing yet. */
  readonly epoch: () => number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
};

const BACKOFF_MIN_MS = 1_000;
const BACKOFF_MAX_MS = 300_000;
/** Between pieces: at most 50 MiB a second, so that logs leave the line and the hub's disk to the queue. */
const PIECE_PAUSE_MS = 20;
/** What came without a call, such as another hub, is seen by then. */
const LOOK_EVERY_MS = 60_000;
/** A hub that wants other places for ever is left alone until the next look. */
const MAX_PIECES_TWICE = 3;
/** What is read of the journal at once. */
const PASS_ROWS = 64;
/** The hub is away, or full. */
const MAX_FAILURES_IN_A_ROW = 3;
/** Bytes that arrive with another hash so often are altered by something that will not stop. */
const MAX_SPOILED = 3;

export class PartUploads {
  readonly #options: PartUploadsOptions;
  readonly #waiters = new Map<string, () => void>();
  readonly #spoiled = new Map<string, number>();
  #isRunning = false;
  #isSending = false;
  #again = false;
  #failures = 0;
  /** The epoch of the hub that this was about last. */
  #lookedUnder: number | undefined;
  #timer: Timer | undefined;

  constructor(options: PartUploadsOptions) {
    this.#options = options;
  }

  start(): void {
    const { blobs, logger } = this.#options;
    this.#isRunning = true;
    const offered = blobs.wantKept();
    if (!offered.ok) logger.warn("kept parts of attempts are not offered", { why: describeFailure(offered.error) });
    this.wake();
  }

  stop(): void {
    this.#isRunning = false;
    this.#timer?.cancel();
    for (const done of this.#waiters.values()) done();
  }

  /** PU1. Notes the logs of an attempt that has ended. */
  want(keys: readonly PartKey[]): Result<void> {
    const { blobs, node, clock } = this.#options;
    for (const key of keys) {
      const noted = blobs.want(key, node, clock.nowMs());
      if (!noted.ok) return noted;
    }
    return ok(undefined);
  }

  /** PU3. Resolves when the hub has the part, or after `waitMs`; it goes on being sent then. */
  async sent(key: PartKey, waitMs: number): Promise<void> {
    const done = Promise.withResolvers<void>();
    const name = textOf(key);
    this.#waiters.set(name, done.resolve);
    const timer = this.#options.clock.after(this.#failures === 0 && this.#isRunning ? waitMs : 0, done.resolve);
    this.wake();
    await done.promise;
    timer.cancel();
    this.#waiters.delete(name);
  }

  /** To be called now and then: a hub of a later epoch has nothing yet. */
  lookForHub(): void {
    if (this.#options.epoch() !== this.#lookedUnder) this.wake();
  }

  /** To be called when there is something to send, or the hub can be reached again. */
  wake(): void {
    this.#again = true;
    if (this.#isSending || !this.#isRunning) return;
    this.#timer?.cancel();
    this.#isSending = true;
    void this.#sendAll()
      .catch((cause: unknown) => {
        this.#failures += 1;
        this.#options.logger.error("parts of attempts were not sent, by a bug", { cause: String(cause) });
      })
      .finally(() => {
        this.#isSending = false;
        if (this.#isRunning) this.#lookLater();
      });
  }

  async #sendAll(): Promise<void> {
    const { blobs, epoch } = this.#options;
    while (this.#isRunning) {
      this.#again = false;
      this.#lookedUnder = epoch();
      const unsent = blobs.unsent(this.#lookedUnder, PASS_ROWS);
      if (!unsent.ok) return this.#failed(unsent.error);
      if (unsent.value.length === 0) {
        this.#failures = 0;
        return;
      }
      const failure = await this.#sendSome(unsent.value);
      if (failure !== undefined) return this.#failed(failure);
      this.#failures = 0;
    }
  }

  #failed(failure: Failure): void {
    const { logger } = this.#options;
    if (this.#failures === 0) logger.warn("parts of attempts wait for the hub", { why: describeFailure(failure) });
    this.#failures += 1;
  }

  /** One that the hub cannot take yet does not hold up the others. @returns why something is left. */
  async #sendSome(unsent: readonly UnsentPart[]): Promise<Failure | undefined> {
    let last: Failure | undefined;
    let inARow = 0;
    for (const part of unsent) {
      if (!this.#isRunning || inARow >= MAX_FAILURES_IN_A_ROW) return last;
      const failure = await this.#sendOne(part);
      inARow = failure === undefined ? 0 : inARow + 1;
      last = failure ?? last;
    }
    return last;
  }

  /** @returns why it is to be sent again later. */
  async #sendOne(part: UnsentPart): Promise<Failure | undefined> {
    const { blobs, logger, epoch, node } = this.#options;
    const toEpoch = epoch();
    if (part.node !== node) return this.#offer(part, toEpoch);
    const packed = await this.#packed(part);
    const blob = packed.ok ? packed.value : undefined;
    const sent = blob === undefined ? packed : await this.#send(blob);
    if (!sent.ok) {
      if (this.#mayComeRight(part, sent.error)) return sent.error;
      const what = { task: part.taskId, attempt: part.attempt, part: part.part };
      logger.warn("the hub does not get a part of an attempt", { ...what, why: describeFailure(sent.error) });
    }
    const noted = sent.ok && blob !== undefined ? blobs.sent(part, toEpoch) : blobs.drop(part);
    if (!noted.ok) return noted.error;
    this.#spoiled.delete(textOf(part));
    // The log itself is still there; a result is kept for the next hub.
    if (blob !== undefined && part.part !== "result") await this.#forget(blob);
    this.#waiters.get(textOf(part))?.();
    return undefined;
  }

  /** PU4. What a hub refuses, it may have from the node itself, or be too old to be offered anything. */
  async #offer({ packed, ...part }: UnsentPart, toEpoch: number): Promise<Failure | undefined> {
    const { blobs, store } = this.#options;
    const state = packed === undefined ? undefined : await store.state(packed.hash);
    const isThere = state?.ok === true && state.value.kind === "whole";
    if (packed === undefined || !isThere) {
      const dropped = blobs.drop(part);
      return dropped.ok ? undefined : dropped.error;
    }
    const sent = await this.#send({ ...part, ...packed });
    if (!sent.ok && sent.error.kind === "retryable") return sent.error;
    const noted = blobs.offered(part, toEpoch);
    return noted.ok ? undefined : noted.error;
  }

  #mayComeRight(part: PartKey, failure: Failure): boolean {
    if (failure.kind === "retryable") return true;
    if (failure.code !== "invalid") return false;
    // Something on the way altered it.
    const times = (this.#spoiled.get(textOf(part)) ?? 0) + 1;
    this.#spoiled.set(textOf(part), times);
    return times < MAX_SPOILED;
  }

  async #packed(part: UnsentPart): Promise<Result<PartBlob | undefined>> {
    const { own, blobs, store, node, clock } = this.#options;
    const { taskId, attempt, part: name, packed: known } = part;
    const state = known === undefined ? undefined : await store.state(known.hash);
    const isThere = state?.ok === true && state.value.kind === "whole";
    const packed = known !== undefined && isThere ? ok(known) : await own.pack(part);
    if (!packed.ok || packed.value === undefined) return packed.ok ? ok(undefined) : packed;
    const { hash, bytes, rawBytes, encoding } = packed.value;
    const blob: PartBlob = { taskId, attempt, part: name, node, hash, bytes, rawBytes, encoding };
    const noted = blobs.put(blob, clock.nowMs());
    return noted.ok ? ok(blob) : noted;
  }

  /** PU2 */
  async #send(blob: PartBlob): Promise<Result<void>> {
    const { put, store, clock } = this.#options;
    const nothing = new Uint8Array();
    let state = await put(blob, { offset: 0, totalBytes: blob.bytes, bytes: nothing });
    let twice = 0;
    while (state.ok && state.value.kind !== "whole") {
      const offset = state.value.bytes;
      const part = await store.read(blob.hash, offset, BLOB_PIECE_BYTES);
      if (!part.ok) return part;
      const bytes = part.value?.bytes ?? nothing;
      state = await put(blob, { offset, totalBytes: blob.bytes, bytes });
      const isFurther = state.ok && (state.value.kind === "whole" || state.value.bytes > offset);
      twice = isFurther ? 0 : twice + 1;
      if (state.ok && twice >= MAX_PIECES_TWICE) return this.#stuck(blob);
      await sleep(clock, PIECE_PAUSE_MS);
    }
    return state.ok ? ok(undefined) : state;
  }

  #stuck({ hash }: PartBlob): Result<void> {
    const message = `the hub did not take blob ${hash} further`;
    return { ok: false, error: { kind: "retryable", code: "unavailable", message } };
  }

  async #forget({ hash }: PartBlob): Promise<void> {
    const { blobs, store } = this.#options;
    const used = blobs.uses(hash);
    if (used.ok && !used.value) await store.remove(hash);
  }

  #lookLater(): void {
    const { clock, random } = this.#options;
    if (this.#failures === 0 && this.#again) return this.wake();
    const ceilingMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(this.#failures, 16));
    const waitMs = this.#failures === 0 ? LOOK_EVERY_MS : ceilingMs / 2 + (random.next() * ceilingMs) / 2;
    this.#timer = clock.after(waitMs, () => this.wake());
  }
}
