/** Every open event stream of this node. */
import type { Clock, Logger } from "#base";
import type { QueueStore } from "#queue";
import { DEFAULT_STREAM_LIMITS, EventStream, type StreamLimits } from "./event-stream.ts";

/** Streams open at once: dashboards and scripts of a team; each costs a connection and up to a megabyte. */
export const MAX_STREAMS = 100;

export class EventStreams {
  readonly #open = new Set<EventStream>();
  readonly #facts: { readonly store: QueueStore; readonly clock: Clock; readonly logger: Logger };
  readonly #limits: StreamLimits;
  #isClosed = false;

  constructor(
    facts: { readonly store: QueueStore; readonly clock: Clock; readonly logger: Logger },
    limits: StreamLimits = DEFAULT_STREAM_LIMITS,
  ) {
    this.#facts = facts;
    this.#limits = limits;
  }

  get size(): number {
    return this.#open.size;
  }

  /** @returns the body of the answer, or undefined when no more streams are taken. */
  open(afterSeq: number | undefined, onEnd: () => void): ReadableStream<Uint8Array> | undefined {
    if (this.#isClosed || this.#open.size >= MAX_STREAMS) return undefined;
    const stream: EventStream = new EventStream({
      ...this.#facts,
      afterSeq,
      limits: this.#limits,
      onEnd: () => {
        this.#open.delete(stream);
        onEnd();
      },
    });
    this.#open.add(stream);
    return stream.body;
  }

  announce(maintenance: { readonly on: boolean; readonly version: string }): void {
    for (const stream of this.#open) stream.announce({ event: "maintenance", data: { ...maintenance } });
  }

  /** Ends every stream with a last frame and takes no new ones. */
  close(): void {
    this.#isClosed = true;
    for (const stream of this.#open) stream.end("shutdown");
  }
}
