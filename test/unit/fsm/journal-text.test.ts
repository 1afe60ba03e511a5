import { describe, expect, it } from "vitest";
import { decodeEntry, decodeMind, type Entry, encodeEntry, encodeMind, newMind } from "../../../src/fsm/index.ts";

const entry: Entry = { kind: "paused", reason: "maintenance", untilMs: null, seq: 7, atMs: 9, by: "ada" };

describe("the journal as text", () => {
  it("is read as it was written, and ignores what a newer release added", () => {
    const withMore = JSON.stringify({ ...JSON.parse(encodeEntry(entry)), mood: "good" });

    expect(decodeEntry(encodeEntry(entry))).toEqual({ ok: true, value: entry });
    expect(decodeEntry(withMore)).toEqual({ ok: true, value: entry });
    expect(decodeMind(encodeMind(newMind(5)))).toEqual({ ok: true, value: newMind(5) });
  });

  it("of a newer version is not guessed at", () => {
    const newer = encodeEntry(entry).replace(`"v":1`, `"v":2`);

    expect(decodeEntry(newer)).toMatchObject({ ok: false, error: { kind: "terminal", code: "newer_schema" } });
  });

  it.each([
    ["not JSON", "{", "it is no object"],
    ["a list", "[]", "v is no whole number"],
    ["another kind", encodeEntry(entry).replace("paused", "danced"), "kind is none of"],
    ["a field of another type", encodeEntry(entry).replace("null", `"soon"`), "untilMs is no whole number"],
    ["a missing field", encodeEntry(entry).replace("reason", "cause"), "reason is no text"],
  ])("that is %s is refused with the place", (_what, line, reason) => {
    expect(decodeEntry(line)).toMatchObject({ ok: false, error: { code: "corrupt" } });
    const read = decodeEntry(line);
    expect(read.ok ? "" : read.error.message).toContain(reason);
  });

  it("names the place within a mind", () => {
    const mind = encodeMind({ ...newMind(0), episodes: [{ startedMs: 0, endedMs: 0.5, outcome: "recovered" }] });

    const read = decodeMind(mind);

    expect(read.ok ? "" : read.error.message).toBe("read the mind: episodes.0.endedMs is no whole number");
  });
});
