import { plainText } from "./plain-text.ts";

/** Enough of the beginning to see what ran, and of the end to see why it failed. */
export const DEFAULT_HEAD_BYTES = 16 * 1024;
export const DEFAULT_TAIL_BYTES = 16 * 1024;

/** What a result keeps of a command's output; the whole of it is in the log file. */
export type OutputExcerpt = {
  readonly head: string;
  /** What follows the head, or its end. Empty when the head holds everything. */
  readonly tail: string;
  readonly totalBytes: number;
  /** Whether bytes between head and tail were left out. */
  readonly truncated: boolean;
};

/** Keeps the first and the last bytes of a stream in constant memory; cuts never split a UTF-8 character. */
export class OutputWindow {
  readonly #head: Uint8Array;
  readonly #ring: Uint8Array;
  #headLength = 0;
  #ringTotal = 0;

  constructor(headBytes = DEFAULT_HEAD_BYTES, tailBytes = DEFAULT_TAIL_BYTES) {
    this.#head = new Uint8Array(headBytes);
    this.#ring = new Uint8Array(tailBytes);
  }

  get totalBytes(): number {
    return this.#headLength + this.#ringTotal;
  }

  push(chunk: Uint8Array): void {
    const forHead = chunk.subarray(0, this.#head.length - this.#headLength);
    this.#head.set(forHead, this.#headLength);
    this.#headLength += forHead.length;
    const rest = chunk.subarray(forHead.length);
    const size = this.#ring.length;
    const kept = rest.subarray(Math.max(0, rest.length - size));
    let at = size === 0 ? 0 : (this.#ringTotal + rest.length - kept.length) % size;
    const first = kept.subarray(0, size - at);
    this.#ring.set(first, at);
    at = 0;
    this.#ring.set(kept.subarray(first.length), at);
    this.#ringTotal += rest.length;
  }

  excerpt(): OutputExcerpt {
    const truncated = this.#ringTotal > this.#ring.length;
    const headEnd = wholeCharacters(this.#head.subarray(0, this.#headLength));
    const cut = this.#head.subarray(headEnd, this.#headLength);
    const tail = truncated ? skipContinuation(this.#tailBytes()) : joined(cut, this.#tailBytes());
    return {
      head: decode(this.#head.subarray(0, headEnd)),
      tail: decode(tail),
      totalBytes: this.totalBytes,
      truncated,
    };
  }

  #tailBytes(): Uint8Array {
    const size = this.#ring.length;
    if (this.#ringTotal <= size) return this.#ring.slice(0, this.#ringTotal);
    const start = this.#ringTotal % size;
    return joined(this.#ring.subarray(start), this.#ring.subarray(0, start));
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

function decode(bytes: Uint8Array): string {
  return plainText(new TextDecoder().decode(bytes));
}

/** @returns the length of the longest prefix that does not end inside a UTF-8 sequence (RFC 3629, section 3). */
function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

function skipContinuation(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return bytes.subarray(start);
}
