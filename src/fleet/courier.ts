/**
 * Brings the commands of the outbox to the hub.
 *
 * O1: a command is durable here before its caller is answered, and leaves the outbox only when the fleet's database
 *     has shown it for KEEP_MS, or a hub refused it for ever.
 * O2: commands of one node reach the hub in the order of their arrival.
 * O3: a command that was answered by a hub which is no longer one, and that the database does not show, is sent again
 *     under the same id.
 */
import {
  type Clock,
  type CommandId,
  describeFailure,
  err,
  type JsonValue,
  type Logger,
  ok,
  type Random,
  type Result,
  type Timer,
} from "#base";
import type { Outbox, QueueLink, ReplicaView } from "./ports.ts";
import type { Position } from "./position.ts";
import { type CommandResult, type FleetCommand, MAX_COMMANDS } from "./wire.ts";

export type CourierOptions = {
  readonly outbox: Outbox;
  readonly link: QueueLink;
  readonly replica: ReplicaView;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
};

const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 15_000;
/** Answered commands that are compared with the replica at once. */
const SETTLE_ROWS = 256;
const SETTLE_EVERY_MS = 1_000;
/**
 * The database that this node follows may be ahead of another node's, and that one may be promoted: what only this node saw
 * is then sent again, if it is not older than this. Replicas that can be reached are seconds apart.
 */
const KEEP_MS = 600_000;
/** So many are kept at the most; a minute of the most that one node sends. */
const MAX_KEPT = 20_000;
/** One request's worth of commands: bodies with whole files in them go a few at a time. */
const MAX_BATCH_CHARS = 2 * 1024 * 1024;

type Waiter = (result: Result<JsonValue | undefined> | "journaled") => void;

export class Courier {
  readonly #options: CourierOptions;
  readonly #waiters = new Map<CommandId, Waiter>();
  #failures = 0;
  #answeredAt: Position | undefined;
  #isSending = false;
  #again = false;
  #alone = false;
  #isRunning = false;
  #timer: Timer | undefined;
  #settleTimer: Timer | undefined;
  /** Settled commands that are still kept, in the order in which they are forgotten. */
  #kept: { readonly ids: readonly CommandId[]; readonly untilMs: number }[] = [];
  /** The epoch of the database that they were seen in. */
  #comparedEpoch: number | undefined;

  constructor(options: CourierOptions) {
    this.#options = options;
  }

  /** False while the hub does not answer. */
  get isReaching(): boolean {
    return this.#failures === 0;
  }

  /** Where the hub was when it last answered; undefined before. */
  get answeredAt(): Position | undefined {
    return this.#answeredAt;
  }

  start(): void {
    this.#isRunning = true;
    this.#settleLater();
    this.wake();
  }

  stop(): void {
    this.#isRunning = false;
    this.#timer?.cancel();
    this.#settleTimer?.cancel();
    for (const [id, waiter] of this.#waiters) {
      this.#waiters.delete(id);
      waiter("journaled");
    }
  }

  /**
   * Keeps a command, then sends it. @returns what the hub answered; "journaled" when it did not within `waitMs`: the
   * command goes on waiting for it.
   */
  async send(command: FleetCommand, waitMs: number): Promise<Result<JsonValue | undefined> | "journaled"> {
    const { outbox, clock } = this.#options;
    const kept = outbox.append(command, clock.nowMs());
    if (!kept.ok) return kept;
    // A node that stops: its next start sends it.
    if (!this.#isRunning) return "journaled";
    const answer = Promise.withResolvers<Result<JsonValue | undefined> | "journaled">();
    this.#waiters.set(command.id, answer.resolve);
    const timer = clock.after(this.isReaching ? waitMs : 0, () => answer.resolve("journaled"));
    this.wake();
    try {
      return await answer.promise;
    } finally {
      timer.cancel();
      this.#waiters.delete(command.id);
    }
  }

  /** As {@link send}, of a command that was sent before, by this process or another: an answer that is kept is given again. */
  async resend(command: FleetCommand, waitMs: number): Promise<Result<JsonValue | undefined> | "journaled"> {
    const kept = this.#options.outbox.answer(command.id);
    if (!kept.ok) return kept;
    if (kept.value === undefined) return this.send(command, waitMs);
    const result = kept.value as unknown as CommandResult; // `as`: written by `#answered`
    return result.ok ? ok(result.value) : err(result.failure);
  }

  /** To be called when the hub can be reached again, or when something was put in. */
  wake(): void {
    this.#again = true;
    if (this.#isSending || !this.#isRunning) return;
    this.#timer?.cancel();
    this.#isSending = true;
    void this.#sendAll()
      .catch((cause: unknown) => this.#options.logger.error("the outbox could not be sent", { cause: String(cause) }))
      .finally(() => {
        this.#isSending = false;
        if (this.#isRunning && this.#failures > 0) this.#retryLater();
        else if (this.#again) this.wake();
      });
  }

  async #sendAll(): Promise<void> {
    while (this.#isRunning && this.#again) {
      this.#again = false;
      const sent = await this.#sendSome();
      if (!sent) return;
    }
  }

  /** @returns whether the hub was reached. */
  async #sendSome(): Promise<boolean> {
    const { outbox, link, logger } = this.#options;
    const rows = outbox.waiting(this.#alone ? 1 : MAX_COMMANDS);
    if (!rows.ok) {
      logger.error("the outbox cannot be read", { failure: describeFailure(rows.error) });
      this.#failures += 1;
      return false;
    }
    const batch = fitting(rows.value.map(({ command }) => command));
    if (batch.length === 0) return true;
    const answer = await link.commands(batch);
    if (answer.ok) {
      this.#alone = false;
      this.#again = true;
      const { epoch, seq, results } = answer.value;
      this.#answeredAt = { epoch, seq };
      const answered = results.filter((result) => !mayComeRight(result));
      const isKept = this.#answered(answered, epoch);
      this.#options.replica.follow({ epoch, seq });
      // The hub is there and could not write, or this node could not keep what it said: those wait, as if it had not been
      // reached.
      this.#failures = isKept && answered.length === results.length ? 0 : this.#failures + 1;
      return this.#failures === 0;
    }
    if (answer.error.kind === "retryable" || answer.error.kind === "leaseLost") {
      if (this.#failures === 0) logger.warn("the hub cannot be reached", { failure: describeFailure(answer.error) });
      this.#failures += 1;
      return false;
    }
    return this.#refused(batch, answer.error);
  }

  /** The request as a whole was refused: each command is tried alone, and one that is refused alone is refused for ever. */
  #refused(batch: readonly FleetCommand[], failure: Extract<CommandResult, { ok: false }>["failure"]): boolean {
    const [only] = batch;
    if (batch.length > 1 || only === undefined) {
      this.#alone = true;
      this.#again = true;
      return true;
    }
    this.#options.logger.error("the hub refused a command", {
      command: only.id,
      kind: only.kind,
      why: failure.message,
    });
    // Not "refused" for what is wrong with this node itself, such as a key that was removed: that may be set right.
    if (failure.code === "unsupported" || failure.code === "not_found") {
      this.#failures += 1;
      return false;
    }
    const isKept = this.#answered([{ id: only.id, ok: false, failure }], 0);
    this.#failures = isKept ? 0 : this.#failures + 1;
    this.#again = true;
    return isKept;
  }

  /** @returns whether they were kept; otherwise they are sent again, and answered again. */
  #answered(results: readonly CommandResult[], epoch: number): boolean {
    const { outbox, logger } = this.#options;
    // `as`: a result is JSON throughout.
    const answers = results.map((result) => ({ id: result.id, result: result as unknown as JsonValue }));
    const kept = outbox.answered(epoch, answers);
    if (!kept.ok) logger.error("answers could not be kept", { failure: describeFailure(kept.error) });
    // Never in the database, so there is nothing to wait for.
    if (epoch === 0) outbox.forget(results.map(({ id }) => id));
    for (const result of results) this.#tell(result);
    return kept.ok;
  }

  #tell(result: CommandResult): void {
    const waiter = this.#waiters.get(result.id);
    waiter?.(result.ok ? ok(result.value) : err(result.failure));
    if (waiter !== undefined || result.ok) return;
    // Whoever asked was told that it is kept, and is gone: people can find it here alone.
    const why = describeFailure(result.failure);
    this.#options.logger.error("the hub refused what this node had accepted", { command: result.id, why });
  }

