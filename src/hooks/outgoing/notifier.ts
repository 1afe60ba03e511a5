/** Keeps what is to be told, and sends it when each channel's policy lets it (NT1 to NT3 of policy.ts). */
import {
  type Clock,
  describeFailure,
  err,
  type Failure,
  type Logger,
  type Random,
  type Result,
  redactText,
  refused,
  type Timer,
} from "#base";
import { messageOf, type OutgoingMessage } from "./message.ts";
import type { Notice, Notices } from "./notice.ts";
import { type ChannelCounts, type KeptNotice, MAX_WAITING, type NoticeOutbox, type NoticeQuery } from "./outbox.ts";
import { type ChannelPolicy, MAX_TRIES, nextStep, retryDelayMs, type WaitingNotice, wants } from "./policy.ts";

/** How a message leaves. */
export interface ChannelSender {
  /**
   * Never throws. @returns `retryable` when the same may succeed later, anything else when it never can; what it says
   * holds no secret.
   */
  send(message: OutgoingMessage): Promise<Sent>;
}

/** `retryAfterMs`: how long the other side asks to wait. */
export type Sent =
  | { readonly ok: true }
  | { readonly ok: false; readonly error: Failure; readonly retryAfterMs?: number };

export type Channel = {
  readonly policy: ChannelPolicy;
  readonly kind: string;
  /** Where to, without anything secret. */
  readonly target: string;
  readonly sender: ChannelSender;
};

export type NotifierParts = {
  readonly channels: readonly Channel[];
  readonly outbox: NoticeOutbox;
  /** Name of this node. */
  readonly node: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
};

export type ChannelStanding = ChannelCounts & {
  readonly name: string;
  readonly kind: string;
  readonly target: string;
  readonly policy: ChannelPolicy;
};

/** However far the next thing is, a channel is looked at again after this. */
const LOOK_EVERY_MS = 60_000;
const HOUR_MS = 3_600_000;

export class Notifier implements Notices {
  readonly #parts: NotifierParts;
  readonly #runs = new Map<string, { working: Promise<void>; timer: Timer | undefined; isDue: boolean }>();
  #isStarted = false;

  constructor(parts: NotifierParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#isStarted = true;
    const { outbox, channels, clock, logger } = this.#parts;
    const left = outbox.leaveOthers(
      channels.map(({ policy }) => policy.name),
      clock.nowMs(),
    );
    if (!left.ok) logger.warn("notices of former channels were not left out", { why: left.error.message });
    for (const channel of channels) this.#look(channel);
  }

