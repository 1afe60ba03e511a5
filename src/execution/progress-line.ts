import { plainText } from "./plain-text.ts";

export const MAX_PROGRESS_MESSAGE_CHARS = 200;
/** A longer line is output, not progress. */
const MAX_LINE_BYTES = 1_024;

/** How far a command says it is; `ratio` from 0 to 1. */
export type Progress = { readonly ratio: number; readonly message: string };

const PROGRESS = /^::progress\s+([0-9]{0,10}(?:\.[0-9]{1,10})?)(%?)(?:\s+(.*))?$/;

/**
 * Reads one line of output. A command reports progress by printing `::progress 0.4 message` (or `40%`) on a line of
 * its own; the line stays in the log. @returns undefined for every other line.
 */
export function parseProgress(line: string): Progress | undefined {
  const match = PROGRESS.exec(line.trimEnd());
  const digits = match?.[1];
  if (match === null || digits === undefined || digits === "") return undefined;
  const ratio = Number(digits) / (match[2] === "%" ? 100 : 1);
  if (!(ratio >= 0 && ratio <= 1)) return undefined;
  return { ratio, message: plainText(match[3] ?? "").slice(0, MAX_PROGRESS_MESSAGE_CHARS) };
}

/** Finds progress lines in a byte stream in constant memory. */
export class ProgressScanner {
  #line = new Uint8Array(MAX_LINE_BYTES);
  #length = 0;
  #tooLong = false;

  /** @returns the last progress reported in `chunk`, if any. */
  push(chunk: Uint8Array): Progress | undefined {
    let found: Progress | undefined;
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      this.#append(chunk.subarray(start, end));
      found = this.#take() ?? found;
      start = end + 1;
    }
    this.#append(chunk.subarray(start));
    return found;
  }

  #append(part: Uint8Array): void {
    if (this.#length + part.length > MAX_LINE_BYTES) this.#tooLong = true;
    if (this.#tooLong) return;
    this.#line.set(part, this.#length);
    this.#length += part.length;
  }

  #take(): Progress | undefined {
    const line = this.#line.subarray(0, this.#length);
    const candidate = !this.#tooLong && line[0] === 0x3a; // ":"
    this.#length = 0;
    this.#tooLong = false;
    return candidate ? parseProgress(new TextDecoder().decode(line)) : undefined;
  }
}
