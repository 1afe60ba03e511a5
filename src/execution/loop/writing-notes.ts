import type { LoopStep } from "./loop-step.ts";

/** A slow model writes for minutes; somebody who watches learns this often that it still does. Shorter replies say nothing. */
const NOTE_EVERY_MS = 5_000;
/** Of a longer line only the length is told. */
const MAX_LINE_CHARS = 1_000;

/**
 * What is told of a reply while it is being written: how long it is, and the latest line that can be shown. Only whole
 * lines are told: a secret that is cut apart is not recognised as one. Pure.
 */
export class WritingNotes {
  #toldMs: number;
  #line = "";
  #open = "";
  #isTooLong = false;

  constructor(startMs: number) {
    this.#toldMs = startMs;
  }

  /**
   * @param chars of the reply so far, thinking included
   * @param shown what became certain to be neither call nor thinking
   */
  take(chars: number, shown: string, nowMs: number): LoopStep | undefined {
    this.#gather(shown);
    if (nowMs - this.#toldMs < NOTE_EVERY_MS) return undefined;
    const text = this.#line;
    this.#toldMs = nowMs;
    this.#line = "";
    return { kind: "writing", chars, text };
  }

  #gather(shown: string): void {
    const lines = (this.#open + shown).split("\n");
    const open = lines.pop() ?? "";
    const [first, ...whole] = lines;
    if (first !== undefined && !this.#isTooLong) whole.unshift(first);
    if (first !== undefined) this.#isTooLong = false;
    if (open.length > MAX_LINE_CHARS) this.#isTooLong = true;
    this.#open = this.#isTooLong ? "" : open;
    const latest = whole.findLast((line) => line.trim() !== "" && line.length <= MAX_LINE_CHARS);
    if (latest !== undefined) this.#line = latest.trim();
  }
}