  /** What is being sent is sent to its end. */
  async stop(): Promise<void> {
    this.#isStarted = false;
    for (const run of this.#runs.values()) run.timer?.cancel();
    await Promise.all([...this.#runs.values()].map(({ working }) => working));
  }

  notify(notice: Notice): void {
    const channels = this.#parts.channels.filter(({ policy }) => wants(policy, notice));
    if (channels.length === 0) return;
    const kept = this.#parts.outbox.put(
      channels.map(({ policy }) => policy.name),
      // The history shows it as it is kept.
      { ...notice, title: redactText(notice.title), message: redactText(notice.message) },
    );
    if (!kept.ok) this.#parts.logger.error("a notice was not kept", { title: notice.title, why: kept.error.message });
    for (const channel of channels) this.#look(channel);
  }

  /** Sends at once, whatever the hour and the limits, and says how it went. */
  async test(name: string): Promise<Result<{ readonly target: string }>> {
    const channel = this.#channel(name);
    if (!channel.ok) return channel;
    const { clock, node } = this.#parts;
    const notice: Notice = {
      kind: "test",
      severity: "info",
      title: `Test of channel ${name}`,
      message: `This is what notices of ${node} look like here.`,
      subject: name,
      atMs: clock.nowMs(),
      key: null,
    };
    const message = messageOf(this.#messageId(), node, [notice]);
    const sent: Sent = message === undefined ? { ok: true } : await this.#send(channel.value, message);
    return sent.ok ? { ok: true, value: { target: channel.value.target } } : err(sent.error);
  }

  standing(): Result<readonly ChannelStanding[]> {
    const standing: ChannelStanding[] = [];
    for (const { policy, kind, target } of this.#parts.channels) {
      const counts = this.#parts.outbox.counts(policy.name);
      if (!counts.ok) return counts;
      standing.push({ ...counts.value, name: policy.name, kind, target, policy });
    }
    return { ok: true, value: standing };
  }

  list(query: NoticeQuery): Result<readonly KeptNotice[]> {
    return this.#parts.outbox.list(query);
  }

  #channel(name: string): Result<Channel> {
    const found = this.#parts.channels.find(({ policy }) => policy.name === name);
    if (found !== undefined) return { ok: true, value: found };
    return err(refused("not_found", `there is no channel ${name.slice(0, 64)}`, "List them: drover notify list"));
  }

  /** One run at a time for each channel; who comes meanwhile is seen by that run. */
  #look(channel: Channel): void {
    if (!this.#isStarted) return;
    const run = this.#runs.get(channel.policy.name) ?? { working: Promise.resolve(), timer: undefined, isDue: false };
    this.#runs.set(channel.policy.name, run);
    run.timer?.cancel();
    if (run.isDue) return;
    run.isDue = true;
    run.working = run.working.then(async () => {
      run.isDue = false;
      const againMs = await this.#work(channel);
      if (this.#isStarted) run.timer = this.#parts.clock.after(againMs, () => this.#look(channel));
    });
  }

  /** Sends what may be sent. @returns after how long there may be more. */
  async #work(channel: Channel): Promise<number> {
    const { outbox, clock, logger } = this.#parts;
    const { policy } = channel;
    while (this.#isStarted) {
      const nowMs = clock.nowMs();
      const waiting = outbox.waiting(policy.name, MAX_WAITING);
      const sent = outbox.sentSince(policy.name, nowMs - HOUR_MS);
      if (!waiting.ok || !sent.ok) {
        const why = waiting.ok ? (sent.ok ? "" : sent.error.message) : waiting.error.message;
        logger.warn("notices cannot be read", { channel: policy.name, why });
        return LOOK_EVERY_MS;
      }
      const step = nextStep(policy, waiting.value, sent.value, nowMs);
      if (step.kind === "wait") return Math.max(0, Math.min(LOOK_EVERY_MS, (step.untilMs ?? Infinity) - nowMs));
      const done = await this.#tell(channel, step.notices);
      if (!done.ok) {
        logger.warn("what became of a notice was not noted", { channel: policy.name, why: done.error.message });
        return LOOK_EVERY_MS;
      }
    }
    return LOOK_EVERY_MS;
  }

  async #tell(channel: Channel, notices: readonly WaitingNotice[]): Promise<Result<void>> {
    const { outbox, clock, random, logger, node } = this.#parts;
    const ns = notices.map(({ n }) => n);
    // By the notices, so that a message that is sent again has the id it had.
    const id = `${channel.policy.name}-${ns[0] ?? 0}-${ns.at(-1) ?? 0}`;
    const message = messageOf(id, node, notices);
    if (message === undefined) return { ok: true, value: undefined };
    const sent = await this.#send(channel, message);
    const atMs = clock.nowMs();
    if (sent.ok) return outbox.settle(ns, { state: "sent", error: null, sentAs: id, atMs });
    const error = describeFailure(sent.error);
    const tries = Math.max(...notices.map((notice) => notice.tries)) + 1;
    if (sent.error.kind === "retryable" && tries < MAX_TRIES) {
      return outbox.postpone(ns, error, atMs + retryDelayMs(tries - 1, random.next(), sent.retryAfterMs));
    }
    logger.warn("a notice was given up", { channel: channel.policy.name, tries, error });
    return outbox.settle(ns, { state: "failed", error, sentAs: id, atMs });
  }

  async #send(channel: Channel, message: OutgoingMessage): Promise<Sent> {
    try {
      return await channel.sender.send(message);
    } catch (cause) {
      const why = `the sender failed: ${cause instanceof Error ? cause.name : "unknown fault"}`;
      this.#parts.logger.error("a sender of notices failed unexpectedly", {
        channel: channel.policy.name,
        error: cause,
      });
      return { ok: false, error: refused("internal", why) };
    }
  }

  #messageId(): string {
    return `test-${Math.floor(this.#parts.random.next() * 0x1_0000_0000).toString(16)}`;
  }
}
