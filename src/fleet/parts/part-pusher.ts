/**
 * Sends parts of this node's attempts to the hub while somebody reads them there.
 *
 * PP1: what is sent begins where the hub says that it wants it, and at nothing else.
 * PP2: nothing is sent once the hub says that nobody reads it, or has not answered for {@link GIVE_UP_MS}.
 * PP3: whether the attempt still runs is looked at before its file is, so that what is called whole is.
 */
import { type Clock, describeFailure, type Logger, type Result, sleep } from "#base";
import { type OwnParts, type PartKey, textOf } from "./part.ts";
import { MAX_SLICE_BYTES, type PartPushAnswer, type PartPushCall } from "./part-wire.ts";

export type PartPusherOptions = {
  readonly own: OwnParts;
  readonly push: (call: PartPushCall) => Promise<Result<PartPushAnswer>>;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** Each costs a look at a file ten times a second. More are passed over; the hub tells of them again. */
const MAX_PUSHED = 16;
const LOOK_EVERY_MS = 100;
/** The hub hears of a part in which nothing happens this often, and says whether it is still read. */
const SAY_EVERY_MS = 2_000;
const RETRY_MS = 1_000;
/** Whoever still reads then has the hub tell this node again. */
const GIVE_UP_MS = 30_000;

export class PartPusher {
  readonly #options: PartPusherOptions;
  readonly #pushed = new Set<string>();
  #isStopped = false;

  constructor(options: PartPusherOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#pushed.size;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Somebody reads this part on the hub. */
  follow(key: PartKey): void {
    const name = textOf(key);
    if (this.#isStopped || this.#pushed.has(name) || this.#pushed.size >= MAX_PUSHED) return;
    this.#pushed.add(name);
    const { taskId, attempt, part } = key;
    void this.#push({ taskId, attempt, part })
      .catch((cause: unknown) => this.#options.logger.error("a log was not sent, by a bug", { cause: String(cause) }))
      .finally(() => this.#pushed.delete(name));
  }

  async #push(key: PartKey): Promise<void> {
    const { own, push, clock, logger } = this.#options;
    let offset = 0;
    let said: string | undefined;
    let saidMs = Number.NEGATIVE_INFINITY;
    let heardMs = clock.monotonicMs();
    while (!this.#isStopped) {
      const isRunning = own.isRunning(key.taskId, key.attempt); // PP3
      const part = await own.read(key, offset, MAX_SLICE_BYTES);
      if (!part.ok) return logger.warn("a log could not be read", { why: describeFailure(part.error) });
      const { bytes = new Uint8Array(), sizeBytes = null } = part.value ?? {};
      const isWhole = !isRunning && (sizeBytes === null || offset + bytes.byteLength >= sizeBytes);
      const nowMs = clock.monotonicMs();
      const news = `${offset} ${bytes.byteLength} ${sizeBytes} ${isWhole}`;
      if (news === said && nowMs - saidMs < SAY_EVERY_MS) {
        await sleep(clock, LOOK_EVERY_MS);
        continue;
      }
      const answer = await push({ ...key, offset, bytes: Buffer.from(bytes).toString("base64"), sizeBytes, isWhole });
      if (!answer.ok) {
        if (answer.error.kind !== "retryable" || clock.monotonicMs() - heardMs > GIVE_UP_MS) {
          return logger.warn("a log is not sent to the hub any more", { why: describeFailure(answer.error) });
        }
        await sleep(clock, RETRY_MS);
        continue;
      }
      if (!answer.value.isFollowed) return; // PP2
      [heardMs, saidMs] = [clock.monotonicMs(), nowMs];
      // Said again when the hub wants another place: what it has not got is no news that it has.
      said =
        answer.value.wanted === offset + bytes.byteLength
          ? `${answer.value.wanted} 0 ${sizeBytes} ${isWhole}`
          : undefined;
      offset = answer.value.wanted; // PP1
    }
  }
}
