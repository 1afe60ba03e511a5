import { MAX_LINE_BYTES } from "../messages.ts";

/** Cuts a stream of bytes into lines, wherever it was split. */
export class LineBuffer {
  #rest = Buffer.alloc(0);
  #isTooLong = false;

  /** A line was longer than MAX_LINE_BYTES; the stream cannot be read on. */
  get isTooLong(): boolean {
    return this.#isTooLong;
  }

  /** @returns the lines that are whole now, without their ends. */
  push(bytes: Uint8Array): readonly string[] {
    if (this.#isTooLong) return [];
    const all = Buffer.concat([this.#rest, bytes]);
    const end = all.lastIndexOf(0x0a);
    this.#rest = Buffer.from(all.subarray(end + 1));
    this.#isTooLong = this.#rest.length > MAX_LINE_BYTES;
    return end < 0 ? [] : all.toString("utf8", 0, end).split("\n");
  }
}
