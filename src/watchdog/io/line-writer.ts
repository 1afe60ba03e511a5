import { MAX_LINE_BYTES } from "../messages.ts";

/** What a line is written to: `write` says how many of the bytes were taken. */
type Sink = { readonly write: (bytes: Uint8Array) => number };

/** Bytes that may wait for a peer that does not read; more and the peer is taken for gone. */
const MAX_WAITING_BYTES = 4 * MAX_LINE_BYTES;

/** Writes lines whole although a socket takes only as much as it has room for. */
export class LineWriter {
  readonly #sink: Sink;
  #waiting: Uint8Array = new Uint8Array(0);

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** @returns false when too much waits already: the line is dropped and the connection should end. */
  write(line: string): boolean {
    if (this.#waiting.length > MAX_WAITING_BYTES) return false;
    this.#waiting = Buffer.concat([this.#waiting, Buffer.from(`${line}\n`)]);
    this.drained();
    return true;
  }

  /** The socket has room again. */
  drained(): void {
    if (this.#waiting.length === 0) return;
    const taken = Math.max(0, this.#sink.write(this.#waiting));
    this.#waiting = this.#waiting.subarray(taken);
  }
}
