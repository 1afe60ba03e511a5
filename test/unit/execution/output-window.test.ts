import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OutputWindow } from "../../../src/execution/output-window.ts";
import { plainText } from "../../../src/execution/plain-text.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("the window over a command's output", () => {
  it("keeps everything while it fits, however it is cut into chunks", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme-composite", maxLength: 8 }), { maxLength: 20 }), (chunks) => {
        const text = plainText(chunks.join(""));
        const window = new OutputWindow(50, 2_000);
        for (const byte of bytes(text)) window.push(Uint8Array.of(byte));

        const { head, tail, truncated, totalBytes } = window.excerpt();
        expect(head + tail).toBe(text);
        expect(truncated).toBe(false);
        expect(totalBytes).toBe(bytes(text).length);
      }),
    );
  });

  it("keeps the first and last bytes of what does not fit, whatever the chunks", () => {
    const line = Array.from({ length: 200 }, (_, index) => String.fromCharCode(97 + (index % 26))).join("");
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 30 }), (sizes) => {
        const window = new OutputWindow(10, 16);
        let at = 0;
        for (const size of [...sizes, 200]) {
          window.push(bytes(line.slice(at, at + size)));
          at += size;
        }

        expect(window.excerpt()).toEqual({
          head: line.slice(0, 10),
          tail: line.slice(-16),
          totalBytes: 200,
          truncated: true,
        });
      }),
    );
  });

  it("does not split a character at either cut", () => {
    const window = new OutputWindow(4, 4);
    window.push(bytes("abcé".repeat(10)));

    expect(window.excerpt()).toMatchObject({ head: "abc", tail: "bcé" });
  });
});

describe("plain text", () => {
  it("has no colours, titles, clipboard writes or other control characters", () => {
    expect(plainText("\u001b[31mred\u001b[0m \u001b]52;c;aGk=\u0007x\u001b]0;title\u001b\\y\u0008\tz\r\n")).toBe(
      "red xy\tz\r\n",
    );
  });
});
