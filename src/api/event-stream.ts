/**
 * One client's stream of events: first what it missed, read page by page as fast as it takes them, then what happens.
 *
 * E1: events are sent in order, each once, none left out without a `gap` frame that names the range.
 * E2: what waits for one client never passes its bounds; who is slower than that is sent away and can resume.
 * E3: a stream that ends is told so by a last frame, as long as its connection takes it.
 */
import { type Clock, describeFailure, type Logger, type Timer } from "#base";
import type { QueueEvent, QueueStore } from "#queue";
import {
  type ControlFrame,
  controlFrame,
  eventFrame,
  KEEP_ALIVE_FRAME,
  planStream,
  RECONNECT_FRAME,
} from "./event-frames.ts";
import { eventView } from "./queue-view.ts";

/** Bun cuts a connection that is silent for 10 s, and many proxies do after 30 to 60. */
export const KEEP_ALIVE_EVERY_MS = 5_000;
/** Events and characters that may wait for one client; a client on the same host that reads at all stays far below. */
export const MAX_WAITING_EVENTS = 2_000;
export const MAX_WAITING_CHARS = 1024 * 1024;
/** A client that takes nothing at all for this long is gone or stuck. */
export const MAX_STALLED_MS = 30_000;
const PAGE_EVENTS = 200;
/** What the stream hands to the connection before it waits for it, in bytes. */
const HIGH_WATER_BYTES = 64 * 1024;

export type StreamLimits = {
  readonly maxWaitingEvents: number;
  readonly maxWaitingChars: number;
  readonly maxStalledMs: number;
};

export const DEFAULT_STREAM_LIMITS: StreamLimits = {
  maxWaitingEvents: MAX_WAITING_EVENTS,
  maxWaitingChars: MAX_WAITING_CHARS,
  maxStalledMs: MAX_STALLED_MS,
};

type EndReason = "slow" | "shutdown" | "failed";

export type StreamFacts = {
  readonly store: QueueStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The client has everything up to here; undefined: it wants what happens from now on. */
  readonly afterSeq: number | undefined;
  readonly limits: StreamLimits;
  readonly onEnd: () => void;
};

