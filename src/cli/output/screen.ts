import type { Console } from "./console.ts";

/** A whole terminal that is drawn anew, on its alternate screen: what was on it before is there again afterwards. */
export class Screen {
  readonly #console: Pick<Console, "raw">;

  constructor(console: Pick<Console, "raw">) {
    this.#console = console;
  }

  /** ECMA-48 and xterm's control sequences: 1049 changes screens and keeps the cursor's place, 25 is the cursor. */
  enter(): void {
    this.#console.raw("\u001b[?1049h\u001b[?25l\u001b[H\u001b[2J");
  }

  /** Each line is drawn over the one before, and the rest of it erased: clearing first would flicker. */
  draw(lines: readonly string[]): void {
    // No line break after the last line: on the lowest row it would move everything up.
    this.#console.raw(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join("\r\n")}\u001b[J`);
  }

  leave(): void {
    this.#console.raw("\u001b[?25h\u001b[?1049l");
  }
}
