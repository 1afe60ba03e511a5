import { describe, expect, it } from "vitest";
import { markFrom, markIn } from "../../../../src/execution/sandbox/process-mark.ts";

const line = (soft: string, hard: string): string =>
  `Max cpu time              unlimited            unlimited            seconds   \nMax realtime timeout      ${soft.padEnd(20)} ${hard.padEnd(20)} us        \n`;

describe("the mark of a process", () => {
  it("is a whole number that a limit keeps, above any limit set for its own sake, and differs by its hash", () => {
    const marks = [0, 1, 127, 128, 255].map((byte) => markFrom(new Uint8Array(32).fill(byte)));

    for (const mark of marks) {
      expect(Number.isSafeInteger(mark)).toBe(true);
      expect(markIn(line(String(mark), String(mark)))).toBe(mark);
    }
    expect(new Set(marks).size).toBe(marks.length);
  });

  it("is not there without a limit, with one of the host's own, and with a soft limit that was lowered", () => {
    const mark = String(markFrom(new Uint8Array(32).fill(9)));

    const texts = [line("unlimited", "unlimited"), line("200000", "200000"), line("1", mark), ""];

    expect(texts.map(markIn)).toEqual([undefined, undefined, undefined, undefined]);
  });
});
