import { describe, expect, it } from "vitest";
import {
  decodeNodeFrame,
  decodeWorkerFrame,
  encodeFrame,
  FrameSplitter,
  MAX_FRAME_BYTES,
} from "../../../src/execution/protocol.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("a frame between worker and node", () => {
  it("comes back as it was sent", () => {
    const frame = { v: 1, type: "progress", ratio: 0.5, message: "halb fertig ½" } as const;

    expect(decodeWorkerFrame(encodeFrame(frame).trim())).toEqual({ ok: true, value: frame });
  });

  it("of a type that only a newer peer knows is ignored", () => {
    expect(decodeNodeFrame('{"v":1,"type":"pause"}')).toEqual({ ok: true, value: undefined });
    expect(decodeWorkerFrame('{"v":1,"type":"thought","text":"hm"}')).toEqual({ ok: true, value: undefined });
  });

  it("with unknown fields of a newer peer is read without them", () => {
    const read = decodeNodeFrame('{"v":1,"type":"welcome","greeting":"hello"}');

    expect(read).toEqual({ ok: true, value: { v: 1, type: "welcome" } });
  });

  it.each([
    ["no JSON", "hello"],
    ["no object", "3"],
    ["no version", '{"type":"welcome"}'],
    ["another version", '{"v":2,"type":"hello","taskId":"t","attempt":1,"token":"x"}'],
    ["a bad field", '{"v":1,"type":"progress","ratio":2,"message":""}'],
    ["a missing field", '{"v":1,"type":"hello","taskId":"t"}'],
  ])("is refused: %s", (_what, line) => {
    expect(decodeWorkerFrame(line).ok).toBe(false);
  });
});

describe("the splitter of a byte stream", () => {
  it("gives whole lines, wherever the chunks were cut", () => {
    const splitter = new FrameSplitter();
    const lines: string[] = [];

    for (const byte of bytes('{"a":"ä"}\n\n{"b":1}\n{"c"')) {
      const pushed = splitter.push(Uint8Array.of(byte));
      if (pushed.ok) lines.push(...pushed.value);
    }

    expect(lines).toEqual(['{"a":"ä"}', '{"b":1}']);
  });

  it("refuses a line over the limit before it is complete", () => {
    const splitter = new FrameSplitter();

    expect(splitter.push(bytes("x".repeat(MAX_FRAME_BYTES))).ok).toBe(true);
    expect(splitter.push(bytes("x")).ok).toBe(false);
  });
});
