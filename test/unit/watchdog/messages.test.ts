import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineBuffer } from "../../../src/watchdog/io/line-buffer.ts";
import { LineWriter } from "../../../src/watchdog/io/line-writer.ts";
import {
  MAX_LINE_BYTES,
  type NodeMessage,
  parseNodeMessage,
  parseWatchdogMessage,
  type WatchdogMessage,
} from "../../../src/watchdog/messages.ts";

const fromNode: readonly NodeMessage[] = [
  { kind: "hello", protocol: 1, pid: 7, generation: 2, version: "1.2.3" },
  { kind: "ready", url: "http://127.0.0.1:7433" },
  {
    kind: "heartbeat",
    rssBytes: 1,
    requests: 2,
    serverErrors: 0,
    pulses: [{ name: "leases", ageMs: 3, limitMs: 60_000 }],
  },
  { kind: "stopping", mode: "drain" },
  { kind: "request", id: 4, action: "update", body: { from: "/release" } },
];
const fromWatchdog: readonly WatchdogMessage[] = [
  { kind: "drain" },
  { kind: "stop", mode: "now" },
  { kind: "maintenance", on: true, version: "2.0.0" },
  { kind: "socketWanted", path: "/state/handover.sock" },
  { kind: "answer", id: 4, value: { accepted: true } },
  { kind: "answer", id: 5, failure: { kind: "refused", code: "in_use", message: "another update is under way" } },
];

describe("a message", () => {
  it.each(fromNode)("of the node is read as it was written: %j", (message) => {
    expect(parseNodeMessage(JSON.stringify(message))).toEqual(message);
  });

  it.each(fromWatchdog)("of the watchdog is read as it was written: %j", (message) => {
    expect(parseWatchdogMessage(JSON.stringify(message))).toEqual(message);
  });

  it("with a field that is missing or of another type is none", () => {
    const broken = fromNode.flatMap((message) =>
      Object.keys(message)
        .filter((name) => name !== "body")
        .flatMap((name) => [undefined, { odd: true }, -1.5].map((value) => ({ ...message, [name]: value }))),
    );

    expect(broken.map((message) => parseNodeMessage(JSON.stringify(message)))).toEqual(broken.map(() => undefined));
  });

  it("that is no JSON, or unknown, is none and throws nothing", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
        expect([parseNodeMessage(line), parseWatchdogMessage(line)]).toEqual([undefined, undefined]);
      }),
    );
  });

  it("of a node with more pulses than anybody has is none", () => {
    const pulses = Array.from({ length: 101 }, (_, index) => ({ name: `p${index}`, ageMs: 0, limitMs: 1 }));

    expect(parseNodeMessage(JSON.stringify({ ...fromNode[2], pulses }))).toBeUndefined();
  });
});

describe("lines", () => {
  it("are the same however the stream was cut", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\n", " ")),
          { maxLength: 8 },
        ),
        fc.array(fc.nat(40), { maxLength: 20 }),
        (lines, cuts) => {
          const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
          const buffer = new LineBuffer();
          const places = [...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].toSorted((a, b) => a - b);
          let from = 0;
          const read = places.flatMap((to) => {
            const piece = buffer.push(bytes.subarray(from, to));
            from = to;
            return piece;
          });

          expect(read).toEqual(lines);
        },
      ),
    );
  });

  it("longer than any message end the stream", () => {
    const buffer = new LineBuffer();

    buffer.push(Buffer.alloc(MAX_LINE_BYTES + 1, 0x61));

    expect(buffer.isTooLong).toBe(true);
    expect(buffer.push(Buffer.from("\n{}\n"))).toEqual([]);
  });

  it("are written whole and in order by a socket that takes them in pieces", () => {
    const taken: Buffer[] = [];
    let room = 3;
    const writer = new LineWriter({
      write: (bytes) => {
        const count = Math.min(room, bytes.length);
        taken.push(Buffer.from(bytes.subarray(0, count)));
        return count;
      },
    });
    writer.write("first");
    writer.write("second");

    room = 1_000;
    writer.drained();

    expect(Buffer.concat(taken).toString()).toBe("first\nsecond\n");
  });

  it("are dropped for a peer that reads nothing for megabytes", () => {
    const writer = new LineWriter({ write: () => 0 });
    const long = "x".repeat(MAX_LINE_BYTES);
    const written = Array.from({ length: 8 }, () => writer.write(long));

    expect(written.filter((isTaken) => !isTaken).length).toBeGreaterThan(0);
  });
});