  #retryLater(): void {
    const { clock, random } = this.#options;
    const ceilingMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(this.#failures, 10));
    this.#timer?.cancel();
    this.#timer = clock.after(ceilingMs / 2 + (random.next() * ceilingMs) / 2, () => this.wake());
  }

  #settleLater(): void {
    if (!this.#isRunning) return;
    this.#settleTimer = this.#options.clock.after(SETTLE_EVERY_MS, () => {
      void this.settle()
        .catch((cause: unknown) => this.#options.logger.error("the outbox was not tidied", { cause: String(cause) }))
        .finally(() => this.#settleLater());
    });
  }

  /** Compares what was answered with what the database shows. */
  async settle(): Promise<void> {
    const { outbox, replica, clock, logger } = this.#options;
    const at = replica.position();
    if (at === undefined) return;
    if (at.epoch !== this.#comparedEpoch) {
      // Another database than the one they were seen in, or a process that does not know since when they are kept.
      if (!outbox.unsettle().ok) return;
      this.#kept = [];
      this.#comparedEpoch = at.epoch;
    }
    this.#forgetOld(clock.monotonicMs());
    const rows = outbox.unsettled(SETTLE_ROWS);
    if (!rows.ok || rows.value.length === 0) return;
    const shown = await replica.shown(rows.value.map(({ id }) => id));
    if (!shown.ok || replica.position()?.epoch !== at.epoch) return;
    const settled = rows.value.filter(({ id }) => shown.value.has(id)).map(({ id }) => id);
    if (outbox.settle(settled).ok && settled.length > 0) {
      this.#kept.push({ ids: settled, untilMs: clock.monotonicMs() + KEEP_MS });
    }
    const lost = rows.value.filter(({ id, epoch }) => !shown.value.has(id) && epoch < at.epoch);
    if (lost.length === 0) return;
    outbox.reopen(lost.map(({ id }) => id));
    logger.warn("commands that a former hub had answered are sent again", { commands: lost.length });
    this.wake();
  }

  #forgetOld(nowMs: number): void {
    let count = this.#kept.reduce((sum, { ids }) => sum + ids.length, 0);
    for (let [oldest] = this.#kept; oldest !== undefined; [oldest] = this.#kept) {
      if (oldest.untilMs > nowMs && count <= MAX_KEPT) return;
      if (!this.#options.outbox.forget(oldest.ids).ok) return;
      count -= oldest.ids.length;
      this.#kept.shift();
    }
  }
}

/** The hub kept no result of it: its database was away. */
function mayComeRight(result: CommandResult): boolean {
  return !result.ok && result.failure.kind === "retryable";
}

/** As many from the front as one request holds, but at least one. */
function fitting(commands: readonly FleetCommand[]): readonly FleetCommand[] {
  let chars = 0;
  const taken: FleetCommand[] = [];
  for (const command of commands) {
    chars += JSON.stringify(command).length;
    if (taken.length > 0 && chars > MAX_BATCH_CHARS) break;
    taken.push(command);
  }
  return taken;
}