export class EventStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly #facts: StreamFacts;
  readonly #encoder = new TextEncoder();
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #unsubscribe: (() => void) | undefined;
  #timer: Timer | undefined;
  /** Set while the client still reads what it missed; what happens meanwhile is read from the store in its turn. */
  #isReplaying = true;
  /** The highest number this client was sent, or that waits for it. */
  #sentSeq = 0;
  /** The highest number handed to the connection. */
  #handedSeq = 0;
  /** The highest number that was announced; a replay that has reached it is over. */
  #announcedSeq = 0;
  #waiting: string[] = [];
  #waitingChars = 0;
  #wantsMore: (() => void) | undefined;
  #takenAtMs: number;
  #hasEnded = false;

  constructor(facts: StreamFacts) {
    this.#facts = facts;
    this.#takenAtMs = facts.clock.monotonicMs();
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
          void this.#run();
        },
        pull: () => {
          this.#takenAtMs = this.#facts.clock.monotonicMs();
          this.#flush();
          this.#wantsMore?.();
        },
        cancel: () => this.#close(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_BYTES }),
    );
  }

  /** Tells the client why and where to resume, then ends the stream. Idempotent. */
  end(reason: EndReason): void {
    if (this.#hasEnded) return;
    // What still waits is dropped with the stream: the client asks for it again.
    this.#waiting = [];
    this.#enqueue(controlFrame({ event: "end", data: { reason, resumeAfter: this.#handedSeq } }));
    this.#close();
  }

  /** Says something that is no event of the queue. */
  announce(frame: ControlFrame): void {
    this.#enqueue(controlFrame(frame));
  }

  async #run(): Promise<void> {
    const { store, afterSeq, logger } = this.#facts;
    this.#unsubscribe = store.subscribe((events) => this.#observe(events));
    this.#keepAlive();
    try {
      const range = await store.eventRange();
      if (!range.ok) throw new Error(describeFailure(range.error));
      const plan = planStream(afterSeq, range.value);
      this.#sentSeq = plan.afterSeq;
      this.#handedSeq = plan.afterSeq;
      this.#enqueue(RECONNECT_FRAME);
      if (plan.gap !== undefined) this.#enqueue(controlFrame(plan.gap));
      await this.#replay();
    } catch (cause) {
      // The client hears of it and resumes; the log has the reason.
      logger.error("an event stream failed", { reason: cause instanceof Error ? cause.message : String(cause) });
      this.end("failed");
    }
  }

  async #replay(): Promise<void> {
    while (await this.#hasRoom()) {
      const page = await this.#facts.store.events(this.#sentSeq, PAGE_EVENTS);
      if (!page.ok) throw new Error(describeFailure(page.error));
      const [first] = page.value;
      if (first !== undefined && first.seq > this.#sentSeq + 1) await this.#reportPruned(first.seq);
      for (const event of page.value) this.#send(event);
      if (page.value.length < PAGE_EVENTS && this.#sentSeq >= this.#announcedSeq) {
        // No await since the page was read and compared: nothing can have been announced in between.
        this.#isReplaying = false;
        return;
      }
    }
  }

  /** Retention may overtake a client that reads slowly. */
  async #reportPruned(nextSeq: number): Promise<void> {
    const range = await this.#facts.store.eventRange();
    if (!range.ok || range.value.firstSeq <= this.#sentSeq + 1) return;
    const frame: ControlFrame = {
      event: "gap",
      data: { fromSeq: this.#sentSeq + 1, toSeq: nextSeq - 1, reason: "pruned" },
    };
    this.#enqueue(controlFrame(frame));
  }

  #observe(events: readonly QueueEvent[]): void {
    this.#announcedSeq = Math.max(this.#announcedSeq, events.at(-1)?.seq ?? 0);
    if (this.#isReplaying || this.#hasEnded) return;
    for (const event of events) this.#send(event);
    const { maxWaitingEvents, maxWaitingChars } = this.#facts.limits;
    if (this.#waiting.length > maxWaitingEvents || this.#waitingChars > maxWaitingChars) this.end("slow");
  }

  #send(event: QueueEvent): void {
    if (event.seq <= this.#sentSeq || this.#hasEnded) return;
    this.#sentSeq = event.seq;
    const frame = eventFrame(eventView(event));
    this.#waiting.push(frame);
    this.#waitingChars += frame.length;
    this.#flush();
  }

  /** Hands over as much as the connection takes, many frames in one write. */
  #flush(): void {
    if (this.#waiting.length === 0 || this.#hasEnded || (this.#controller?.desiredSize ?? 0) <= 0) return;
    const text = this.#waiting.join("");
    // Emptied first: to enqueue is to be pulled again at once, before enqueue returns.
    this.#waiting = [];
    this.#waitingChars = 0;
    this.#handedSeq = this.#sentSeq;
    this.#enqueue(text);
  }

  #enqueue(text: string): void {
    if (!this.#hasEnded) this.#controller?.enqueue(this.#encoder.encode(text));
  }

  /** Resolves when the connection takes more, with true, or the stream has ended. */
  async #hasRoom(): Promise<boolean> {
    while (!this.#hasEnded && (this.#controller?.desiredSize ?? 0) <= 0) {
      await new Promise<void>((resolve) => {
        this.#wantsMore = resolve;
      });
    }
    this.#wantsMore = undefined;
    return !this.#hasEnded;
  }

  #keepAlive(): void {
    const { clock, limits } = this.#facts;
    this.#timer = clock.after(KEEP_ALIVE_EVERY_MS, () => {
      const isStuck = (this.#controller?.desiredSize ?? 0) <= 0;
      if (isStuck && clock.monotonicMs() - this.#takenAtMs > limits.maxStalledMs) return this.end("slow");
      if (!isStuck) this.#enqueue(KEEP_ALIVE_FRAME);
      return this.#keepAlive();
    });
  }

  #close(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#unsubscribe?.();
    this.#timer?.cancel();
    try {
      this.#controller?.close();
    } catch {
      // The connection went away first; there is nobody left to tell.
    }
    this.#wantsMore?.();
    this.#facts.onEnd();
  }
}
