import type { Console } from "./console.ts";
import { truncate } from "./text.ts";

/** Lines at the end of a terminal that are replaced in place. */
export class LiveRegion {
  readonly #console: Console;
  #shown = 0;

  constructor(console: Console) {
    this.#console = console;
  }

  /** Replaces what was shown. Lines are cut to the width: a wrapped line would put the next redraw in the wrong row. */
  show(lines: readonly string[]): void {
    const { columns, unicode } = this.#console.err;
    const cut = lines.map((line) => (columns === undefined ? line : truncate(line, columns - 1, unicode)));
    this.#console.noteRaw(`${this.#up()}${cut.map((line) => `${line}\u001b[K\n`).join("")}\u001b[J`);
    this.#shown = lines.length;
  }

  /** Removes what was shown. */
  clear(): void {
    if (this.#shown > 0) this.#console.noteRaw(`${this.#up()}\u001b[J`);
    this.#shown = 0;
  }

  #up(): string {
    return this.#shown === 0 ? "" : `\r\u001b[${this.#shown}A`;
  }
}
