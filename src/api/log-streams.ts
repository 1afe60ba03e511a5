/** Every open stream of a log of this node. */
import { LogStream, type LogStreamFacts } from "./log-stream.ts";

/** People and dashboards that watch tasks; each costs a connection and a look at a file now and then. */
export const MAX_LOG_STREAMS = 100;

export class LogStreams {
  readonly #open = new Set<LogStream>();
  #isClosed = false;

  get size(): number {
    return this.#open.size;
  }

  /** @returns the body of the answer, or undefined when no more streams are taken. */
  open(facts: LogStreamFacts): ReadableStream<Uint8Array> | undefined {
    if (this.#isClosed || this.#open.size >= MAX_LOG_STREAMS) return undefined;
    const stream: LogStream = new LogStream({
      ...facts,
      onEnd: () => {
        this.#open.delete(stream);
        facts.onEnd();
      },
    });
    this.#open.add(stream);
    return stream.body;
  }

  /** Ends every stream with a last frame and takes no new ones. */
  close(): void {
    this.#isClosed = true;
    for (const stream of this.#open) stream.end("shutdown");
  }
}
